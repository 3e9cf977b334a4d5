"""Which Kafka to use, decided in one place and told in one line."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from .docker import DockerKafka
from .embedded import EmbeddedKafka
from .failure import BrokerUnavailable


class BrokerKind(StrEnum):
    """Where a Kafka comes from."""

    EXTERNAL = "external"
    EMBEDDED = "embedded"
    DOCKER = "docker"


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """A Kafka that is there to be used."""

    kind: BrokerKind
    bootstrap_servers: str
    description: str
    server: EmbeddedKafka | None = None


@contextmanager
def broker(
    kind: BrokerKind | None = None,
    bootstrap_servers: str | None = None,
    *,
    directory: Path | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Iterator[Broker]:
    """A Kafka for the time of the context.

    Named addresses (`bootstrap_servers`, else `KAFKA_BOOTSTRAP_SERVERS`) mean an external one, unless `kind` says
    otherwise; without them the default is the embedded one. Raises `BrokerUnavailable`.
    """
    named = bootstrap_servers or os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
    if kind is None:
        kind = BrokerKind.EXTERNAL if named else BrokerKind.EMBEDDED
    match kind:
        case BrokerKind.EXTERNAL:
            if not named:
                raise BrokerUnavailable(
                    "an external Kafka needs an address: --bootstrap-servers host:port or KAFKA_BOOTSTRAP_SERVERS"
                )
            yield Broker(kind=kind, bootstrap_servers=named, description=f"external Kafka at {named}")
        case BrokerKind.EMBEDDED:
            with EmbeddedKafka(directory, progress=progress) as server:
                yield Broker(
                    kind=kind,
                    bootstrap_servers=server.bootstrap_servers,
                    description=server.description,
                    server=server,
                )
        case BrokerKind.DOCKER:
            with DockerKafka(progress=progress) as container:
                yield Broker(
                    kind=kind, bootstrap_servers=container.bootstrap_servers, description=container.description
                )
