"""The workers as Kafka sees them: who is there, what waits for them, and whether their places can still be read."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    NotCoordinatorForGroupError,
    for_code,
)

from ...broker.topics import admin
from ...stream.address import client_options
from ...stream.processor import INPUTS
from .finding import Finding, fail, ok, warn

LATE_S = 60.0
"""An event that waits for longer than this is told; a second is what the engine promises."""
READ_MS = 3_000
COORDINATOR_S, PAUSE_S = 10.0, 0.2
T = TypeVar("T")


async def group(address: str, app_id: str, prefix: str, partitions: Mapping[str, int]) -> list[Finding]:
    """Members, lag, and committed places that no longer exist. `partitions` are those of each topic.

    Raises `KafkaError` when this user may not look at the group.
    """
    parts = [TopicPartition(prefix + name, n) for name in INPUTS for n in range(partitions[prefix + name])]
    async with admin(address) as client:
        state, members = await _told(lambda: _described(client, app_id))
        told = await _told(lambda: client.list_consumer_group_offsets(app_id))
    committed = {part: told[part].offset for part in parts if part in told and told[part].offset >= 0}
    consumer = AIOKafkaConsumer(**client_options(address))
    await consumer.start()
    try:
        begins, ends = await consumer.beginning_offsets(parts), await consumer.end_offsets(parts)
        found = [*_members(state, members, max(partitions.values()))]
        found += gone(committed, begins, ends)
        waiting = {
            part: ends[part] - max(committed.get(part, 0), begins[part])
            for part in parts
            if ends[part] > max(committed.get(part, 0), begins[part])
        }
        oldest_ms = await _oldest_ms(consumer, {part: max(committed.get(part, 0), begins[part]) for part in waiting})
    finally:
        await consumer.stop()
    return [*found, _lag(sum(waiting.values()), oldest_ms, bool(members))]


async def _described(client: AIOKafkaAdminClient, app_id: str) -> tuple[str, int]:
    """The group's state and the number of its members."""
    (answer,) = await client.describe_consumer_groups([app_id])
    ((error, _name, state, _kind, _protocol, members, *_rest),) = answer.groups
    if error:
        raise for_code(error)(app_id)
    return state, len(members)


async def _told(ask: Callable[[], Awaitable[T]]) -> T:
    """The answer of the group's coordinator. The first question ever makes a Kafka create the topic of its groups."""
    deadline = time.monotonic() + COORDINATOR_S
    while True:
        try:
            return await ask()
        except (GroupCoordinatorNotAvailableError, GroupLoadInProgressError, NotCoordinatorForGroupError):
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(PAUSE_S)


def _members(state: str, members: int, partitions: int) -> list[Finding]:
    if not members:
        return [warn("group", "no worker is there", "`decision-stream run`")]
    if members > partitions:
        idle = members - partitions
        return [warn("group", f"{members} workers for {partitions} partitions: {idle} idle", "run fewer workers")]
    if state != "Stable":
        return [warn("group", f"{members} worker(s), {state}", "look again in half a minute; then at their logs")]
    return [ok("group", f"{members} worker(s), {state}")]


def gone(
    committed: Mapping[TopicPartition, int], begins: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]
) -> list[Finding]:
    """Places from which nobody can go on: what lay there has expired, or the topic is another one.

    >>> part = TopicPartition("ds.insights", 0)
    >>> [it.told for it in gone({part: 5}, {part: 8}, {part: 9})]
    ['ds.insights, partition 0: 3 event(s) expired before they were applied']
    """
    found = []
    for part in sorted(committed):
        where = f"{part.topic}, partition {part.partition}"
        if committed[part] > ends[part]:
            found.append(
                fail(
                    "group",
                    f"{where}: committed up to {committed[part]}, but the topic ends at {ends[part]}: "
                    "the broker lost what it had",
                    "restore it: workers would pass over what comes up to that offset as if it were known",
                )
            )
        elif committed[part] < begins[part]:
            expired = begins[part] - committed[part]
            found.append(
                fail(
                    "group",
                    f"{where}: {expired} event(s) expired before they were applied",
                    "add workers, and longer retention",
                )
            )
    return found


def _lag(events: int, oldest_ms: int | None, has_workers: bool) -> Finding:
    late_s = None if oldest_ms is None else max(0.0, time.time() - oldest_ms / 1e3)
    since = "" if late_s is None else f", the oldest for {late_s:.0f} s"
    if late_s is not None and late_s > LATE_S:
        fix = "add workers up to the number of partitions" if has_workers else "`decision-stream run`"
        return warn("lag", f"{events} event(s) wait{since}", fix)
    return ok("lag", f"{events} event(s) wait{since}" if events else "nothing waits")


async def _oldest_ms(consumer: AIOKafkaConsumer, places: Mapping[TopicPartition, int]) -> int | None:
    """Time of the oldest record at these places; None when none could be read."""
    if not places:
        return None
    consumer.assign(list(places))
    for part, offset in places.items():
        consumer.seek(part, offset)
    oldest: dict[TopicPartition, int] = {}
    deadline = time.monotonic() + READ_MS / 1e3
    while len(oldest) < len(places) and time.monotonic() < deadline:
        for part, read in (await consumer.getmany(timeout_ms=200, max_records=1_000)).items():
            oldest.setdefault(part, read[0].timestamp)
            consumer.pause(part)
    return min(oldest.values(), default=None)
