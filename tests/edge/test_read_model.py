"""The read model, each claim on SQLite and on a real Redis: any order between topics, each record once, bounded."""

import random
from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest
from msgspec.structs import replace

from decision_stream.edge.api_settings import ApiSettings
from decision_stream.edge.read_model import (
    Filter,
    Keep,
    Message,
    ReadModel,
    RedisReadModel,
    Rewound,
    SqliteReadModel,
    Unavailable,
    in_redis,
    open_read_model,
)
from decision_stream.model.policy import Policy, SafetyPolicy
from tests.edge.engine import Engine
from tests.edge.redis_server import RedisServer, bundled

Make = Callable[..., ReadModel]
CHAT, RERANK = "acme/support/chat", "globex/search/rerank"


@pytest.fixture(params=["sqlite", "redis"])
def make(request) -> Iterator[Make]:
    """Makes empty models of one kind; the same name is the same model."""
    run, made = uuid4().hex, []
    folder = request.getfixturevalue("tmp_path")
    url = request.getfixturevalue("redis_url") if request.param == "redis" else ""

    def model(keep: Keep | None = None, name: str | None = None) -> ReadModel:
        name = name or uuid4().hex
        made.append(RedisReadModel(url, f"{run}.{name}", keep) if url else SqliteReadModel(folder / name, keep))
        return made[-1]

    yield model
    for one in made:
        one.close()


def dump(model: ReadModel) -> list:
    rows = []
    for row in model.decisions(Filter(), 100):
        rows.append(model.decision(row["id"]))
    states = [
        (kind, scope, model.document(kind, scope)) for scope in (CHAT, RERANK) for kind in ("hot", "cold", "counters")
    ]
    courses = [model.document("course", row["id"]) for row in rows]
    return [rows, model.scopes(None), model.statistics(None), model.audit(CHAT, None, 100), states, courses]


def test_a_decision_is_told_with_its_whole_why(make: Make):
    engine = Engine(model=make())
    found = engine.model.decision(engine.switch(CHAT))
    assert found["kind"] == "model_switch" and found["state"] == "monitoring" and found["strategy"] == "pareto"
    assert [move["to_state"] for move in found["transitions"]] == ["validating", "approved", "executing", "monitoring"]
    assert found["decision"]["evidence"] and found["proposal"]["insight_id"]
    assert found["orders"][0]["order"]["kind"] == "update_configuration"


def test_what_is_known_across_scopes_is_no_scope(make: Make):
    engine = Engine(model=make())
    engine.switch(CHAT)
    assert any(name.startswith(":provider/") for name in engine.stored)
    assert [row["scope"] for row in engine.model.scopes(None)] == [CHAT]
    assert engine.model.audit(":provider/premium/0", None, 100) == []
    assert engine.model.document("hot", ":provider/premium/0") is None


def test_the_order_between_topics_does_not_matter(make: Make):
    engine = Engine(model=make())
    engine.switch(CHAT)
    engine.switch(RERANK)
    by_topic = {
        topic: [m for m in engine.messages if m.topic == topic]
        for topic in ("journal", "proposals", "decisions", "scope-state")
    }
    expected = dump(engine.model)
    for seed in range(6):
        order = list(by_topic)
        random.Random(seed).shuffle(order)
        other = make()
        other.apply([message for topic in order for message in by_topic[topic]])
        assert dump(other) == expected


@pytest.mark.parametrize("size", [1, 3, 50, 10_000])
def test_portions_of_any_size_lead_to_the_same_model(make: Make, monkeypatch, size: int):
    engine = Engine(model=make())
    for scope in (CHAT, RERANK):
        engine.switch(scope, minutes=20)
    other = make()
    # And scripts of any size within a portion.
    monkeypatch.setattr(in_redis, "BATCH", max(1, size // 3))
    for start in range(0, len(engine.messages), size):
        other.apply(engine.messages[start : start + size], other.positions())
    assert dump(other) == dump(engine.model)
    assert other.positions() == engine.model.positions()


def test_a_record_that_cannot_be_read_does_not_keep_the_others_from_being_seen(make: Make, caplog):
    engine = Engine()
    engine.switch(CHAT)
    expected, model = dump(engine.model), make()
    topics = ("journal", "proposals", "decisions", "scope-state", "insights", "dead-letters")
    broken = [
        Message(topic=topic, partition=9, offset=offset, key=CHAT.encode(), value=value)
        for topic in topics
        for offset, value in enumerate((b"", b"{", b'"\xff"', b'{"scope": 1, "decision": {}, "budget":{}}'))
    ]
    model.apply(broken[::2] + engine.messages + broken[1::2])
    assert dump(model) == expected
    assert {(topic, 9) for topic in topics} <= model.positions().keys()
    told = {it.topic for it in caplog.records if it.levelname == "WARNING"}
    assert told == {"journal", "proposals", "decisions"}


def test_an_event_is_found_while_its_record_is_kept(make: Make):
    engine, model = Engine(), make(Keep(records=10))
    engine.switch(CHAT, minutes=30)
    events = [row["event_id"] for row in engine.model.audit(CHAT, None, 100)]
    model.apply(engine.messages)
    assert all(model.verdict(event) == engine.model.verdict(event) is not None for event in events[:10])
    assert all(model.verdict(event) is None for event in events[10:])


def test_a_repeated_record_changes_nothing_at_its_own_or_another_offset(make: Make):
    engine = Engine(model=make())
    engine.switch(CHAT)
    expected = dump(engine.model)
    assert engine.model.apply(engine.messages) == 0
    later = [replace(message, offset=message.offset + 10_000) for message in engine.messages]
    engine.model.apply(later)
    assert dump(engine.model) == expected


def test_it_stands_where_it_stood_after_a_restart(make: Make):
    engine = Engine(model=make())
    engine.switch(CHAT)
    first = make(name="kept")
    first.apply(engine.messages)
    expected, positions = dump(first), first.positions()
    first.close()
    again = make(name="kept")
    assert dump(again) == expected and again.positions() == positions


def test_other_tenants_are_not_seen(make: Make):
    engine = Engine(model=make())
    engine.switch(CHAT)
    engine.switch(RERANK)
    rows = engine.model.decisions(Filter(tenants=frozenset({"acme"})), 10)
    assert {row["scope"] for row in rows} == {CHAT}
    assert [row["scope"] for row in engine.model.scopes(frozenset({"acme"}))] == [CHAT]
    assert engine.model.decisions(Filter(tenants=frozenset()), 10) == []


def test_pages_follow_each_other_without_gap_or_repeat(make: Make):
    engine = Engine(Policy(safety=SafetyPolicy(min_improvement=0.9)), make())
    for number in range(5):
        engine.switch(f"acme/s/{number}")
    seen, before = [], None
    while rows := engine.model.decisions(Filter(before=before), 2):
        seen += [row["id"] for row in rows]
        before = (rows[-1]["at_ms"], rows[-1]["id"])
    assert len(seen) == len(set(seen)) == engine.model.statistics(None)["decisions"]


def test_each_filter_and_all_together_choose_the_same_rows(make: Make):
    engine = Engine(model=make())
    for scope in (CHAT, RERANK, "acme/support/mail"):
        engine.switch(scope)
    everything = engine.model.decisions(Filter(), 100)
    for wanted in (
        Filter(scope=CHAT),
        Filter(state="monitoring"),
        Filter(kind="model_switch", tenants=frozenset({"acme", "globex"})),
        Filter(strategy="pareto", state="monitoring", scope=RERANK),
        Filter(state="rejected"),
    ):
        chosen = [
            row
            for row in everything
            if all(
                (value := getattr(wanted, field)) is None or row[field] == value
                for field in ("scope", "state", "kind", "strategy")
            )
        ]
        assert engine.model.decisions(wanted, 100) == chosen


def test_both_kinds_answer_alike(redis_url):
    engine = Engine()
    for scope in (CHAT, RERANK):
        engine.switch(scope)
    other = RedisReadModel(redis_url, uuid4().hex)
    other.apply(engine.messages)
    assert dump(other) == dump(engine.model)
    assert other.positions() == engine.model.positions()
    for message in engine.messages:
        if message.topic == "journal":
            identifier = engine.model.audit(CHAT, None, 1)[0]["event_id"]
            assert other.verdict(identifier) == engine.model.verdict(identifier)
            assert other.verdict(identifier) is not None
            break
    other.close()


def test_what_is_kept_is_bounded_and_the_newest(make: Make):
    engine = Engine()
    for number in range(8):
        engine.switch(f"acme/s/{number}", minutes=4)
    newest = engine.model.decisions(Filter(), 3)
    for last in ("journal", "proposals", "decisions"):
        messages = sorted(engine.messages, key=lambda message: message.topic == last)
        bounded = make(Keep(decisions=3, records=2))
        # Each record has a place of its own, as if from many partitions.
        for number, message in enumerate(messages):
            bounded.apply([replace(message, partition=number, offset=0)])
        assert bounded.decisions(Filter(), 100) == newest
        assert bounded.statistics(None)["decisions"] == 3
        assert all(len(bounded.audit(row["scope"], None, 100)) == 2 for row in bounded.scopes(None))
        assert bounded.decision(engine.model.decisions(Filter(), 100)[-1]["id"]) is None


def test_a_writer_is_told_when_the_model_stands_before_where_it_left_it(make: Make):
    engine = Engine()
    engine.switch(CHAT)
    model = make()
    model.apply(engine.messages[:5])
    stood = model.positions()
    model.apply((), stood)
    emptied = make()
    for records in ((), engine.messages[5:]):
        with pytest.raises(Rewound):
            emptied.apply(records, stood)
        assert emptied.positions() == {}, "nothing was taken in"


def test_the_address_of_redis_is_told_to_nobody(own_redis):
    settings = ApiSettings(redis_url=own_redis.url)
    assert "canary" not in repr(settings)
    with pytest.raises(ValueError, match="no URL") as told:
        open_read_model(ApiSettings(redis_url="nonsense://canary"), "x")
    assert "canary" not in str(told.value)


def test_a_disk_that_is_full_is_told_and_what_was_there_stays(tmp_path):
    engine, other = Engine(model=SqliteReadModel(tmp_path / "model")), Engine()
    engine.switch(CHAT)
    other.switch(RERANK, minutes=40)
    more = [replace(message, partition=1) for message in other.messages]
    expected = dump(engine.model)
    # No more pages than there are.
    engine.model._db.execute("PRAGMA max_page_count = 1")
    with pytest.raises(Unavailable, match="full"):
        engine.model.apply(more)
    assert dump(engine.model) == expected
    engine.model._db.execute("PRAGMA max_page_count = 1000000")
    assert engine.model.apply(more) == len(more)
    engine.model.close()


def test_a_file_that_is_no_read_model_is_named_with_what_to_do(tmp_path):
    (tmp_path / "model").write_bytes(b"something else entirely " * 100)
    with pytest.raises(Unavailable, match="delete it") as told:
        open_read_model(ApiSettings(database=str(tmp_path / "model")), "x")
    assert str(tmp_path) in str(told.value)


def test_the_server_that_a_package_carries_keeps_the_same_model():
    server = RedisServer(bundled())
    server.start()
    try:
        engine, model = Engine(), RedisReadModel(server.url, uuid4().hex)
        engine.switch(CHAT)
        model.apply(engine.messages)
        assert dump(model) == dump(engine.model)
        model.close()
    finally:
        server.kill()
