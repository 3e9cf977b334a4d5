"""The hardening relies on private parts of Faust and aiokafka: it refuses versions it was not tested with."""

from importlib.metadata import version

TESTED = {"faust-streaming": "0.15.3", "mode-streaming": "0.7.1", "aiokafka": "0.14.0"}


class UntestedVersion(Exception):
    """Another version of Faust, mode or aiokafka is installed than this release was tested with."""


def check_versions() -> None:
    """Raise `UntestedVersion` naming every package that differs."""
    found = {package: version(package) for package in TESTED}
    wrong = [
        f"{package} {found[package]} (tested: {TESTED[package]})"
        for package in TESTED
        if found[package] != TESTED[package]
    ]
    if wrong:
        raise UntestedVersion(
            f"installed {', '.join(wrong)}; install the pinned versions: pip install -r requirements.lock"
        )
