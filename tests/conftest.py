"""What all tests share: coroutine tests, and a report that names whatever did not run."""

import asyncio
import inspect
import os
import subprocess
from shutil import which

import pytest

# A browser for the dashboard and the walk through the demo; a Redis for the read model and the doctor.
pytest_plugins = ["tests.browser.chromium", "tests.edge.redis_server"]

REQUIRE_ALL = os.environ.get("DS_REQUIRE_ALL") == "1"
MAY_BE_MISSING = {"needs_docker": "no Docker engine answers here"}
"""Markers of tests that cannot run everywhere, with the one reason that is accepted; everything else is a failure."""

used_services: list[str] = []
"""What fixtures started or found, a line each for the end of the report."""
_not_run: list[tuple[str, str]] = []


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers."""
    config.addinivalue_line("markers", "needs_docker: needs a running Docker engine")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run `async def` tests on an event loop of their own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    with asyncio.Runner() as runner:
        runner.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    """With DS_REQUIRE_ALL=1 a test that did not run fails, unless its marker says that it may be missing."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        _not_run.append((item.nodeid, reason))
        excused = any(
            marker in MAY_BE_MISSING and text in reason
            for marker, text in MAY_BE_MISSING.items()
            if item.get_closest_marker(marker)
        )
        if REQUIRE_ALL and not excused:
            report.outcome = "failed"
            report.longrepr = f"did not run, and DS_REQUIRE_ALL=1: {reason}"
    return report


def pytest_terminal_summary(terminalreporter) -> None:
    """Name the services that were used, and what did not run and why."""
    for service in used_services:
        terminalreporter.write_line(service)
    if _not_run:
        terminalreporter.section("not run")
        for nodeid, reason in _not_run:
            terminalreporter.write_line(f"{nodeid}: {reason}")


def docker_answers() -> bool:
    """Whether a Docker engine runs here."""
    return which("docker") is not None and subprocess.run(["docker", "info"], capture_output=True).returncode == 0


@pytest.fixture(scope="session")
def docker_engine() -> None:
    """Skip, with the accepted reason, where no Docker engine answers."""
    if not docker_answers():
        pytest.skip(MAY_BE_MISSING["needs_docker"])
