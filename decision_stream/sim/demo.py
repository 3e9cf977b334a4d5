"""The demo: a worker of the engine as a process of its own, and the simulated fleet that it decides for."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from ..broker.topics import apply, topic_table
from .fleet import EngineSilent, Fleet
from .policy import DEMO_SETTINGS
from .view import Lines, Screen, View, summary
from .world import LAST_MINUTE, World

PARTITIONS = 4
STOP_TIMEOUT_S = 30.0


def run_demo(
    bootstrap_servers: str,
    broker: str,
    *,
    seconds: float,
    seed: int,
    headless: bool,
    record: Path | None = None,
    console: Console | None = None,
) -> int:
    """Run the demo; returns 0 when decisions flowed and outcomes were learned, else 1.

    The run goes on after `seconds` until the last incident could have been answered, but not beyond twice as long.
    """
    console = console or Console()
    return asyncio.run(_demo(bootstrap_servers, broker, seconds, seed, headless, record, console))


async def _demo(
    bootstrap_servers: str,
    broker: str,
    seconds: float,
    seed: int,
    headless: bool,
    record: Path | None,
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
        worker = _start_worker(config, bootstrap_servers, name, prefix)
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
                    await _play(fleet, view, seconds, stopped, worker)
        except EngineSilent as silent:
            fault = str(silent)
        finally:
            status = await asyncio.to_thread(_stop_worker, worker)
    console.print(summary(fleet.card))
    if fault is not None:
        console.print(f"[red]{fault}[/red]")
    if status != 0:
        console.print(f"[red]the worker ended with status {status}[/red]")
    flowed = bool(fleet.card.decisions) and fleet.learned > 0
    if not flowed and not stopped.is_set():
        console.print("[red]no decision was made, or none was learned from[/red]")
    return 0 if fault is None and status == 0 and (flowed or stopped.is_set()) else 1


async def _play(
    fleet: Fleet, view: View, seconds: float, stopped: asyncio.Event, worker: "subprocess.Popen[bytes]"
) -> None:
    started = time.monotonic()
    minute = 0
    while not stopped.is_set():
        elapsed = time.monotonic() - started
        if elapsed >= 2.0 * seconds or (elapsed >= seconds and minute >= LAST_MINUTE):
            return
        minute += 1
        if worker.poll() is not None:
            raise EngineSilent(f"the worker ended with status {worker.returncode}; its log is above")
        await fleet.minute(minute)
        view.refresh(fleet, minute)


def _start_worker(config: Path, bootstrap_servers: str, name: str, prefix: str) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, "DS_KAFKA__APP_ID": name, "DS_KAFKA__TOPIC_PREFIX": prefix}
    command = [sys.executable, "-m", "decision_stream", "run", "--config", str(config), "-b", bootstrap_servers]
    # A session of its own, so that Ctrl-C reaches the demo alone, which then drains the worker.
    return subprocess.Popen(command, env=environment, start_new_session=True)


def _stop_worker(worker: "subprocess.Popen[bytes]") -> int:
    if worker.poll() is None:
        worker.send_signal(signal.SIGTERM)
        try:
            worker.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            worker.kill()
    return worker.wait()
