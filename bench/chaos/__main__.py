"""`python -m bench.chaos`: faults on a real Kafka under load, then an oracle; one table.

Exit status: 0 when every promise was kept, 1 when one was broken, 2 when a chosen kind of fault never happened.
"""

import argparse
import asyncio
import logging
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from rich.console import Console
from rich.table import Table

from .fleet import Fleet
from .nemesis import Nemesis, Stuck
from .oracle import judge
from .policy import PARTITIONS
from .report import COLUMNS, Run, facts, markdown, rows
from .stage import Stage
from .traffic import Traffic

KEPT, BROKEN, VOID = 0, 1, 2
LONG_S, LONG_KILLS, LONG_RATE, SCOPES = 900.0, 100, 150.0, 60
QUICK_S, QUICK_RATE = 45.0, 100.0
QUICK_KINDS = (
    "kill -9 of a worker",
    "kill -9 between two acts",
    "worker leaves and joins",
    "broker killed",
    "broker paused",
    "network cut",
    "freeze beyond the session",
)
WORKERS = 2
DRAIN_LIMIT_S = 120.0


def main() -> int:
    """Run, print, and tell by the exit status how it went."""
    options = _options()
    console = Console(width=200)
    directory = Path(tempfile.mkdtemp(prefix="decision-stream-chaos-"))
    logging.basicConfig(filename=directory / "harness.log", level=logging.WARNING)
    # Workers inherit it: the signal that arms a failpoint does not end one that is still starting.
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    status = BROKEN
    try:
        run = asyncio.run(_run(options, directory, lambda line: console.print(line, style="dim", highlight=False)))
        status = _tell(console, run, options.report)
    except Stuck as stuck:
        console.print(f"[bold red]stuck:[/] {stuck}")
    finally:
        if status == KEPT and not options.keep:
            shutil.rmtree(directory, ignore_errors=True)
        else:
            console.print(f"logs and data are kept in {directory}")
    return status


def _options() -> argparse.Namespace:
    told = argparse.ArgumentParser(prog="python -m bench.chaos", description=__doc__)
    told.add_argument("--seconds", type=float, help=f"at least this long under faults (default {LONG_S:g})")
    told.add_argument("--kills", type=int, help=f"at least this many processes killed (default {LONG_KILLS})")
    told.add_argument("--seed", type=int, default=1, help="of the order and the details of faults and traffic")
    told.add_argument("--rate", type=float, help=f"insights a second (default {LONG_RATE:g})")
    told.add_argument("--quick", action="store_true", help="about a minute, each of the main faults once")
    told.add_argument("--only", action="append", help="only faults whose name contains this; may be repeated")
    told.add_argument("--events", action="store_true", help="workers take Faust's own events, one a record")
    told.add_argument("--report", type=Path, help="write table and facts as markdown to this file")
    told.add_argument("--keep", action="store_true", help="keep logs and data")
    options = told.parse_args()
    options.seconds = options.seconds if options.seconds is not None else QUICK_S if options.quick else LONG_S
    options.kills = options.kills if options.kills is not None else 1 if options.quick else LONG_KILLS
    options.rate = options.rate or (QUICK_RATE if options.quick else LONG_RATE)
    return options


async def _run(options: argparse.Namespace, directory: Path, say: Callable[[str], None]) -> Run:
    stage = Stage(directory, Random(f"{options.seed}:stage"), is_batched=not options.events)
    fleet = Fleet(options.seed, SCOPES)
    begun = time.monotonic()
    try:
        say("starting Kafka and workers")
        await stage.open()
        supervising = asyncio.create_task(stage.supervise())
        for slot in stage.slots[:WORKERS]:
            stage.start_worker(slot)
        traffic = Traffic(stage.bootstrap_servers, fleet, options.rate, Random(f"{options.seed}:traffic"))
        await traffic.start()
        nemesis = Nemesis(stage, traffic, Random(f"{options.seed}:nemesis"))
        chosen = _chosen(options, tuple(nemesis.kinds))
        try:
            while min(traffic.fed.values()) < 0:
                await asyncio.sleep(0.1)
            await nemesis.settled()
            await _torment(nemesis, chosen, options, say)
            say("healing: no more faults, no more insights; waiting until all is done")
            await nemesis.settled()
            await traffic.stop_feeding()
            await _drained(traffic)
        finally:
            await traffic.stop()
        for slot in stage.slots:
            slot.is_wanted = False
            stage.signal(slot, signal.SIGTERM)
        while any(slot.is_running for slot in stage.slots):
            await asyncio.sleep(0.1)
        await asyncio.sleep(0.3)
        supervising.cancel()
        say("the oracle reads all topics")
        judgement = await judge(stage.bootstrap_servers, traffic.acted)
        return Run(
            seed=options.seed,
            seconds=time.monotonic() - begun,
            rate=options.rate,
            chosen=chosen,
            injections=nemesis.injections,
            endings=stage.endings,
            judgement=judgement,
            peak_rss_kb=max(slot.peak_rss_kb for slot in stage.slots),
            sent=traffic.sent,
            broker=stage.kafka.description.rpartition(" at ")[0],
        )
    finally:
        await stage.close()


def _chosen(options: argparse.Namespace, kinds: tuple[str, ...]) -> tuple[str, ...]:
    if options.only:
        return tuple(kind for kind in kinds if any(part in kind for part in options.only))
    return QUICK_KINDS if options.quick else kinds


async def _torment(
    nemesis: Nemesis, chosen: tuple[str, ...], options: argparse.Namespace, say: Callable[[str], None]
) -> None:
    """Rounds of all chosen faults in a new order each; now and then the next one does not wait for recovery."""
    draw = Random(f"{options.seed}:order")
    deadline = time.monotonic() + options.seconds
    kills = tuple(kind for kind in chosen if kind.startswith("kill")) or chosen
    is_first = True
    while is_first or time.monotonic() < deadline or nemesis.kills < options.kills:
        plan = list(chosen) if is_first else [*chosen, *kills, *kills, *kills]
        draw.shuffle(plan)
        for kind in plan:
            if not is_first and time.monotonic() > deadline and nemesis.kills >= options.kills:
                break
            before = len(nemesis.injections)
            await nemesis.inject(kind, wait=draw.random() < 0.75)
            if len(nemesis.injections) > before:
                took = nemesis.injections[-1].recovered_s
                told = f"all partitions decide after {took:.1f} s" if took is not None else "and on"
                say(f"{len(nemesis.injections):4} {kind}: {told}; {nemesis.kills} killed")
        is_first = False
        if options.quick and time.monotonic() > deadline:
            break
    # A fault that met no running worker did not happen: now it meets one.
    for kind in chosen:
        if kind not in {injection.kind for injection in nemesis.injections}:
            await nemesis.settled()
            await nemesis.inject(kind, wait=True)
            say(f"{len(nemesis.injections):4} {kind}: made up for; {nemesis.kills} killed")


async def _drained(traffic: Traffic) -> None:
    """Until all insights are judged, and then until no journal record came for two commit intervals."""
    deadline = time.monotonic() + DRAIN_LIMIT_S
    while any(traffic.journalled.newest[number] < traffic.fed[number] for number in range(PARTITIONS)):
        traffic.check()
        if time.monotonic() > deadline:
            raise Stuck(f"fed up to {traffic.fed}, judged up to {traffic.journalled.newest}")
        await asyncio.sleep(0.1)
    deadline = time.monotonic() + DRAIN_LIMIT_S
    seen = -1
    while seen != traffic.journalled.count:
        if time.monotonic() > deadline:
            raise Stuck(
                f"the journal does not come to rest: {traffic.journalled.count} records, {seen} two seconds ago"
            )
        seen = traffic.journalled.count
        await asyncio.sleep(2.0)


def _tell(console: Console, run: Run, report: Path | None) -> int:
    table = Table(*COLUMNS)
    for row in rows(run):
        table.add_row(*row)
    console.print(table)
    for line in (*facts(run), *(f"BROKEN {told}" for told in run.judgement.findings)):
        console.print(line, highlight=False, markup=False)
    for ending in run.odd_endings:
        console.print(f"BROKEN worker {ending.slot} ended with status {ending.status}")
    if run.missing:
        console.print(f"void: {', '.join(run.missing)} never happened")
    if report is not None:
        report.write_text(markdown(run))
    if not run.is_good:
        return BROKEN
    return VOID if run.missing else KEPT


if __name__ == "__main__":
    sys.exit(main())
