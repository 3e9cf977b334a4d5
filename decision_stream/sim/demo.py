"""The demo: a worker of the engine as a process of its own, and the simulated fleet that it decides for."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from ..broker.topics import apply, topic_table
from .fleet import EngineSilent, Fleet
from .policy import DEMO_SETTINGS
from .view import Lines, Screen, View, summary
from .world import LAST_MINUTE, World

PARTITIONS = 4
STOP_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A demo that a person takes part in: the dashboard's port, and how long a simulated minute lasts.

    Some routes are sensitive, so that changes on them wait for approval, and wait long enough for a person.
    """

    port: int = 8_080
    minute_s: float = 1.0
    sensitive_scopes: tuple[str, ...] = ("acme/support/chat", "acme/search/rerank", "globex/mail/triage")

    @property
    def address(self) -> str:
        """Where the dashboard is."""
        return f"http://127.0.0.1:{self.port}/"

    @property
    def policy(self) -> dict[str, str]:
        """What differs from the demo's settings, as environment variables."""
        return {
            "DS_SAFETY__SENSITIVE_SCOPES": f"[{', '.join(self.sensitive_scopes)}]",
            "DS_ENGINE__APPROVAL_TIMEOUT": "1d",
        }


def run_demo(
    bootstrap_servers: str,
    broker: str,
    *,
    seconds: float,
    seed: int,
    headless: bool,
    record: Path | None = None,
    watched: Watched | None = None,
    console: Console | None = None,
) -> int:
    """Run the demo; returns 0 when decisions flowed and outcomes were learned, else 1.

    The run goes on after `seconds` until the last incident could have been answered, but not beyond twice as long; one
    that is `watched` ends when it is told to or after `seconds`.
    """
    console = console or Console()
    return asyncio.run(_demo(bootstrap_servers, broker, seconds, seed, headless, record, watched, console))


async def _demo(
    bootstrap_servers: str,
    broker: str,
    seconds: float,
    seed: int,
    headless: bool,
    record: Path | None,
    watched: Watched | None,
    console: Console,
) -> int:
    # Names of its own, so that a run on an external Kafka starts with empty state.
    name = f"demo-{os.getpid()}-{int(time.time())}"
    prefix = f"{name}."
    await apply(bootstrap_servers, topic_table(prefix=prefix, app_id=name, partitions=PARTITIONS))
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    view: View = Lines(broker) if headless else Screen(broker, console)
    with tempfile.TemporaryDirectory(prefix="decision-stream-demo-") as directory:
        config = Path(directory) / "demo.yaml"
        config.write_text(DEMO_SETTINGS)
        environment = {**os.environ, "DS_KAFKA__APP_ID": name, "DS_KAFKA__TOPIC_PREFIX": prefix}
        worker = _start("run", config, bootstrap_servers, {**environment, **(watched.policy if watched else {})})
        processes = [worker]
        if watched is not None:
            served = {"DS_API__PORT": str(watched.port), "DS_API__CLOCK": "events"}
            served["DS_API__DATABASE"] = str(Path(directory) / "read-model.sqlite")
            processes.append(_start("api", config, bootstrap_servers, {**environment, **served}))
            console.print(f"dashboard: {watched.address} (Ctrl-C ends the demo)")
        fault: str | None = None
        fleet = Fleet(
            World(seed),
            bootstrap_servers,
            prefix=prefix,
            partitions=PARTITIONS,
            record=record,
            on_decision=view.decided,
            on_journal=view.journaled,
        )
        try:
            async with fleet:
                with view:
                    await _play(fleet, view, seconds, stopped, processes, watched)
        except EngineSilent as silent:
            fault = str(silent)
        finally:
            status = max([abs(await asyncio.to_thread(_stop, process)) for process in processes])
    console.print(summary(fleet.card))
    if fault is not None:
        console.print(f"[red]{fault}[/red]")
    if status != 0:
        console.print(f"[red]a process of the demo ended with status {status}[/red]")
    flowed = bool(fleet.card.decisions) and fleet.learned > 0
    if not flowed and not stopped.is_set():
        console.print("[red]no decision was made, or none was learned from[/red]")
    return 0 if fault is None and status == 0 and (flowed or stopped.is_set()) else 1


async def _play(
    fleet: Fleet,
    view: View,
    seconds: float,
    stopped: asyncio.Event,
    processes: "list[subprocess.Popen[bytes]]",
    watched: Watched | None,
) -> None:
    started = time.monotonic()
    minute = 0
    while not stopped.is_set():
        began = time.monotonic()
        elapsed = began - started
        shown_all = watched is not None or minute >= LAST_MINUTE
        if elapsed >= 2.0 * seconds or (elapsed >= seconds and shown_all):
            return
        minute += 1
        for process in processes:
            if process.poll() is not None:
                raise EngineSilent(f"{_name(process)} ended with status {process.returncode}; its log is above")
        await fleet.minute(minute)
        view.refresh(fleet, minute)
        if watched is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), max(0.0, watched.minute_s - (time.monotonic() - began)))


def _start(
    command: str, config: Path, bootstrap_servers: str, environment: dict[str, str]
) -> "subprocess.Popen[bytes]":
    arguments = [sys.executable, "-m", "decision_stream", command, "--config", str(config), "-b", bootstrap_servers]
    # A session of its own, so that Ctrl-C reaches the demo alone, which then drains the worker.
    return subprocess.Popen(arguments, env=environment, start_new_session=True)


def _name(process: "subprocess.Popen[bytes]") -> str:
    """The command that it was started with, such as `run`."""
    words = process.args
    return str(words[3]) if isinstance(words, list) else str(words)


def _stop(process: "subprocess.Popen[bytes]") -> int:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()
