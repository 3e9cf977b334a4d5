"""Dead letters: list them, look at one, and send them back to where they came from once the cause is mended."""

from collections.abc import Callable
from dataclasses import dataclass

from aiokafka import AIOKafkaProducer

from ..model.dead_letter import DeadLetter
from ..stream.address import client_options
from ..wire.dead_letters import PREFIX, read_headers
from .topic import records_of


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
    bootstrap_servers: str, topic: str, wanted: Callable[[Parked], bool] = lambda _: True
) -> list[Parked]:
    """The dead letters that are there now and wanted; one that was parked twice is listed once, at its newest place."""
    found: dict[str, Parked] = {}
    async for record in records_of(bootstrap_servers, topic):
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
