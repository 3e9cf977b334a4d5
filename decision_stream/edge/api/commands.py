"""What the API writes: orders, insights and dead letters as records on topics; and what the engine said to them."""

import asyncio
import time
from typing import Any, Protocol

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from ...model.command import Command
from ...model.insight import Insight
from ...wire.codec import encode
from ..read_model import ReadModel, Unavailable

POLL_S = 0.05
TAKE_LETTERS_BACK = ("insights", "proposals", "outcomes", "commands")
REPLAYED_BY = "dlq.replayed_by"
"""Header of a record that was sent back, with who did it."""


class Sender(Protocol):
    """Who brings records to the broker."""

    def takes_back(self, topic: str) -> bool:
        """Whether dead letters may be sent back to this topic; a letter could name any."""

    async def send(self, event: Command | Insight) -> None:
        """Publish; returns once the broker has it. Raises `Unavailable`."""

    async def send_back(
        self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]]
    ) -> None:
        """Publish a dead letter where it came from. Raises `Unavailable`."""

    async def verdict(self, identifier: str, wait_s: float) -> dict[str, Any] | None:
        """The journal record of an event, None when it was not applied within `wait_s`."""


class Commands:
    """A `Sender` with one producer for the process."""

    def __init__(self, producer: AIOKafkaProducer, prefix: str, model: ReadModel) -> None:
        self._producer, self._prefix, self._model = producer, prefix, model

    def takes_back(self, topic: str) -> bool:
        """Whether dead letters may be sent back to this topic; a letter could name any."""
        return topic in {self._prefix + name for name in TAKE_LETTERS_BACK}

    async def send(self, event: Command | Insight) -> None:
        """Publish; returns once the broker has it. Raises `Unavailable`."""
        topic = self._prefix + ("commands" if isinstance(event, Command) else "insights")
        await self._sent(topic, encode(event), event.scope.encode())

    async def send_back(
        self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]]
    ) -> None:
        """Publish a dead letter where it came from. Raises `Unavailable`."""
        await self._sent(topic, value, key, partition, headers)

    async def verdict(self, identifier: str, wait_s: float) -> dict[str, Any] | None:
        """The journal record of an event, None when it was not applied within `wait_s`."""
        deadline = time.monotonic() + wait_s
        while True:
            found = await asyncio.to_thread(self._model.verdict, identifier)
            if found is not None or time.monotonic() >= deadline:
                return found
            await asyncio.sleep(POLL_S)

    async def _sent(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None,
        partition: int | None = None,
        headers: list[tuple[str, bytes]] | None = None,
    ) -> None:
        try:
            await self._producer.send_and_wait(topic, value, key=key, partition=partition, headers=headers or [])
        except KafkaError as fault:
            raise Unavailable(f"the broker did not take it: {type(fault).__name__}") from None
