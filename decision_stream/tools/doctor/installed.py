"""Whether the libraries are those the engine was tested with, and which extras are there."""

import platform
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from ... import ENGINE_VERSION
from ...stream.hardening.versions import TESTED
from .finding import Finding, fail, ok

EXTRAS = {"kafka": "jgo", "docker": "testcontainers", "api": "fastapi", "otel": "opentelemetry.sdk"}
"""Extras of the package, and a module by which each is known."""
LOCK = "pip install --require-hashes -r requirements.lock"


def installed() -> list[Finding]:
    """A line for each package that differs, else one for all."""
    wrong = []
    for package, tested in TESTED.items():
        found = _version(package)
        if found != tested:
            wrong.append(fail("libraries", f"{package} {found or 'is missing'}, tested with {tested}", LOCK))
    if wrong:
        return wrong
    told = ", ".join(f"{package} {tested}" for package, tested in TESTED.items())
    extras = [name for name, module in EXTRAS.items() if _is_there(module)]
    return [
        ok(
            "libraries",
            f"decision-stream {ENGINE_VERSION}, Python {platform.python_version()}, {told}; "
            f"extras: {', '.join(extras) or 'none'}",
        )
    ]


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False
