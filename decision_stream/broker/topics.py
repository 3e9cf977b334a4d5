"""The topics of the engine: one table that says how they must be, and plan, apply and check against a Kafka.

All of them have the same number of partitions, so that everything about a scope lies in the partition of one worker.
Kafka must not create them by itself: with another number of partitions state and events would be torn apart.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import AuthenticationFailedError, KafkaConnectionError, TopicAlreadyExistsError, for_code

from ..stream.address import client_options
from .failure import BrokerUnavailable, OrderRefused

DAY_MS = 86_400_000
APPLY = "decision-stream topics apply"
LEADER_TIMEOUT_S, SETTLE_TIMEOUT_S = 30.0, 10.0

CHANGELOG_CONFIG = {
    "cleanup.policy": "compact",
    # Small segments and an upper bound on lag: with Kafka's defaults a changelog of this size is never compacted.
    "segment.ms": "600000",
    "segment.bytes": "67108864",
    "min.cleanable.dirty.ratio": "0.1",
    "max.compaction.lag.ms": "3600000",
    "delete.retention.ms": "86400000",
    "max.message.bytes": "1048576",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSpec:
    """How a topic must be; `config` holds the settings that matter and are checked."""

    name: str
    partitions: int
    replication: int
    purpose: str
    config: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A difference between a topic and its specification; `can_apply` is False where only a person can mend it."""

    topic: str
    found: str
    expected: str
    can_apply: bool
    spec: TopicSpec

    def __str__(self) -> str:
        return f"{self.topic}: found {self.found}, expected {self.expected}; {self.mend}"

    @property
    def mend(self) -> str:
        """What to do about it."""
        return f"run `{APPLY}`" if self.can_apply else _BY_HAND


_BY_HAND = (
    "the number of partitions cannot be changed in place, since keys would move: "
    "use another prefix or app id, or delete the topic if its content is not needed"
)


def topic_table(
    *, prefix: str = "ds.", app_id: str = "decision-stream", partitions: int = 12, replication: int = 1
) -> tuple[TopicSpec, ...]:
    """All topics of an engine. With several copies one may be missing: a write waits for all others but one."""
    copies = {"min.insync.replicas": str(replication - 1)} if replication > 1 else {}

    def kept(name: str, days: int, purpose: str) -> TopicSpec:
        config = {"cleanup.policy": "delete", "retention.ms": str(days * DAY_MS), **copies}
        return TopicSpec(
            name=prefix + name, partitions=partitions, replication=replication, purpose=purpose, config=config
        )

    return (
        kept("insights", 7, "from the analyzer"),
        kept("proposals", 1, "from evaluate to validate"),
        kept("decisions", 30, "to the actuator"),
        kept("outcomes", 30, "from the actuator"),
        kept("commands", 7, "from operators and the clock"),
        kept("signals", 7, "between scopes and what is known across them"),
        TopicSpec(
            name=f"{prefix}catalog",
            partitions=partitions,
            replication=replication,
            purpose="the catalogue of models, as operators told it",
            config={"cleanup.policy": "compact", **copies},
        ),
        kept("journal", 30, "one record per applied event: the audit trail"),
        kept("dead-letters", 30, "messages that could not be read"),
        TopicSpec(
            name=f"{app_id}-scope-state-changelog",
            partitions=partitions,
            replication=replication,
            purpose="state of the scopes",
            config={**CHANGELOG_CONFIG, **copies},
        ),
    )


async def plan(bootstrap_servers: str, specs: tuple[TopicSpec, ...]) -> tuple[Change, ...]:
    """What differs from the specification; empty when nothing does."""
    async with admin(bootstrap_servers) as client:
        return await _differences(client, specs)


async def apply(bootstrap_servers: str, specs: tuple[TopicSpec, ...]) -> tuple[Change, ...]:
    """Create what is missing and mend settings; returns what could not be mended.

    When it returns, every partition has a leader. Raises `OrderRefused`.
    """
    async with admin(bootstrap_servers) as client:
        for change in await _differences(client, specs):
            if not change.can_apply:
                continue
            if change.found == _MISSING:
                await _create(client, change.spec)
            else:
                await _alter(client, change.spec)
        # What was ordered is not at once known to the node that is asked next, and leaders come later still.
        await _await_leaders(client, [spec.name for spec in specs])
        deadline = asyncio.get_running_loop().time() + SETTLE_TIMEOUT_S
        left = await _differences(client, specs)
        while any(change.can_apply for change in left) and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.1)
            left = await _differences(client, specs)
        return left


def plan_now(bootstrap_servers: str, specs: tuple[TopicSpec, ...]) -> tuple[Change, ...]:
    """`plan` for callers without an event loop."""
    return asyncio.run(plan(bootstrap_servers, specs))


def apply_now(bootstrap_servers: str, specs: tuple[TopicSpec, ...]) -> tuple[Change, ...]:
    """`apply` for callers without an event loop."""
    return asyncio.run(apply(bootstrap_servers, specs))


_MISSING = "no such topic"
_SET_FOR_TOPIC = 1
"""Where a setting comes from, in Kafka's protocol: the topic's own."""


@asynccontextmanager
async def admin(bootstrap_servers: str) -> AsyncIterator[AIOKafkaAdminClient]:
    """A client that asks and orders about topics. Raises `BrokerUnavailable`."""
    client = AIOKafkaAdminClient(**client_options(bootstrap_servers))
    try:
        await client.start()
    except (KafkaConnectionError, AuthenticationFailedError) as fault:
        await client.close()
        raise BrokerUnavailable(f"no Kafka answers at {bootstrap_servers}: {fault}") from fault
    try:
        yield client
    finally:
        await client.close()


async def _differences(client: AIOKafkaAdminClient, specs: tuple[TopicSpec, ...]) -> tuple[Change, ...]:
    existing = set(await client.list_topics())
    names = [spec.name for spec in specs if spec.name in existing]
    partitions = {}
    if names:
        partitions = {found["topic"]: len(found["partitions"]) for found in await client.describe_topics(names)}
    changes = []
    for spec in specs:
        if spec.name not in existing:
            expected = f"{spec.partitions} partitions, {_shown(spec.config)}"
            changes.append(Change(topic=spec.name, found=_MISSING, expected=expected, can_apply=True, spec=spec))
        elif partitions[spec.name] != spec.partitions:
            found, expected = f"{partitions[spec.name]} partitions", f"{spec.partitions} partitions"
            changes.append(Change(topic=spec.name, found=found, expected=expected, can_apply=False, spec=spec))
        else:
            wrong = await _wrong_config(client, spec)
            if wrong:
                expected = _shown({name: spec.config[name] for name in wrong})
                changes.append(
                    Change(topic=spec.name, found=_shown(wrong), expected=expected, can_apply=True, spec=spec)
                )
    return tuple(changes)


async def _wrong_config(client: AIOKafkaAdminClient, spec: TopicSpec) -> dict[str, str]:
    actual = {name: value for name, value, _ in await _config(client, spec.name)}
    return {name: actual.get(name, "unset") for name, value in spec.config.items() if actual.get(name) != value}


async def _config(client: AIOKafkaAdminClient, topic: str) -> list[tuple[str, str, bool]]:
    """Settings of a topic: name, value, and whether it was set for this topic."""
    (response,) = await client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    (_code, _message, _kind, _name, entries, *_rest), *_ = response.resources
    return [(name, value, source == _SET_FOR_TOPIC) for name, value, _read_only, source, *_more in entries]


async def _alter(client: AIOKafkaAdminClient, spec: TopicSpec) -> None:
    """Set what the specification names; what someone else has set for the topic stays as it is."""
    kept = {name: value for name, value, is_set in await _config(client, spec.name) if is_set}
    resource = ConfigResource(ConfigResourceType.TOPIC, spec.name, configs={**kept, **spec.config})
    for response in await client.alter_configs([resource]):
        for code, message, *_place in response.resources:
            if code:
                raise _refused(spec, code, message)


async def _create(client: AIOKafkaAdminClient, spec: TopicSpec) -> None:
    topic = NewTopic(
        name=spec.name,
        num_partitions=spec.partitions,
        replication_factor=spec.replication,
        topic_configs=spec.config,
    )
    response = await client.create_topics([topic])
    for _name, code, *rest in response.topic_errors:
        # Another one may have created it at the same moment.
        if code not in (0, TopicAlreadyExistsError.errno):
            raise _refused(spec, code, *rest)


def _refused(spec: TopicSpec, code: int, *told: str | None) -> OrderRefused:
    why = " ".join([for_code(code).__name__, *[word for word in told if word]])
    return OrderRefused(f"Kafka refuses {spec.name} with {_shown(spec.config)}: {why}")


async def _await_leaders(client: AIOKafkaAdminClient, names: list[str]) -> None:
    deadline = asyncio.get_running_loop().time() + LEADER_TIMEOUT_S
    while names:
        if set(names) <= set(await client.list_topics()):
            found = await client.describe_topics(names)
            if all(partition["leader"] >= 0 for topic in found for partition in topic["partitions"]):
                return
        if asyncio.get_running_loop().time() > deadline:
            raise TimeoutError(f"some partitions of {', '.join(names)} had no leader after {LEADER_TIMEOUT_S:g} s")
        await asyncio.sleep(0.1)


def _shown(config: dict[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(config.items()))
