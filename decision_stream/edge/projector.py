"""Keeps the read model up with the topics: tails journal, proposals and decisions, and resumes after any failure."""

import asyncio
import logging
import time

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from ..stream.address import client_options
from .read_model import Message, ReadModel, Rewound, Unavailable

log = logging.getLogger(__name__)

TOPICS = ("journal", "proposals", "decisions")
RETRY_S = 2.0
LOOK_S = 2.0


class Projector:
    """Reads from where the model stands; `caught_up` says whether it has reached the topics' ends once."""

    def __init__(self, model: ReadModel, bootstrap_servers: str, prefix: str, partitions: int) -> None:
        self._model = model
        self._bootstrap_servers = bootstrap_servers
        self._prefix = prefix
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
            except (KafkaError, OSError, Unavailable) as fault:
                self.caught_up = False
                log.warning("read model stands still", extra={"why": str(fault), "again_in_s": RETRY_S})
                await asyncio.sleep(RETRY_S)

    async def _tail(self) -> None:
        consumer = AIOKafkaConsumer(
            **client_options(self._bootstrap_servers), auto_offset_reset="earliest", fetch_max_wait_ms=100
        )
        await consumer.start()
        try:
            parts = [TopicPartition(self._prefix + name, n) for name in TOPICS for n in range(self._partitions)]
            consumer.assign(parts)
            stored = await asyncio.to_thread(self._model.positions)
            for part in parts:
                wanted = stored.get((part.topic.removeprefix(self._prefix), part.partition))
                if wanted is None:
                    await consumer.seek_to_beginning(part)
                else:
                    consumer.seek(part, wanted)
            ends = await consumer.end_offsets(parts)
            looked = time.monotonic()
            while True:
                batches = await consumer.getmany(timeout_ms=200, max_records=2_000)
                messages = [
                    Message(
                        topic=part.topic.removeprefix(self._prefix),
                        partition=part.partition,
                        offset=record.offset,
                        value=record.value,
                    )
                    for part, records in batches.items()
                    for record in records
                    if record.value is not None
                ]
                if messages:
                    await asyncio.to_thread(self._model.apply, messages, stored)
                    stored |= {(message.topic, message.partition): message.offset + 1 for message in messages}
                elif time.monotonic() - looked > LOOK_S:
                    # On quiet topics nothing else would notice that the model was emptied.
                    await asyncio.to_thread(self._model.apply, (), stored)
                    looked = time.monotonic()
                if not self.caught_up:
                    self.caught_up = all([await consumer.position(part) >= ends[part] for part in parts])
        finally:
            await consumer.stop()
