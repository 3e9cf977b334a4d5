"""Dead letters: list them, look at one, and send them back to where they came from once the cause is mended."""

from collections.abc import Callable
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from ..model.dead_letter import DeadLetter
from ..stream.address import client_options
from ..wire.dead_letters import PREFIX, read_headers

IDLE_MS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """A dead letter with its place on the dead-letter topic and its untouched content."""

    partition: int
    offset: int
    letter: DeadLetter
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]

    @property
    def place(self) -> str:
        """`partition:offset` on the dead-letter topic: how commands name it."""
        return f"{self.partition}:{self.offset}"


async def read_parked(
    bootstrap_servers: str, topic: str, partitions: int, wanted: Callable[[Parked], bool] = lambda _: True
) -> list[Parked]:
    """The dead letters that are there now and wanted; one that was parked twice is listed once, at its newest place."""
    consumer = AIOKafkaConsumer(**client_options(bootstrap_servers), auto_offset_reset="earliest")
    await consumer.start()
    found: dict[str, Parked] = {}
    try:
        parts = [TopicPartition(topic, number) for number in range(partitions)]
        consumer.assign(parts)
        ends = await consumer.end_offsets(parts)
        await consumer.seek_to_beginning(*parts)
        while any([await consumer.position(part) < ends[part] for part in parts]):
            for records in (await consumer.getmany(timeout_ms=IDLE_MS)).values():
                for record in records:
                    parked = Parked(
                        partition=record.partition,
                        offset=record.offset,
                        letter=read_headers(record.headers),
                        key=record.key,
                        value=record.value,
                        headers=tuple(pair for pair in record.headers if not pair[0].startswith(PREFIX)),
                    )
                    if wanted(parked):
                        found[parked.letter.id] = parked
    finally:
        await consumer.stop()
    return sorted(found.values(), key=lambda parked: (parked.partition, parked.offset))


async def send_back(bootstrap_servers: str, parked: list[Parked]) -> int:
    """Send dead letters to the partition they came from, as they were; returns how many arrived.

    The engine recognises what it has applied before; a letter that is still bad is parked again.
    """
    producer = AIOKafkaProducer(**client_options(bootstrap_servers), acks="all")
    await producer.start()
    try:
        for one in parked:
            await producer.send_and_wait(
                one.letter.topic,
                one.value,
                key=one.key,
                partition=one.letter.partition,
                headers=list(one.headers),
            )
    finally:
        await producer.stop()
    return len(parked)
