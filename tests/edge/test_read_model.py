"""The read model: the same rows whatever the order between topics, each record once, rebuilt from nothing."""

import random

from decision_stream.edge.read_model import Filter, Message, ReadModel
from decision_stream.model.policy import Policy, SafetyPolicy
from tests.edge.engine import Engine

CHAT, RERANK = "acme/support/chat", "globex/search/rerank"


def dump(model: ReadModel) -> list:
    rows = []
    for row in model.decisions(Filter(), 100):
        rows.append(model.decision(row["id"]))
    return [rows, model.scopes(None), model.statistics(None), model.audit(CHAT, None, 100)]


def test_a_decision_is_told_with_its_whole_why():
    engine = Engine()
    found = engine.model.decision(engine.switch(CHAT))
    assert found["kind"] == "model_switch" and found["state"] == "monitoring" and found["strategy"] == "pareto"
    assert [move["to_state"] for move in found["transitions"]] == ["validating", "approved", "executing", "monitoring"]
    assert found["decision"]["evidence"] and found["proposal"]["insight_id"]
    assert found["orders"][0]["order"]["kind"] == "update_configuration"


def test_the_order_between_topics_does_not_matter():
    engine = Engine()
    engine.switch(CHAT)
    engine.switch(RERANK)
    by_topic = {
        topic: [m for m in engine.messages if m.topic == topic] for topic in ("journal", "proposals", "decisions")
    }
    expected = dump(engine.model)
    for seed in range(6):
        order = list(by_topic)
        random.Random(seed).shuffle(order)
        other = ReadModel()
        other.apply([message for topic in order for message in by_topic[topic]])
        assert dump(other) == expected


def test_a_repeated_record_changes_nothing_at_its_own_or_another_offset():
    engine = Engine()
    engine.switch(CHAT)
    expected = dump(engine.model)
    assert engine.model.apply(engine.messages) == 0
    later = [
        Message(topic=m.topic, partition=m.partition, offset=m.offset + 10_000, value=m.value) for m in engine.messages
    ]
    engine.model.apply(later)
    assert dump(engine.model) == expected


def test_it_stands_where_it_stood_after_a_restart(tmp_path):
    engine = Engine()
    engine.switch(CHAT)
    first = ReadModel(tmp_path / "model.sqlite")
    first.apply(engine.messages)
    expected, positions = dump(first), first.positions()
    first.close()
    again = ReadModel(tmp_path / "model.sqlite")
    assert dump(again) == expected and again.positions() == positions


def test_other_tenants_are_not_seen():
    engine = Engine()
    engine.switch(CHAT)
    engine.switch(RERANK)
    rows = engine.model.decisions(Filter(tenants=frozenset({"acme"})), 10)
    assert {row["scope"] for row in rows} == {CHAT}
    assert [row["scope"] for row in engine.model.scopes(frozenset({"acme"}))] == [CHAT]
    assert engine.model.decisions(Filter(tenants=frozenset()), 10) == []


def test_pages_follow_each_other_without_gap_or_repeat():
    engine = Engine(Policy(safety=SafetyPolicy(min_improvement=0.9)))
    for number in range(5):
        engine.switch(f"acme/s/{number}")
    seen, before = [], None
    while rows := engine.model.decisions(Filter(before=before), 2):
        seen += [row["id"] for row in rows]
        before = (rows[-1]["at_ms"], rows[-1]["id"])
    assert len(seen) == len(set(seen)) == engine.model.statistics(None)["decisions"]
