"""The command line: `decision-stream`."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from . import ENGINE_VERSION
from .broker.choose import BrokerKind
from .tools.verbs import register

if TYPE_CHECKING:
    from .broker.choose import Broker
    from .settings import Settings

app = typer.Typer(
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    help="Decision engine of an LLM auto-optimizer: insights in, validated and reversible decisions out.",
)
topics_app = typer.Typer(no_args_is_help=True, help="Plan, create and check the topics on Kafka.")
schema_app = typer.Typer(no_args_is_help=True, help="JSON Schemas of the messages.")
config_app = typer.Typer(no_args_is_help=True, help="Check and show settings.")
dlq_app = typer.Typer(no_args_is_help=True, help="Dead letters: list, show, and send back.")
broker_app = typer.Typer(no_args_is_help=True, help="Run the embedded Apache Kafka.")
app.add_typer(topics_app, name="topics")
app.add_typer(schema_app, name="schema")
app.add_typer(config_app, name="config")
app.add_typer(broker_app, name="broker")
app.add_typer(dlq_app, name="dlq")
register(app)

EXIT_USAGE = 2
Config = Annotated[
    Path | None, typer.Option("--config", "-c", help="YAML file with settings.", show_default="defaults")
]
Bootstrap = Annotated[str | None, typer.Option("--bootstrap-servers", "-b", help="Kafka to use, host:port,...")]
BrokerOption = Annotated[
    BrokerKind | None, typer.Option("--broker", help="Kind of Kafka; by default embedded when none is named.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
SCHEMAS = Path("schemas")


def main() -> None:
    """Entry point: expected failures end with a message and a status, not with a traceback."""
    from .broker.failure import BrokerUnavailable
    from .settings import BadSettings
    from .stream.hardening.versions import UntestedVersion

    try:
        app()
    except (BadSettings, BrokerUnavailable, UntestedVersion) as fault:
        print(f"decision-stream: {fault}", file=sys.stderr)
        sys.exit(EXIT_USAGE)


@app.command()
def run(config: Config = None, bootstrap_servers: Bootstrap = None, broker: BrokerOption = None) -> None:
    """Run a worker until it is told to stop (SIGTERM drains it, a second signal ends it at once)."""
    import uvloop

    from .edge.logs import configure
    from .serve import serve

    settings = _settings(config)
    configure(settings.monitoring.log_level, settings.monitoring.log_format)
    with _kafka(settings, bootstrap_servers, broker) as kafka:
        status = uvloop.run(serve(settings, kafka.bootstrap_servers))
    sys.exit(status)


@app.command()
def api(
    config: Config = None,
    bootstrap_servers: Bootstrap = None,
    new_token: Annotated[
        str | None, typer.Option("--new-token", metavar="NAME", help="Print a new secret and its settings, and end.")
    ] = None,
) -> None:
    """Serve the REST API: decisions, explanations, approvals, audit; orders become events on the commands topic."""
    if new_token is not None:
        import secrets
        from hashlib import sha256

        secret = secrets.token_urlsafe(32)
        print(f"secret (shown once): {secret}\nadd to api.tokens:")
        print(f"  - {{name: {new_token}, role: operator, sha256: {sha256(secret.encode()).hexdigest()}}}")
        return
    try:
        from .edge.api.access import Unprotected
        from .edge.api.server import serve_api
    except ModuleNotFoundError as missing:
        print(f"decision-stream: {missing.name} is missing; install decision-stream[api]", file=sys.stderr)
        sys.exit(EXIT_USAGE)
    import uvloop

    from .edge.logs import configure

    settings = _settings(config)
    configure(settings.monitoring.log_level, settings.monitoring.log_format)
    kafka = settings.kafka
    try:
        uvloop.run(serve_api(settings.api, _named(settings, bootstrap_servers), kafka.topic_prefix, kafka.partitions))
    except Unprotected as fault:
        print(f"decision-stream: {fault}", file=sys.stderr)
        sys.exit(EXIT_USAGE)


@app.command()
def demo(
    seconds: Annotated[float, typer.Option(help="How long the simulation runs, in real seconds.", min=10.0)] = 90.0,
    seed: Annotated[int, typer.Option(help="Seed of the simulated fleet.")] = 7,
    headless: Annotated[bool, typer.Option("--headless", help="Plain lines instead of the live view.")] = False,
    bootstrap_servers: Bootstrap = None,
    broker: BrokerOption = None,
    record: Annotated[Path | None, typer.Option(help="Write every message to this file, as JSON lines.")] = None,
) -> None:
    """Watch the engine decide: a real Kafka, a worker, and a simulated LLM fleet with incidents."""
    from .sim.demo import run_demo

    console = Console()
    with _kafka(None, bootstrap_servers, broker) as kafka:
        status = run_demo(
            kafka.bootstrap_servers,
            f"Kafka: {kafka.description}",
            seconds=seconds,
            seed=seed,
            headless=headless or not console.is_terminal,
            record=record,
        )
    sys.exit(status)


@app.command()
def replay(
    recording: Annotated[Path, typer.Argument(help="What `demo --record` wrote.")],
    config: Config = None,
    as_demo: Annotated[bool, typer.Option("--demo", help="Replay under the demo's settings.")] = False,
) -> None:
    """Step a recording through the core again; fail when a decision or journal record differs by a byte."""
    from .settings import parse
    from .sim.policy import DEMO_SETTINGS
    from .tools.replay import BadRecording, read_recording
    from .tools.replay import replay as replay_recording

    settings = parse(DEMO_SETTINGS, {}) if as_demo else _settings(config)
    try:
        done = replay_recording(read_recording(recording), settings.policy)
    except BadRecording as fault:
        print(f"decision-stream: {fault}", file=sys.stderr)
        sys.exit(EXIT_USAGE)
    _say_all(done.differences, f"{done.events} events of {done.scopes} scopes, {done.directives} orders: all the same")
    sys.exit(1 if done.differences else 0)


@app.command()
def verify(
    recording: Annotated[Path | None, typer.Argument(help="What `demo --record` wrote; without it, the topic.")] = None,
    config: Config = None,
    bootstrap_servers: Bootstrap = None,
) -> None:
    """Check the journal's hash chain, scope by scope; fail at the first gap or changed record."""
    from .tools.replay import BadRecording, read_recording
    from .tools.verify import read_topic
    from .tools.verify import verify as verify_journal

    try:
        if recording is not None:
            values = [value for scope in read_recording(recording).journal.values() for value in scope]
        else:
            settings = _settings(config)
            kafka = settings.kafka
            values = read_topic(_named(settings, bootstrap_servers), f"{kafka.topic_prefix}journal")
    except BadRecording as fault:
        print(f"decision-stream: {fault}", file=sys.stderr)
        sys.exit(EXIT_USAGE)
    done = verify_journal(values)
    whole = f"{done.records} records of {done.scopes} scopes, {done.repeats} repeated byte for byte: the chain is whole"
    _say_all(done.faults, whole)
    sys.exit(1 if done.faults else 0)


@app.command()
def whatif(
    recording: Annotated[Path, typer.Argument(help="What `demo --record` wrote.")],
    policy: Annotated[Path, typer.Option("--policy", help="Settings file with the other policy.")],
    as_json: AsJson = False,
) -> None:
    """Replay recorded insights and commands under another policy, and tell where its decisions would have differed."""
    from dataclasses import asdict

    from .tools.replay import BadRecording, read_recording
    from .tools.whatif import what_if

    try:
        partings = what_if(read_recording(recording), _settings(policy).policy)
    except BadRecording as fault:
        print(f"decision-stream: {fault}", file=sys.stderr)
        sys.exit(EXIT_USAGE)
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


@app.command()
def strategies(as_json: AsJson = False) -> None:
    """List the five strategies, their order, and which of them are complete."""
    from .model.policy import Policy
    from .strategies.registry import STRATEGIES

    rows = [
        {"name": strategy.name, "priority": strategy.priority(Policy()), "complete": strategy.complete}
        for strategy in STRATEGIES
    ]
    if as_json:
        print(json.dumps(rows))
        return
    table = Table("strategy", "priority", "state")
    for row in rows:
        table.add_row(row["name"], str(row["priority"]), "complete" if row["complete"] else "proposes nothing yet")
    Console().print(table)


@app.command()
def version() -> None:
    """Print the version."""
    print(ENGINE_VERSION)


@topics_app.command("plan")
def topics_plan(config: Config = None, bootstrap_servers: Bootstrap = None, as_json: AsJson = False) -> None:
    """Show what would be created or changed."""
    from .broker.topics import plan_now

    settings = _settings(config)
    changes = plan_now(_named(settings, bootstrap_servers), _specs(settings))
    if as_json:
        print(json.dumps([{"topic": it.topic, "found": it.found, "expected": it.expected} for it in changes]))
    else:
        _say_all(changes, "nothing to do: all topics are as they should be")


@topics_app.command("apply")
def topics_apply(config: Config = None, bootstrap_servers: Bootstrap = None) -> None:
    """Create what is missing and mend settings; fails when something needs a person."""
    from .broker.topics import apply_now

    settings = _settings(config)
    left = apply_now(_named(settings, bootstrap_servers), _specs(settings))
    _say_all(left, "all topics are as they should be")
    sys.exit(1 if left else 0)


@topics_app.command("check")
def topics_check(config: Config = None, bootstrap_servers: Bootstrap = None) -> None:
    """Fail when a topic is not as it should be."""
    from .broker.topics import plan_now

    settings = _settings(config)
    changes = plan_now(_named(settings, bootstrap_servers), _specs(settings))
    _say_all(changes, "all topics are as they should be")
    sys.exit(1 if changes else 0)


@schema_app.command("export")
def schema_export(directory: Path = SCHEMAS) -> None:
    """Write the JSON Schemas of all messages, and the AsyncAPI document of the topics."""
    from .tools import asyncapi
    from .wire.schemas import export

    _say_all([*export(directory), *asyncapi.export(directory)], "nothing changed")


@schema_app.command("check")
def schema_check(directory: Path = SCHEMAS) -> None:
    """Fail when a schema file is missing or outdated."""
    from .tools import asyncapi
    from .wire.schemas import outdated

    names = [*outdated(directory), *asyncapi.outdated(directory)]
    _say_all([f"{name}: outdated; run `decision-stream schema export`" for name in names], "all schemas are current")
    sys.exit(1 if names else 0)


@config_app.command("check")
def config_check(file: Path) -> None:
    """Fail, naming every mistake, when a settings file cannot be used."""
    settings = _settings(file)
    print(f"{file} is good; policy {settings.policy.hash}")


@config_app.command("show")
def config_show(config: Config = None) -> None:
    """Print the settings in force, defaults included, as JSON."""
    import msgspec

    print(msgspec.json.format(msgspec.json.encode(_settings(config)), indent=2).decode())


@dlq_app.command("list")
def dlq_list(
    config: Config = None,
    bootstrap_servers: Bootstrap = None,
    code: Annotated[str | None, typer.Option(help="Only this reason code, such as schema.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the messages that could not be read, with place, origin and reason."""
    parked = _parked(_settings(config), bootstrap_servers, code, None)
    if as_json:
        print(
            json.dumps(
                [
                    {"place": it.place, "origin": it.letter.id, "code": it.letter.code, "reason": it.letter.reason}
                    for it in parked
                ]
            )
        )
        return
    table = Table("place", "from", "code", "reason")
    for one in parked:
        table.add_row(one.place, one.letter.id, one.letter.code, one.letter.reason)
    Console().print(table if parked else "no dead letters")


@dlq_app.command("show")
def dlq_show(place: str, config: Config = None, bootstrap_servers: Bootstrap = None) -> None:
    """Print the untouched bytes of one dead letter; `place` is partition:offset as `dlq list` shows it."""
    (one,) = _parked(_settings(config), bootstrap_servers, None, place) or _no_such(place)
    print(f"{one.letter.id}: {one.letter.code}: {one.letter.reason}", file=sys.stderr)
    sys.stdout.buffer.write(one.value or b"")


@dlq_app.command("replay")
def dlq_replay(
    place: Annotated[str | None, typer.Argument(help="partition:offset; without it, all that match.")] = None,
    config: Config = None,
    bootstrap_servers: Bootstrap = None,
    code: Annotated[str | None, typer.Option(help="Only this reason code, such as wrong_version.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how many would be sent.")] = False,
) -> None:
    """Send dead letters back to where they came from; what is still bad is parked again."""
    import asyncio

    from .tools.parked import send_back

    settings = _settings(config)
    parked = _parked(settings, bootstrap_servers, code, place) or (_no_such(place) if place else [])
    if not dry_run:
        asyncio.run(send_back(_named(settings, bootstrap_servers), parked))
    print(f"{len(parked)} message(s) {'would be ' if dry_run else ''}sent back")


@broker_app.command("start")
def broker_start(
    directory: Annotated[Path | None, typer.Option("--keep", help="Keep data and logs in this directory.")] = None,
) -> None:
    """Run the embedded Apache Kafka in the foreground and print its address."""
    import signal

    from .broker.choose import broker as choose

    with choose(BrokerKind.EMBEDDED, directory=directory, progress=_say) as kafka:
        _say(kafka.description)
        print(kafka.bootstrap_servers, flush=True)
        signal.sigwait({signal.SIGINT, signal.SIGTERM})


def _parked(settings: "Settings", bootstrap_servers: str | None, code: str | None, place: str | None):
    import asyncio

    from .tools.parked import read_parked

    def wanted(one) -> bool:
        return (code is None or one.letter.code == code) and (place is None or one.place == place)

    topic = f"{settings.kafka.topic_prefix}dead-letters"
    return asyncio.run(read_parked(_named(settings, bootstrap_servers), topic, settings.kafka.partitions, wanted))


def _no_such(place: str):
    print(
        f"decision-stream: there is no dead letter at {place}; `decision-stream dlq list` shows them", file=sys.stderr
    )
    sys.exit(EXIT_USAGE)


def _settings(path: Path | None) -> "Settings":
    from .settings import load

    return load(path)


def _named(settings: "Settings", bootstrap_servers: str | None) -> str:
    import os

    from .broker.failure import BrokerUnavailable

    found = bootstrap_servers or os.environ.get("KAFKA_BOOTSTRAP_SERVERS") or settings.kafka.bootstrap_servers
    if not found:
        raise BrokerUnavailable(
            "no Kafka is named: use --bootstrap-servers, KAFKA_BOOTSTRAP_SERVERS or kafka.bootstrap_servers"
        )
    return found


def _specs(settings: "Settings"):
    from .broker.topics import topic_table

    kafka = settings.kafka
    return topic_table(
        prefix=kafka.topic_prefix, app_id=kafka.app_id, partitions=kafka.partitions, replication=kafka.replication
    )


@contextmanager
def _kafka(settings: "Settings | None", bootstrap_servers: str | None, kind: BrokerKind | None) -> "Iterator[Broker]":
    """The Kafka to use; one that is started here is created with its topics."""
    from .broker.choose import broker as choose
    from .broker.topics import apply_now

    named = bootstrap_servers or (settings.kafka.bootstrap_servers if settings else None) or None
    # What a worker decides on must be there at its next start; a demo begins anew.
    directory = Path(".decision_stream") / "kafka" if settings else None
    with choose(kind, named, directory=directory, progress=_say) as kafka:
        _say(f"Kafka: {kafka.description}")
        if settings is not None and kafka.kind is not BrokerKind.EXTERNAL:
            apply_now(kafka.bootstrap_servers, _specs(settings))
        yield kafka


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _say_all(lines, otherwise: str) -> None:
    for line in lines:
        print(line)
    if not lines:
        print(otherwise)


if __name__ == "__main__":
    main()
