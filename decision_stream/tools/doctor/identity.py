"""Whether the stored state was made from the topics that are there: a topic that was made anew is another.

Kafka forgets what a group has committed of a topic that is deleted, so the offsets tell nothing. Workers keep a mark
with the topics' identities beside the state of each partition, written when they first take it up: it is looked for
among the oldest records of the changelog.
"""

import time
from collections.abc import Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition

from ...broker.topics import admin
from ...stream.address import client_options
from ...stream.hardening.topic_ids import topic_ids
from ...stream.incarnation import MARK_PREFIX, strangers
from ...stream.processor import INPUTS
from .finding import Finding, fail

OLDEST = 500
"""Records of each partition that are looked through; where a mark lies further on, a worker's start tells."""
STALL_S = 5.0


async def identity(address: str, prefix: str, changelog: str, partitions: int) -> list[Finding]:
    """A finding for each input topic that is another than the one the state of some partitions speaks of."""
    async with admin(address) as client:
        found = await topic_ids(client._client, [prefix + name for name in INPUTS])
    marks = await _marks(address, [TopicPartition(changelog, number) for number in range(partitions)])
    known = {name.removeprefix(prefix): it for name, it in found.items()}
    strange: dict[str, int] = {}
    for mark in marks.values():
        for name in strangers(mark, known):
            strange[name] = strange.get(name, 0) + 1
    return [
        fail(
            "state",
            f"{prefix}{name} was deleted and created again: the state of {count} partition(s) was made from another",
            "restore it, or start the workers once with kafka.adopt_topics (docs/operations.md)",
        )
        for name, count in sorted(strange.items())
    ]


async def _marks(address: str, parts: list[TopicPartition]) -> Mapping[int, bytes]:
    """The newest mark of each partition that was met."""
    consumer = AIOKafkaConsumer(**client_options(address))
    await consumer.start()
    marks: dict[int, bytes] = {}
    try:
        begins, ends = await consumer.beginning_offsets(parts), await consumer.end_offsets(parts)
        left = {part: OLDEST for part in parts if ends[part] > begins[part]}
        consumer.assign(list(left))
        for part in left:
            consumer.seek(part, begins[part])
        stalled_at = time.monotonic() + STALL_S
        while left and time.monotonic() < stalled_at:
            for part, read in (await consumer.getmany(timeout_ms=200, max_records=OLDEST)).items():
                stalled_at = time.monotonic() + STALL_S
                for record in read:
                    if record.key is not None and record.value is not None and record.key.startswith(MARK_PREFIX):
                        marks[part.partition] = record.value
                left[part] -= len(read)
            for part in list(left):
                if left[part] <= 0 or await consumer.position(part) >= ends[part]:
                    consumer.pause(part)
                    del left[part]
    finally:
        await consumer.stop()
    return marks
