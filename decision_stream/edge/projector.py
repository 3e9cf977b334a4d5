"""Keeps the read model up with the topics: tails journal, proposals and decisions, and resumes after any failure."""

import asyncio
import logging
import time

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import ConsumerRecord

from ..stream.address import client_options
from .read_model import Message, Position, ReadModel, Rewound, Unavailable

log = logging.getLogger(__name__)

TOPICS = ("journal", "proposals", "decisions", "dead-letters", "insights")
TAIL = 2_000
"""Of insights only the newest are looked at, for the budget they tell; this many of each partition."""
RETRY_S = 2.0
LOOK_S = 2.0
GATHER, GATHER_MS = 256 * 1024, 100
"""The broker answers with this many bytes, or what has come in so long: an answer costs more than what is in it."""
PORTION = 2_000
"""Records that are written together. Larger ones are cheaper, and make the courses of many scopes coarser."""


class TopicsMissing(Exception):
    """Topics that the model is made from are not on this Kafka."""


class Projector:
    """Reads from where the model stands; `caught_up` says whether it has reached the topics' ends once."""

    def __init__(
        self, model: ReadModel, bootstrap_servers: str, prefix: str, partitions: int, changelog: str | None = None
    ) -> None:
        self._model = model
        self._bootstrap_servers = bootstrap_servers
        self._names = {prefix + name: name for name in TOPICS}
        if changelog is not None:
            self._names[changelog] = "scope-state"
        self._partitions = partitions
        self.caught_up = False

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self._tail()
            except Rewound as fault:
                self.caught_up = False
                log.warning("read model is filled again", extra={"why": str(fault)})
            except (KafkaError, OSError, Unavailable, TopicsMissing) as fault:
                self.caught_up = False
                log.warning("read model stands still", extra={"why": str(fault), "again_in_s": RETRY_S})
                await asyncio.sleep(RETRY_S)

    async def _tail(self) -> None:
        consumer = AIOKafkaConsumer(
            **client_options(self._bootstrap_servers),
            auto_offset_reset="earliest",
            fetch_max_wait_ms=GATHER_MS,
            fetch_min_bytes=GATHER,
        )
        await consumer.start()
        try:
            missing = sorted(self._names.keys() - await consumer.topics())
            if missing:
                raise TopicsMissing(f"{', '.join(missing)}; are kafka.topic_prefix and kafka.app_id the worker's?")
            parts = [TopicPartition(name, n) for name in self._names for n in range(self._partitions)]
            consumer.assign(parts)
            stored = await asyncio.to_thread(self._model.positions)
            ends = await consumer.end_offsets(parts)
            begins = await consumer.beginning_offsets(parts)
            for part in parts:
                name = self._names[part.topic]
                wanted = max(begins[part], stored.get((name, part.partition), 0))
                consumer.seek(part, max(wanted, ends[part] - TAIL) if name == "insights" else wanted)
            await self._follow(consumer, ends, stored)
        finally:
            await consumer.stop()

    async def _follow(
        self, consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int], stood: dict[Position, int]
    ) -> None:
        """Write portion after portion; while one is written, the next one is fetched."""
        looked, writing = time.monotonic(), None
        try:
            while True:
                reached = self.caught_up or all([await consumer.position(part) >= end for part, end in ends.items()])
                batches = await consumer.getmany(timeout_ms=200, max_records=PORTION)
                if writing is not None:
                    await writing
                    writing = None
                self.caught_up = reached
                told = {part: [it for it in records if it.value is not None] for part, records in batches.items()}
                messages = [self._message(record) for records in told.values() for record in records]
                # On quiet topics nothing else would notice that the model was emptied.
                if messages or time.monotonic() - looked > LOOK_S:
                    writing = asyncio.create_task(asyncio.to_thread(self._model.apply, messages, dict(stood)))
                    looked = time.monotonic()
                for part, records in told.items():
                    if records:
                        stood[self._names[part.topic], part.partition] = records[-1].offset + 1
        finally:
            if writing is not None:
                await asyncio.gather(writing, return_exceptions=True)

    def _message(self, record: ConsumerRecord) -> Message:
        return Message(
            topic=self._names[record.topic],
            partition=record.partition,
            offset=record.offset,
            value=record.value,
            key=record.key or b"",
            headers=tuple(record.headers),
        )
