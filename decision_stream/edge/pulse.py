"""Whether the engine goes on: whether insights wait for it, and whether it takes any of them.

Seen from outside, by the places of its group: a worker that is away, starts, recovers or hangs says nothing itself.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Mapping
from enum import StrEnum

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from ..stream.address import client_options

log = logging.getLogger(__name__)

LOOK_S = 2.0
AGAIN_S = 30.0
LATE_S = 15.0
"""An insight that waits for longer is late. Places are told every few seconds, so that a few are always outstanding."""
STILL_S = 20.0
"""With late insights and no step for this long, the engine stands still. It is longer than a clean takeover."""


class Standing(StrEnum):
    """How the engine is: with what comes in, behind it, or at a standstill while insights wait."""

    READY = "ready"
    BEHIND = "behind"
    STILL = "still"


class Progress:
    """What was seen of the engine's places.

    >>> seen = Progress()
    >>> seen.look(0.0, ends={0: 5}, places={0: 5})
    <Standing.READY: 'ready'>
    >>> seen.look(1.0, ends={0: 9}, places={0: 5})
    <Standing.READY: 'ready'>
    >>> seen.look(16.0, ends={0: 9}, places={0: 6}), seen.look(36.0, ends={0: 9}, places={0: 6})
    (<Standing.BEHIND: 'behind'>, <Standing.STILL: 'still'>)
    """

    def __init__(self) -> None:
        self._ends: deque[tuple[float, Mapping[int, int]]] = deque()
        self._places: Mapping[int, int] = {}
        self._stepped_s = 0.0

    def look(self, at_s: float, *, ends: Mapping[int, int], places: Mapping[int, int]) -> Standing:
        """The standing after a look: where each partition ends, and which of its offsets the engine wants next."""
        if not self._ends or any(place > self._places.get(part, -1) for part, place in places.items()):
            self._stepped_s = at_s
        self._places = places
        self._ends.append((at_s, ends))
        while len(self._ends) > 1 and self._ends[1][0] <= at_s - LATE_S:
            self._ends.popleft()
        seen_s, then = self._ends[0]
        if at_s - seen_s < LATE_S or all(places[part] >= end for part, end in then.items()):
            return Standing.READY
        return Standing.STILL if at_s - self._stepped_s >= STILL_S else Standing.BEHIND


class Pulse:
    """Looks on for ever; `standing` is what it saw last, and READY before that and while nothing can be seen."""

    def __init__(self, bootstrap_servers: str, prefix: str, partitions: int, app_id: str) -> None:
        self._bootstrap_servers, self._app_id = bootstrap_servers, app_id
        self._parts = [TopicPartition(f"{prefix}insights", number) for number in range(partitions)]
        self.standing = Standing.READY

    async def run(self) -> None:
        """Until cancelled."""
        told = None
        while True:
            try:
                await self._look_on()
            except (KafkaError, OSError) as fault:
                self.standing = Standing.READY
                # Once: without the right to describe the group it stays so.
                if type(fault) is not told:
                    told = type(fault)
                    log.info("engine cannot be seen", extra={"why": told.__name__, "again_in_s": AGAIN_S})
                await asyncio.sleep(AGAIN_S)

    async def _look_on(self) -> None:
        # Of the group, but no member of it: nothing is subscribed to.
        consumer = AIOKafkaConsumer(
            **client_options(self._bootstrap_servers), group_id=self._app_id, enable_auto_commit=False
        )
        await consumer.start()
        try:
            progress = Progress()
            while True:
                begins, ends = await consumer.beginning_offsets(self._parts), await consumer.end_offsets(self._parts)
                places = {part: max(begins[part], await consumer.committed(part) or 0) for part in self._parts}
                standing = progress.look(
                    time.monotonic(),
                    ends={part.partition: end for part, end in ends.items()},
                    places={part.partition: place for part, place in places.items()},
                )
                if standing is not self.standing:
                    log.info("engine is seen", extra={"standing": standing.value})
                self.standing = standing
                await asyncio.sleep(LOOK_S)
        finally:
            await consumer.stop()
