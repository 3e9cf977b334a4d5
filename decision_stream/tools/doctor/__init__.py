"""An engine examined from outside: libraries, Kafka, topics, group, clock, records, read model.

Nothing is changed, but for the clock: Kafka tells its time only to who writes, so a topic of one record is created for
the purpose and deleted again. `Subject.probes_clock` turns that off.
"""

import asyncio
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass, field

from aiokafka.errors import KafkaError

from ...broker.failure import BrokerUnavailable
from ...broker.topics import TopicSpec
from ...edge.api_settings import ApiSettings
from ...stream.address import NoCredentials
from .finding import Finding, Level, fail, ok, warn

__all__ = ["Finding", "Level", "Subject", "examine", "fail", "ok", "warn"]

PATIENCE_S = 30.0
"""For each examination: a Kafka that takes connections and says nothing must not keep the doctor waiting."""
RIGHTS = "may this user do it? docs/operations.md lists the rights"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is examined. Without an address nothing of Kafka is; `specs` are the topics as the settings want them."""

    address: str | None
    specs: tuple[TopicSpec, ...]
    prefix: str
    app_id: str
    replication: int
    policy_hash: str
    api: ApiSettings = field(default_factory=ApiSettings)
    probes_clock: bool = True


async def examine(subject: Subject) -> list[Finding]:
    """Everything in the order in which it is to be mended: what comes later needs what comes before."""
    from .installed import installed
    from .read_model import api_of, read_model

    found = [*installed(), *api_of(subject.api)]
    found += await _examined("read model", asyncio.to_thread(read_model, subject.api))
    if subject.address is None:
        return [*found, fail("broker", "no Kafka is named", "--bootstrap-servers, or kafka.bootstrap_servers")]
    return [*found, *await _kafka(subject, subject.address)]


async def _kafka(subject: Subject, address: str) -> list[Finding]:
    from . import clock, cluster, group, identity, records

    found = await _examined("broker", cluster.broker(address, subject.replication))
    if any(it.level is Level.FAIL for it in found):
        return found
    topics = await _examined("topics", cluster.topics(address, subject.specs))
    found += topics
    if subject.probes_clock:
        found += await _examined("clock", clock.clock(address, f"{subject.prefix}doctor-clock"))
    # What a topic holds can only be told of topics that are there, with the partitions that are expected.
    if not any(it.level is Level.FAIL for it in topics):
        names = {spec.name: spec.partitions for spec in subject.specs}
        found += await _examined("group", group.group(address, subject.app_id, subject.prefix, names))
        changelog = f"{subject.app_id}-scope-state-changelog"
        found += await _examined("state", identity.identity(address, subject.prefix, changelog, names[changelog]))
        found += await _examined(
            "records", records.records(address, subject.prefix, subject.app_id, names, subject.policy_hash)
        )
    return found


async def _examined(what: str, examination: Awaitable[Iterable[Finding]]) -> list[Finding]:
    """Its findings; one that could not be carried out is a finding too."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            return list(await examination)
    except TimeoutError:
        return [fail(what, f"no answer within {PATIENCE_S:g} s", "is the broker overloaded, or a firewall in between?")]
    except (BrokerUnavailable, NoCredentials) as fault:
        return [fail(what, str(fault), "is it started, and are the address and kafka.security_protocol right?")]
    except (KafkaError, OSError) as fault:
        return [fail(what, f"{type(fault).__name__}: {fault}", RIGHTS)]
