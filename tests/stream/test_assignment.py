"""Partitions are divided only when all topics are known: a broker that has just started knows none for a moment."""

import logging

import pytest
from aiokafka.cluster import ClusterMetadata
from aiokafka.errors import UnknownTopicOrPartitionError
from aiokafka.protocol.metadata import MetadataResponse_v5
from faust.assignor.partition_assignor import PartitionAssignor

from decision_stream.stream.app import build_app
from decision_stream.stream.config import StreamSettings
from decision_stream.stream.hardening import assignment
from decision_stream.stream.hardening.assignment import require_topics

TOPICS = ("ds.insights", "ds.outcomes")


def told(*topics: str) -> MetadataResponse_v5:
    """What a broker answers that knows these topics, with two partitions each."""
    places = [(0, number, 1, [1], [1], []) for number in range(2)]
    return MetadataResponse_v5(0, [(1, "localhost", 9, None)], "c", 1, [(0, topic, False, places) for topic in topics])


class Member:
    """As much of aiokafka's consumer, client and member as assigns; the broker's answers come one by one."""

    def __init__(self, *answers: MetadataResponse_v5) -> None:
        self.cluster = ClusterMetadata()
        self._client = self._coordinator = self._subscription = self
        self.topics = set(TOPICS)
        self.answers = list(answers)
        self.assigned_with: list[set[str]] = []
        self.cluster.update_metadata(self.answers.pop(0))

    async def force_metadata_update(self) -> bool:
        self.cluster.update_metadata(self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])
        return True

    async def _perform_assignment(self, response: str) -> str:
        self.assigned_with.append(self.cluster.topics())
        return response


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(assignment, "ASK_AGAIN_S", 0.0)


async def test_the_broker_is_asked_until_it_knows_all_topics():
    member = Member(told(), told(TOPICS[0]), told(*TOPICS), told(*TOPICS))
    require_topics(member, limit_s=60.0)
    assert await member._perform_assignment("joined") == "joined"
    assert member.assigned_with == [set(TOPICS)]


async def test_a_group_that_knows_its_topics_asks_nobody():
    member = Member(told(*TOPICS))
    require_topics(member, limit_s=60.0)
    assert await member._perform_assignment("joined") == "joined"
    assert member.assigned_with == [set(TOPICS)]


async def test_topics_that_stay_missing_are_told_by_name_and_nothing_is_assigned(caplog):
    member = Member(told(TOPICS[0]), told(TOPICS[0]))
    require_topics(member, limit_s=0.0)
    with caplog.at_level(logging.ERROR), pytest.raises(UnknownTopicOrPartitionError, match=r"ds\.outcomes"):
        await member._perform_assignment("joined")
    assert member.assigned_with == []


async def test_stock_faust_gives_nobody_anything_when_topics_are_missing():
    app = build_app(StreamSettings(bootstrap_servers="localhost:9"))
    assignor = PartitionAssignor(app)
    joined = assignor.metadata(set(TOPICS))
    given = assignor.assign(Member(told()).cluster, {"one": joined})
    assert given["one"].assignment == []
    whole = assignor.assign(Member(told(*TOPICS)).cluster, {"one": joined})
    assert [topic for topic, _ in whole["one"].assignment] == list(TOPICS)
