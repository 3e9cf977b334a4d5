"""What commands share: options, the settings and the Kafka they name, and how they speak."""

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from ..broker.choose import BrokerKind

if TYPE_CHECKING:
    from ..broker.choose import Broker
    from ..broker.topics import TopicSpec
    from ..settings import Settings

EXIT_USAGE = 2
Config = Annotated[
    Path | None, typer.Option("--config", "-c", help="YAML file with settings.", show_default="defaults")
]
Bootstrap = Annotated[str | None, typer.Option("--bootstrap-servers", "-b", help="Kafka to use, host:port,...")]
BrokerOption = Annotated[
    BrokerKind | None, typer.Option("--broker", help="Kind of Kafka; by default embedded when none is named.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


def settings_of(path: Path | None) -> "Settings":
    """The settings of a file and the environment; raises `BadSettings`."""
    from ..settings import load

    return load(path)


def named_kafka(settings: "Settings", bootstrap_servers: str | None) -> str:
    """The address of a Kafka that runs already, with what it takes to be let in.

    Raises `BrokerUnavailable` when none is named, and `BadSettings` for an address that cannot be meant.
    """
    import os

    from ..broker.failure import BrokerUnavailable

    found = bootstrap_servers or os.environ.get("KAFKA_BOOTSTRAP_SERVERS") or settings.kafka.bootstrap_servers
    if not found:
        raise BrokerUnavailable(
            "no Kafka is named: use --bootstrap-servers, KAFKA_BOOTSTRAP_SERVERS or kafka.bootstrap_servers"
        )
    return settings.address(found)


def topic_specs(settings: "Settings") -> "tuple[TopicSpec, ...]":
    """The topics as these settings want them."""
    from ..broker.topics import topic_table

    kafka = settings.kafka
    return topic_table(
        prefix=kafka.topic_prefix, app_id=kafka.app_id, partitions=kafka.partitions, replication=kafka.replication
    )


@contextmanager
def kafka_for(
    settings: "Settings | None", bootstrap_servers: str | None, kind: BrokerKind | None
) -> "Iterator[Broker]":
    """The Kafka to use; one that is started here is created with its topics."""
    from ..broker.choose import broker as choose
    from ..broker.topics import apply_now

    named = bootstrap_servers or (settings.kafka.bootstrap_servers if settings else None) or None
    # What a worker decides on must be there at its next start; a demo begins anew.
    directory = Path(".decision_stream") / "kafka" if settings else None
    with choose(kind, named, directory=directory, progress=say) as kafka:
        say(f"Kafka: {kafka.description}")
        if settings is not None and kafka.kind is not BrokerKind.EXTERNAL:
            apply_now(kafka.bootstrap_servers, topic_specs(settings))
        yield kafka


def say(line: str) -> None:
    """A line for people, beside the output."""
    print(line, file=sys.stderr, flush=True)


def say_all(lines: Iterable[object], otherwise: str) -> None:
    """Each line, or what to say when there is none."""
    told = [str(line) for line in lines] or [otherwise]
    print("\n".join(told))


def answer(told: object, as_json: bool, lines: Iterable[object], otherwise: str = "") -> None:
    """What a command found out: as one JSON document, or as lines for people."""
    if as_json:
        print(json.dumps(told))
    else:
        say_all(lines, otherwise)


def fail(message: object) -> NoReturn:
    """End as for a wrong use, with what to do."""
    say(f"decision-stream: {message}")
    sys.exit(EXIT_USAGE)
