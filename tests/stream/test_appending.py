"""Appending to aiokafka's batches: what waits leaves together, in one request for all partitions."""

from aiokafka.cluster import ClusterMetadata
from aiokafka.producer.message_accumulator import MessageAccumulator
from aiokafka.structs import TopicPartition

from decision_stream.stream.hardening.appending import Appender

PLACES = [TopicPartition("journal", number) for number in range(3)]
LINGER_S = 0.5


def appender() -> tuple[Appender, list]:
    begun: list = []
    accumulator = MessageAccumulator(ClusterMetadata(), 16_384, 0, 30.0, linger_ms=int(LINGER_S * 1_000.0))
    return Appender(accumulator, 1_000_000, begun.append), begun


async def test_a_batch_that_is_begun_later_leaves_with_the_oldest_that_waits():
    made, begun = appender()
    made.append(PLACES[0], b"k", b"1")
    begun[0]._ctime -= LINGER_S / 2.0
    made.append(PLACES[1], b"k", b"2")
    assert begun[1]._ctime == begun[0]._ctime
    begun[0]._ctime -= LINGER_S
    made.append(PLACES[2], b"k", b"3")
    assert begun[0].remaining_linger() is None and begun[2].remaining_linger() is None


async def test_a_batch_waits_its_own_time_when_no_other_waits():
    made, begun = appender()
    made.append(PLACES[0], b"k", b"1")
    begun[0]._ctime -= 10.0
    made._accumulator._batches.clear()
    made.append(PLACES[1], b"k", b"2")
    assert begun[1].remaining_linger() > 0.0


async def test_a_second_batch_of_a_partition_leaves_with_its_first():
    made, begun = appender()
    for _ in range(3):
        made.append(PLACES[0], b"k", b"x" * 9_000)
    assert len(begun) == 3 and len({batch._ctime for batch in begun}) == 1
