"""How long the broker is asked to collect: long when nothing came, and the shorter the more came last."""

from io import BytesIO

from aiokafka.protocol.fetch import FetchRequest, FetchRequest_v11, FetchResponse_v11
from aiokafka.structs import TopicPartition

from decision_stream.stream.hardening.fetching import (
    BYTES_PER_MS,
    HELD_WAIT_MS,
    IDLE_WAIT_MS,
    MOST_BYTES,
    MOST_OF_PARTITION_BYTES,
    FetchRhythm,
)

COLLECT_MS, COLLECT_BYTES, NODE = 30, 100_000, 1
INSIGHTS, CHANGELOG = TopicPartition("insights", 0), TopicPartition("changelog", 0)


class Place:
    """What aiokafka keeps of an assigned partition."""

    highwater: int | None = None
    timestamp: int | None = None


class Assignment:
    """The partitions of this worker."""

    def __init__(self) -> None:
        self.places = {INSIGHTS: Place(), CHANGELOG: Place()}

    def state_value(self, tp: TopicPartition) -> Place | None:
        return self.places.get(tp)


class Fetcher:
    """As much of aiokafka's fetcher as asks, with answers of a given size."""

    def __init__(self) -> None:
        self._records: dict = {}
        self.size = 0

    def _get_actions_per_node(self, assignment):
        topics = [(tp.topic, [(tp.partition, 7, 1_000)]) for tp in (INSIGHTS, CHANGELOG)]
        return [(NODE, FetchRequest(500, 1, 1_000_000, 0, topics))], {}, 0.1, False, []

    async def _proc_fetch_request(self, assignment, node_id, request):
        place = (0, 0, 7, 7, 0, None, -1, bytes(self.size))
        answer = FetchResponse_v11(0, 0, 0, [("insights", [place])])
        self.read = request.build(FetchRequest_v11).RESPONSE_TYPE.decode(BytesIO(answer.encode()))
        return self.size > 0


class Rhythm:
    """A fetcher with its rhythm, asked once at a time."""

    def __init__(self, wanted=lambda tp: True) -> None:
        self.fetcher, self.assignment = Fetcher(), Assignment()
        FetchRhythm(self.fetcher, COLLECT_MS, COLLECT_BYTES, wanted)

    def plan(self):
        requests, *_ = self.fetcher._get_actions_per_node(self.assignment)
        return requests

    async def ask(self, size: int) -> tuple[int, int]:
        """Wait and least bytes of the next request, after one that is answered with as many bytes of records."""
        [(node_id, request)] = self.plan()
        self.fetcher.size = size
        await self.fetcher._proc_fetch_request(self.assignment, node_id, request)
        [(_, following)] = self.plan()
        return following._max_wait_ms, following._min_bytes


async def test_after_an_answer_without_records_the_next_one_comes_with_the_first():
    assert await Rhythm().ask(0) == (IDLE_WAIT_MS, 1)


async def test_while_records_of_a_full_partition_wait_the_question_does_not_outlast_them():
    rhythm = Rhythm()
    await rhythm.ask(0)
    rhythm.fetcher._records = {INSIGHTS: "records"}
    [(_, request)] = rhythm.plan()
    assert (request._max_wait_ms, request._min_bytes) == (HELD_WAIT_MS, 1)


async def test_the_more_came_last_the_shorter_the_broker_collects():
    rhythm = Rhythm()
    assert rhythm.plan()[0][1]._max_wait_ms == COLLECT_MS
    assert await rhythm.ask(1) == (COLLECT_MS - 1, COLLECT_BYTES)
    assert (await rhythm.ask(5 * BYTES_PER_MS))[0] == COLLECT_MS - 6
    assert (await rhythm.ask(500 * BYTES_PER_MS))[0] == COLLECT_MS / 2
    assert (await rhythm.ask(1))[0] == COLLECT_MS - 1


async def test_an_answer_has_room_for_two_busy_partitions_and_no_more():
    rhythm = Rhythm()
    await rhythm.ask(0)
    assert [request._max_bytes for _, request in rhythm.plan()] == [MOST_BYTES]
    assert MOST_BYTES == 2 * MOST_OF_PARTITION_BYTES


async def test_a_partition_that_nobody_reads_is_not_asked_for():
    rhythm = Rhythm(wanted=lambda tp: tp != CHANGELOG)
    rhythm.fetcher._records = {CHANGELOG: "records", INSIGHTS: "records"}
    [(_, request)] = rhythm.plan()
    assert [topic for topic, _ in request.topics] == ["insights"]
    assert list(rhythm.fetcher._records) == [INSIGHTS]
    assert Rhythm(wanted=lambda tp: False).plan() == []


async def test_an_end_that_is_known_is_no_news_and_yet_was_asked_for():
    rhythm = Rhythm()
    await rhythm.ask(0)
    assert rhythm.fetcher.read.topics, "the first answer tells where the partition ends"
    place = rhythm.assignment.places[INSIGHTS]
    place.highwater = 7
    await rhythm.ask(0)
    assert rhythm.fetcher.read.topics == [] and place.timestamp is not None
    place.highwater = 6
    await rhythm.ask(0)
    assert rhythm.fetcher.read.topics
