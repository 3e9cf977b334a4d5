"""Orders of operators as events: published to the commands topic, and their verdict awaited from the read model."""

import asyncio
import time
from typing import Any
from uuid import uuid4

from aiokafka import AIOKafkaProducer

from ...engine.identity import derived_id
from ...model.command import Command, Instruction
from ...wire.codec import encode
from ..read_model import ReadModel

POLL_S = 0.05


class Commands:
    """Publishes instructions; one producer for the process."""

    def __init__(self, producer: AIOKafkaProducer, topic: str, model: ReadModel) -> None:
        self._producer = producer
        self._topic = topic
        self._model = model

    async def send(self, scope: str, instruction: Instruction, actor: str, reason: str, key: str | None) -> str:
        """Publish and return the command's id once the broker has it.

        The same idempotency `key` of the same actor gives the same id, which the engine takes once.
        """
        identifier = derived_id("api", actor, scope, key) if key else str(uuid4())
        command = Command(
            id=identifier,
            scope=scope,
            at_ms=time.time_ns() // 1_000_000,
            instruction=instruction,
            actor=actor,
            reason=reason,
        )
        await self._producer.send_and_wait(self._topic, encode(command), key=scope.encode())
        return identifier

    async def verdict(self, identifier: str, wait_s: float) -> dict[str, Any] | None:
        """The journal record of a command, None when it was not applied within `wait_s`."""
        deadline = time.monotonic() + wait_s
        while True:
            found = await asyncio.to_thread(self._model.verdict, identifier)
            if found is not None or time.monotonic() >= deadline:
                return found
            await asyncio.sleep(POLL_S)
