"""Orders of operators as events: published to the commands topic, and their verdict awaited from the read model."""

import asyncio
import time
from typing import Any, Literal
from uuid import uuid4

from aiokafka import AIOKafkaProducer

from ...engine.identity import derived_id
from ...model.command import Command, Instruction
from ...wire.codec import encode
from ..read_model import ReadModel

POLL_S = 0.05
Clock = Literal["wall", "events"]


class Commands:
    """Publishes instructions; one producer for the process."""

    def __init__(self, producer: AIOKafkaProducer, topic: str, model: ReadModel, clock: Clock = "wall") -> None:
        self._producer = producer
        self._topic = topic
        self._model = model
        self._clock = clock

    async def send(self, scope: str, instruction: Instruction, actor: str, reason: str, key: str | None) -> str:
        """Publish and return the command's id once the broker has it.

        The same idempotency `key` of the same actor gives the same id, which the engine takes once.
        """
        identifier = derived_id("api", actor, scope, key) if key else str(uuid4())
        command = Command(
            id=identifier,
            scope=scope,
            at_ms=await self._now_ms(scope),
            instruction=instruction,
            actor=actor,
            reason=reason,
        )
        await self._producer.send_and_wait(self._topic, encode(command), key=scope.encode())
        return identifier

    async def _now_ms(self, scope: str) -> int:
        """The time of an order: the wall's, or that of the newest event that the scope is known to have seen."""
        if self._clock == "events":
            newest = await asyncio.to_thread(self._model.audit, scope, None, 1)
            if newest:
                return int(newest[0]["at_ms"])
        return time.time_ns() // 1_000_000

    async def verdict(self, identifier: str, wait_s: float) -> dict[str, Any] | None:
        """The journal record of a command, None when it was not applied within `wait_s`."""
        deadline = time.monotonic() + wait_s
        while True:
            found = await asyncio.to_thread(self._model.verdict, identifier)
            if found is not None or time.monotonic() >= deadline:
                return found
            await asyncio.sleep(POLL_S)
