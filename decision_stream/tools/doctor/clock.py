"""How far this machine's clock lies from the broker's.

Events are judged by the broker's or their sender's time of the record, and one that lies minutes ahead is parked; so a
clock that is off parks everything, or makes the whole engine late. Kafka tells its own time nowhere but in a record of
a topic that is set to the time of appending.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaProducer
from aiokafka.admin import NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from ...broker.topics import admin
from ...stream.address import client_options
from ...wire.codec import FUTURE_TOLERANCE_MS
from .finding import Finding, fail, ok, warn

ODD_MS = 1_000
"""Beyond this the delays that are measured are those of the clocks."""
READY_S = 10.0
TIMES = 3
FIX = "synchronise the clocks (NTP) of this machine and of the brokers"


async def clock(address: str, topic: str) -> list[Finding]:
    """The difference, from the quickest of some records that are written to a topic made for it."""
    try:
        async with _made(address, topic):
            ahead_ms, within_ms = await _measured(address, topic)
    except KafkaError as fault:
        return [
            warn(
                "clock",
                f"not measured: {type(fault).__name__} for topic {topic}",
                "give the right to create it, or leave it out with --read-only",
            )
        ]
    return [judged(ahead_ms, within_ms)]


def judged(ahead_ms: float, within_ms: float) -> Finding:
    """A finding about a broker whose clock is ahead of ours by this, known to `within_ms` either way.

    >>> judged(2_500.0, 2.0).told
    "the broker's is 2.500 s ahead of this machine's (known to 0.002 s)"
    """
    side = "ahead of" if ahead_ms >= 0.0 else "behind"
    told = f"the broker's is {abs(ahead_ms) / 1e3:.3f} s {side} this machine's (known to {within_ms / 1e3:.3f} s)"
    off_ms = abs(ahead_ms) - within_ms
    if off_ms > FUTURE_TOLERANCE_MS:
        return fail("clock", told, f"{FIX}: events more than {FUTURE_TOLERANCE_MS // 60_000} minutes ahead are parked")
    if off_ms > ODD_MS:
        return warn("clock", told, FIX)
    return ok("clock", told)


@asynccontextmanager
async def _made(address: str, name: str) -> AsyncIterator[None]:
    """The topic, while it is needed. One that a doctor who was interrupted left behind is used and taken away."""
    async with admin(address) as client:
        configs = {"message.timestamp.type": "LogAppendTime", "retention.ms": "60000"}
        wanted = NewTopic(name=name, num_partitions=1, replication_factor=1, topic_configs=configs)
        for _name, code, *_rest in (await client.create_topics([wanted])).topic_errors:
            if code not in (0, TopicAlreadyExistsError.errno):
                raise for_code(code)(name)
        try:
            yield
        finally:
            with contextlib.suppress(KafkaError):
                await client.delete_topics([name])


async def _measured(address: str, topic: str) -> tuple[float, float]:
    """The broker's clock less ours, and half of the quickest round trip, in ms."""
    producer = AIOKafkaProducer(**client_options(address), acks=1, linger_ms=0)
    await producer.start()
    try:
        best = (0.0, float("inf"))
        deadline = time.monotonic() + READY_S
        done = 0
        while done < TIMES:
            began = time.time()
            try:
                answer = await producer.send_and_wait(topic, b"?", partition=0)
            except KafkaError:
                # A topic that was just created has no leader yet.
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.1)
                continue
            ended = time.time()
            half_ms = (ended - began) * 500.0
            # The broker counts in whole ms: what it tells lies on average half of one before what it means.
            best = min(best, (answer.timestamp + 0.5 - began * 1e3 - half_ms, half_ms + 0.5), key=lambda it: it[1])
            done += 1
        return best
    finally:
        await producer.stop()
