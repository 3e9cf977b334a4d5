"""One record applied to one stored scope: once, whole, and the same again."""

from hashlib import sha256

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from decision_stream.engine.catalog import MAX_MODELS
from decision_stream.model.command import Tick, UpdateCatalog
from decision_stream.model.journal import JournalRecord, Source
from decision_stream.model.knowledge import (
    MEMBERS,
    Aggregate,
    CatalogModel,
    Member,
    ProviderReport,
    Reader,
    Sighting,
    Witness,
)
from decision_stream.model.policy import Policy
from decision_stream.model.state import ColdState, ScopeState
from decision_stream.stream import record
from decision_stream.stream.config import StreamSettings
from decision_stream.stream.record import (
    GENESIS,
    ColdRecord,
    StateTooLarge,
    StoredScope,
    UnreadableState,
    apply,
    cold_key,
    empty,
    hot_write,
    load,
    supersedes,
)
from tests.factories import SCOPE, START_MS, command, estimate, insight

POLICY = Policy()
CHEAP = (estimate("cheap", quality=0.895, cost_usd=0.002, p95_ms=1_900.0),)


def at(offset: int, topic: str = "insights") -> Source:
    return Source(topic=topic, partition=1, offset=offset)


def told(minutes: range, stored: StoredScope | None = None) -> tuple[StoredScope, dict[bytes, bytes], list]:
    """Insights applied in a row: the scope, the table as it would be, and the outputs."""
    stored, table, outputs = stored or empty(SCOPE), {}, []
    for minute in minutes:
        done = apply(stored, at(minute), insight(minute, candidates=CHEAP), POLICY)
        stored = done.stored
        table |= dict(done.writes)
        outputs += done.outputs
    return stored, table, outputs


def read_back(table: dict[bytes, bytes]) -> StoredScope:
    return load(SCOPE, table.get(SCOPE.encode()), table.get(cold_key(SCOPE)))


def test_a_redelivered_record_changes_nothing_and_a_new_owner_repeats_all_that_waits_once_and_in_order():
    stored, table, outputs = told(range(5))
    again = apply(stored, at(3), insight(3, candidates=CHEAP), POLICY)
    assert again.stored is stored and (again.writes, again.outputs, again.effects) == ((), (), None)
    taken_up = apply(read_back(table), at(3), insight(3, candidates=CHEAP), POLICY)
    assert taken_up.stored.state == stored.state and taken_up.effects is None
    assert [key for key, _ in taken_up.writes] == [SCOPE.encode()], "the new epoch begins before anything is told"
    assert list(taken_up.outputs) == outputs and taken_up.sequences == (1, 2, 3, 4, 5)
    assert apply(taken_up.stored, at(4), insight(4, candidates=CHEAP), POLICY).outputs == ()


def test_a_new_event_of_a_new_owner_follows_what_waits():
    stored, table, outputs = told(range(5))
    calm = apply(stored, at(5), insight(5), POLICY)
    taken_up = apply(read_back(table), at(5), insight(5), POLICY, resumed_at={"insights": 3})
    assert taken_up.outputs[-len(calm.outputs) :] == calm.outputs and taken_up.sequences == (4, 5, 6)
    assert list(taken_up.outputs[: -len(calm.outputs)]) == outputs[-2:]


def test_an_older_record_than_the_fence_has_no_effect_even_when_its_outputs_are_gone():
    stored, _, _ = told(range(5))
    stored = apply(stored, at(5), insight(5), POLICY, delivered=frozenset(range(6))).stored
    again = apply(stored, at(2), insight(2), POLICY)
    assert again.stored is stored and again.outputs == ()


def test_delivered_outputs_leave_the_outbox():
    stored, _, _ = told(range(5))
    assert [entry.sequence for entry in stored.outbox] == [1, 2, 3, 4, 5]
    after = apply(stored, at(5), insight(5), POLICY, delivered=frozenset({1, 2, 4, 5})).stored
    assert [entry.sequence for entry in after.outbox] == [3, 6]


def test_what_is_stored_is_read_back_and_goes_on_as_if_nothing_had_happened():
    stored, table, _ = told(range(6))
    back = read_back(table)
    assert back.state == stored.state and back.fence == stored.fence and back.head == stored.head
    sent = frozenset(range(7))
    one = apply(stored, at(6), insight(6), POLICY, delivered=sent)
    other = apply(back, at(6), insight(6), POLICY, delivered=sent)
    assert one.outputs == other.outputs and one.stored.state == other.stored.state


def test_a_crash_between_the_cold_and_the_hot_write_is_repaired_on_load():
    stored, table, _ = told(range(4))
    done = apply(stored, at(4), insight(4, candidates=(estimate("new"),)), POLICY)
    assert [key for key, _ in done.writes] == [cold_key(SCOPE), SCOPE.encode()]
    torn = table | dict(done.writes[:1])
    back = read_back(torn)
    assert back.state == stored.state
    sent = frozenset(range(5))
    assert apply(back, at(4), insight(4, candidates=(estimate("new"),)), POLICY, delivered=sent).outputs == done.outputs


def test_the_first_write_of_an_owner_is_one_record_with_everything_inside():
    done = apply(empty(SCOPE), at(0), insight(0), POLICY)
    assert [key for key, _ in done.writes] == [SCOPE.encode()]
    assert read_back(dict(done.writes)).state == done.stored.state
    _, table, _ = told(range(4))
    taken_over = apply(read_back(table), at(4), insight(4), POLICY)
    assert [key for key, _ in taken_over.writes] == [SCOPE.encode()]
    assert read_back(table | dict(taken_over.writes)).state == taken_over.stored.state


def test_a_quiet_insight_writes_the_hot_record_only():
    stored, _, _ = told(range(4))
    quiet = apply(stored, at(4), insight(4), POLICY, delivered=frozenset(range(5)))
    assert [key for key, _ in quiet.writes] == [SCOPE.encode()]


def test_the_journal_is_a_chain_of_hashes_without_gaps():
    _, _, outputs = told(range(6))
    head = GENESIS.hex()
    journal = [output.value for output in outputs if output.topic == "journal"]
    for number, value in enumerate(journal):
        entry = msgspec.json.decode(value, type=JournalRecord)
        assert (entry.previous_hash, entry.sequence) == (head, number + 1)
        head = sha256(value).hexdigest()


def test_a_new_owner_outranks_a_late_write_of_the_one_before():
    stored, table, _ = told(range(4))
    owner = read_back(table)
    newer = {}
    for offset in (4, 5):
        done = apply(owner, at(offset), insight(offset), POLICY)
        owner, newer = done.stored, newer | dict(done.writes)
    late, late_table = stored, {}
    for offset in range(4, 40):
        done = apply(late, at(offset), insight(offset, candidates=(estimate(f"m{offset}"),)), POLICY)
        late, late_table = done.stored, late_table | dict(done.writes)
    for key in newer:
        assert supersedes(newer[key], late_table.get(key, table[key]))
        assert key not in late_table or not supersedes(late_table[key], newer[key])


def test_too_large_a_state_is_refused_before_anything_changes(monkeypatch):
    stored, _, _ = told(range(4))
    monkeypatch.setattr(record, "MAX_STATE_BYTES", 500)
    with pytest.raises(StateTooLarge, match="at most 500"):
        apply(stored, at(4), insight(4), POLICY)


@pytest.mark.parametrize("damage", [b"", b"\xc1garbage", b"\x90"])
def test_damaged_bytes_are_refused_by_name(damage):
    _, table, _ = told(range(3))
    with pytest.raises(UnreadableState, match=SCOPE):
        load(SCOPE, damage, table[cold_key(SCOPE)])


def test_parts_that_do_not_belong_together_are_refused():
    _, table, _ = told(range(4))
    cold = msgspec.msgpack.decode(table[cold_key(SCOPE)], type=ColdRecord)
    stranger = msgspec.msgpack.encode(replace(cold, version=cold.version + 5))
    with pytest.raises(UnreadableState, match="names cold version"):
        load(SCOPE, table[SCOPE.encode()], stranger)


@settings(derandomize=True, max_examples=100, deadline=None)
@given(
    redelivered=st.lists(st.integers(0, 11), max_size=6),
    crashes=st.sets(st.integers(0, 11), max_size=4),
    torn=st.booleans(),
)
def test_restarts_and_redeliveries_anywhere_change_no_output(redelivered, crashes, torn):
    """Whatever is lost after a write or delivered again, the first outputs of every event are those of a quiet run."""
    events = [insight(n, candidates=CHEAP) if n % 3 else command(n, Tick()) for n in range(12)]
    sources = [at(n, "insights" if n % 3 else "commands") for n in range(12)]
    calm, wanted = empty(SCOPE), []
    for source, event in zip(sources, events, strict=True):
        done = apply(calm, source, event, POLICY)
        calm = done.stored
        wanted.append(done.outputs)

    stored, table, seen = empty(SCOPE), {}, []
    place = 0
    while place < 12:
        done = apply(stored, sources[place], events[place], POLICY)
        if place in crashes:
            crashes = crashes - {place}
            table |= dict(done.writes[:1] if torn else done.writes)
            stored = read_back(table)
            continue
        table |= dict(done.writes)
        stored = done.stored
        seen += done.outputs
        for again in redelivered:
            if again <= place:
                repeated = apply(stored, sources[again], events[again], POLICY)
                assert repeated.stored is stored and repeated.outputs == ()
        place += 1
    assert list(dict.fromkeys((output.topic, output.value) for output in seen)) == [
        (output.topic, output.value) for outputs in wanted for output in outputs
    ]
    assert stored.state == calm.state and stored.head == calm.head


def calm(stored: StoredScope, minutes: range, may_defer: bool) -> tuple[StoredScope, list, list]:
    """Quiet insights in a row, all delivered so far: the scope, its writes, the outputs."""
    writes, outputs = [], []
    for minute in minutes:
        done = apply(stored, at(minute), insight(minute), POLICY, may_defer=may_defer)
        stored = done.stored
        writes += done.writes
        outputs += done.outputs
    return stored, writes, outputs


def test_quiet_events_that_share_a_write_come_to_the_same_bytes_as_with_a_write_each():
    begun, table, _ = told(range(4))
    each, writes, outputs = calm(begun, range(4, 9), may_defer=False)
    together, none, same = calm(begun, range(4, 9), may_defer=True)
    assert len(writes) == 5 and none == [] and same == outputs
    assert hot_write(together) == writes[-1] == hot_write(each)
    assert read_back(table | dict((hot_write(together),))).state == together.state


def test_an_event_with_an_output_or_a_change_of_the_cold_part_is_written_at_once_with_what_was_deferred():
    begun, _, _ = told(range(4))
    stored, _, _ = calm(begun, range(4, 7), may_defer=True)
    done = apply(stored, at(7), insight(7, candidates=(estimate("new"),)), POLICY, may_defer=True)
    assert not done.is_deferred and [key for key, _ in done.writes] == [cold_key(SCOPE), SCOPE.encode()]
    assert [entry.sequence for entry in done.stored.outbox] == list(range(1, 9))


def test_what_is_deferred_is_bounded(monkeypatch):
    begun, _, _ = told(range(4))
    monkeypatch.setattr(record, "MAX_DEFERRED_BYTES", 2_000)
    stored, writes, _outputs = calm(begun, range(4, 24), may_defer=True)
    assert 3 <= len(writes) < 20 and stored.deferred_bytes <= 2_000


def test_what_is_told_names_its_receiver_and_an_answer_goes_where_the_scope_lies():
    told = apply(empty(SCOPE), Source(topic="insights", partition=7, offset=0), insight(0), POLICY)
    sightings = [output for output in told.outputs if output.topic == "signals"]
    sighting = next(output for output in sightings if output.to.startswith(":provider/"))
    heard = msgspec.json.decode(sighting.value, type=Sighting)
    assert (sighting.to, sighting.partition, heard.home) == (heard.scope, -1, 7)
    assert sighting in told.stored.outbox[0].outputs, "it is told again after a crash"
    stored, offset, answers = empty(heard.scope), 0, []
    for member in range(8):
        for number, is_troubled in ((1, False), (2, True)):
            report = replace(heard.content, is_troubled=is_troubled)
            event = replace(heard, id=f"{member}-{number}", member=f"a/b/{member}", number=number, content=report)
            done = apply(stored, Source(topic="signals", partition=3, offset=offset), event, POLICY)
            stored, offset = done.stored, offset + 1
            answers += [output for output in done.outputs if output.topic == "signals"]
    assert answers and {output.partition for output in answers} == {7}
    assert {output.to for output in answers} == {f"a/b/{member}" for member in range(8)}


@pytest.mark.parametrize("what", ["provider", "catalog"])
def test_what_an_aggregate_tells_all_its_members_fits_into_a_record_beside_a_full_outbox(what):
    long, number = "x" * 128, 2**53 - 2
    name = ":catalog/all/0" if what == "catalog" else f":provider/{'y' * 64}/0"
    about = replace(estimate(long), provider=long, quality=1.0 / 3.0, cost_usd=1.0 / 3.0, latency_p95_ms=1e9 / 3.0)
    fact = Witness(START_MS) if what == "provider" else Reader()
    members = {
        f"{'t' * 64}/{'s' * 64}/{place:070d}": Member(number, 4_000_000, START_MS, fact) for place in range(MEMBERS)
    }
    models = {str(place): CatalogModel(estimate=about) for place in range(MAX_MODELS - 1)}
    aggregate = Aggregate(members, number, catalog=models if what == "catalog" else {})
    state = ScopeState(scope=name, cold=ColdState(aggregate=aggregate))
    if what == "catalog":
        event = command(1, UpdateCatalog(model=CatalogModel(estimate=about)), scope=name)
    else:
        told = ProviderReport(provider=long, is_troubled=True)
        event = Sighting(id="s", scope=name, at_ms=START_MS, member=min(members), number=number + 1, content=told)
    done = apply(replace(empty(name), state=state), Source(topic="signals", partition=3, offset=0), event, POLICY)
    assert len(done.effects.signals) == MEMBERS
    assert len(done.writes) == 1, "the first write of an owner holds the cold part too"
    waiting = StreamSettings(bootstrap_servers="localhost:1").max_outbox_bytes
    assert len(done.writes[0][1]) + waiting < record.MAX_STATE_BYTES
