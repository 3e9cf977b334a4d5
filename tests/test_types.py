"""The types hold everywhere, as `make lint` looks."""

import subprocess
import sys
from pathlib import Path


def test_the_package_passes_mypy(tmp_path):
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--cache-dir", str(tmp_path)],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
