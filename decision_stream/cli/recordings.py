"""Commands about recordings and the journal: replay, verify, what-if."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from .common import AsJson, Bootstrap, Config, fail, named_kafka, say_all, settings_of

app = typer.Typer()


@app.command()
def replay(
    recording: Annotated[Path, typer.Argument(help="What `demo --record` wrote.")],
    config: Config = None,
    as_demo: Annotated[bool, typer.Option("--demo", help="Replay under the demo's settings.")] = False,
) -> None:
    """Step a recording through the core again; fail when a decision or journal record differs by a byte."""
    from ..settings import parse
    from ..sim.policy import DEMO_SETTINGS
    from ..tools.replay import BadRecording, read_recording
    from ..tools.replay import replay as replay_recording

    settings = parse(DEMO_SETTINGS, {}) if as_demo else settings_of(config)
    try:
        done = replay_recording(read_recording(recording), settings.policy)
    except BadRecording as fault:
        fail(fault)
    say_all(
        done.differences,
        f"{done.events} events of {done.scopes} scopes, {done.directives} orders, {done.signals} signals: all the same",
    )
    sys.exit(1 if done.differences else 0)


@app.command()
def verify(
    recording: Annotated[Path | None, typer.Argument(help="What `demo --record` wrote; without it, the topic.")] = None,
    config: Config = None,
    bootstrap_servers: Bootstrap = None,
) -> None:
    """Check the journal's hash chain, scope by scope; fail at the first gap or changed record."""
    from ..tools.replay import BadRecording, read_recording
    from ..tools.verify import read_topic
    from ..tools.verify import verify as verify_journal

    try:
        if recording is not None:
            values = [value for scope in read_recording(recording).journal.values() for value in scope]
        else:
            settings = settings_of(config)
            kafka = settings.kafka
            values = read_topic(named_kafka(settings, bootstrap_servers), f"{kafka.topic_prefix}journal")
    except BadRecording as fault:
        fail(fault)
    done = verify_journal(values)
    owners = f"{done.scopes} scopes and {done.aggregates} aggregates"
    whole = f"{done.records} records of {owners}, {done.repeats} repeated byte for byte: the chain is whole"
    say_all(done.faults, whole)
    sys.exit(1 if done.faults else 0)


@app.command()
def whatif(
    recording: Annotated[Path, typer.Argument(help="What `demo --record` wrote.")],
    policy: Annotated[Path, typer.Option("--policy", help="Settings file with the other policy.")],
    as_json: AsJson = False,
) -> None:
    """Replay recorded insights and commands under another policy, and tell where its decisions would have differed."""
    from dataclasses import asdict

    from ..tools.replay import BadRecording, read_recording
    from ..tools.whatif import what_if

    try:
        partings = what_if(read_recording(recording), settings_of(policy).policy)
    except BadRecording as fault:
        fail(fault)
    if as_json:
        print(json.dumps([asdict(parting) for parting in partings]))
        return
    if not partings:
        print("the other policy decides the same on every scope")
        return
    table = Table("scope", "same decisions", "then recorded", "then supposed", "decisions in all")
    for parting in partings:
        told = [f"{it.strategy}: {it.kind}" if it else "nothing" for it in (parting.recorded, parting.supposed)]
        total = f"{parting.recorded_total} / {parting.supposed_total}"
        table.add_row(parting.scope, str(parting.shared), *told, total)
    Console().print(table)
    print("Beyond the first difference nothing was measured: new orders are only taken as carried out.")
