"""Commands about recordings and the journal: replay, verify, what-if."""

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from .common import AsJson, Bootstrap, Config, answer, fail, named_kafka, say, settings_of

if TYPE_CHECKING:
    from ..settings import Settings
    from ..tools.policy_search import Worth
    from ..tools.recording import Recording

app = typer.Typer()
Recorded = Annotated[
    Path | None, typer.Argument(metavar="[FILE]", help="What `demo --record` wrote.", show_default=False)
]


@app.command()
def replay(
    recording: Recorded = None,
    from_topic: Annotated[bool, typer.Option("--from-topic", help="Replay what the topics keep instead.")] = False,
    config: Config = None,
    bootstrap_servers: Bootstrap = None,
    earlier: Annotated[
        list[Path] | None,
        typer.Option(help="Settings of an earlier time, for what was decided under their policy; may be repeated."),
    ] = None,
    as_demo: Annotated[bool, typer.Option("--demo", help="Replay under the demo's settings.")] = False,
    as_json: AsJson = False,
) -> None:
    """Step a recording through the core again; fail when a decision or journal record differs by a byte.

    The topics may be replayed while the engine goes on. A scope of which the first events have expired is left out.
    """
    from ..settings import parse
    from ..sim.policy import DEMO_SETTINGS
    from ..tools.recording import BadRecording, read_recording
    from ..tools.replay import replay as replay_recording

    if (recording is None) is not from_topic:
        fail("name a recording, or give --from-topic")
    settings = parse(DEMO_SETTINGS, os.environ) if as_demo else settings_of(config)
    policies = {policy.hash: policy for policy in (settings_of(path).policy for path in earlier or ())}
    try:
        recorded = _from_topics(settings, bootstrap_servers) if recording is None else read_recording(recording)
    except BadRecording as fault:
        fail(fault)
    if recorded.left_out:
        say(f"left out, their first events have expired: {', '.join(recorded.left_out)}")
    if not recorded.journal:
        fail("no scope is kept from its first event on: nothing could be replayed")
    done = replay_recording(recorded, settings.policy, policies)
    if done.versions:
        say(f"recorded by {', '.join(done.versions)}: versions and the hashes that hold them are not compared")
    counts = f"{done.events} events of {done.scopes} scopes, {done.directives} orders, {done.signals} signals"
    told = {
        "events": done.events,
        "scopes": done.scopes,
        "orders": done.directives,
        "signals": done.signals,
        "left_out": list(recorded.left_out),
        "versions": list(done.versions),
        "differences": [str(it) for it in done.differences],
    }
    answer(told, as_json, done.differences, f"{counts}: all the same")
    sys.exit(1 if done.differences else 0)


def _from_topics(settings: "Settings", bootstrap_servers: str | None) -> "Recording":
    import asyncio

    from ..tools.recording import read_topics

    return asyncio.run(read_topics(named_kafka(settings, bootstrap_servers), settings.kafka.topic_prefix))


@app.command()
def verify(
    recording: Annotated[Path | None, typer.Argument(help="What `demo --record` wrote; without it, the topic.")] = None,
    config: Config = None,
    bootstrap_servers: Bootstrap = None,
    as_json: AsJson = False,
) -> None:
    """Check the journal's hash chain, scope by scope; fail at the first gap or changed record."""
    from ..tools.recording import BadRecording, read_recording
    from ..tools.verify import verify as verify_journal

    try:
        if recording is not None:
            values = [value for scope in read_recording(recording).journal.values() for value in scope]
        else:
            values = _journal_of(settings_of(config), bootstrap_servers)
    except BadRecording as fault:
        fail(fault)
    done = verify_journal(values)
    owners = f"{done.scopes} scopes and {done.aggregates} aggregates"
    whole = f"{done.records} records of {owners}, {done.repeats} repeated byte for byte: the chain is whole"
    told = {
        "records": done.records,
        "scopes": done.scopes,
        "aggregates": done.aggregates,
        "repeats": done.repeats,
        "faults": [str(it) for it in done.faults],
    }
    answer(told, as_json, done.faults, whole)
    sys.exit(1 if done.faults else 0)


def _journal_of(settings: "Settings", bootstrap_servers: str | None) -> list[bytes]:
    import asyncio

    from ..tools.topic import records_of

    async def read() -> list[bytes]:
        topic = f"{settings.kafka.topic_prefix}journal"
        return [record.value async for record in records_of(named_kafka(settings, bootstrap_servers), topic)]

    return asyncio.run(read())


@app.command()
def whatif(
    recording: Annotated[Path, typer.Argument(help="What `demo --record` wrote.")],
    policy: Annotated[Path, typer.Option("--policy", help="Settings file with the other policy.")],
    space: Annotated[
        Path | None,
        typer.Option(
            "--search", help="YAML of keys with lists or ranges: try many policies, each the file with these set."
        ),
    ] = None,
    count: Annotated[int, typer.Option(help="Policies to try where a key has a range.", min=2, max=10_000)] = 32,
    seed: Annotated[int, typer.Option(help="Of the Latin hypercube.", min=0)] = 1,
    as_json: AsJson = False,
) -> None:
    """Replay recorded insights and commands under another policy, and tell where its decisions would have differed.

    With --search, many policies are tried and ranked by what their changes are certain to be worth.
    """
    from dataclasses import asdict

    if space is not None:
        _search(recording, policy, space, count, seed, as_json)
        return
    from ..tools.recording import BadRecording, read_recording
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


def _search(recording: Path, policy: Path, space: Path, count: int, seed: int, as_json: bool) -> None:
    from dataclasses import asdict

    import yaml

    from ..tools.policy_search import BadSpace, candidates_of, search
    from ..tools.recording import BadRecording, read_recording
    from .policies import policies

    try:
        tried = candidates_of(yaml.safe_load(space.read_text()), count, seed)
        made = policies(policy.read_text(), os.environ, tried)
        found = search(read_recording(recording), settings_of(policy).policy, made)
    except (BadRecording, BadSpace, OSError, yaml.YAMLError) as fault:
        fail(fault)
    if as_json:
        print(json.dumps({**asdict(found), "is_better": found.is_better}))
        return
    table = Table("policy", "changes", "measured", "ended in harm", "worth, chosen on", "worth, told on")
    for it in (found.recorded, *found.candidates[:20]):
        both = (it.chosen_on, it.told_on)
        named = ", ".join(
            f"{key}={value:.4g}" if isinstance(value, float) else f"{key}={value}" for key, value in it.settings.items()
        )
        counts = [str(sum(getattr(worth, name) for worth in both)) for name in ("changes", "measured", "harmful")]
        table.add_row(named or "the file as it is", *counts, *(_interval(worth) for worth in both))
    Console().print(table)
    print(
        "The first is better on scopes it was not chosen on, if a change is worth what was measured of it."
        if found.is_better
        else "None is surely better on scopes it was not chosen on: try the first on a few scopes before believing it."
    )


def _interval(worth: "Worth") -> str:
    return "unknown" if worth.low is None else f"{worth.low:.3f} to {worth.high:.3f}"
