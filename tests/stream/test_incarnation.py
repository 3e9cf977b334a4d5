"""Topics that were created again are told from those the state was made from."""

from decision_stream.stream.incarnation import MARK_PREFIX, mark_key, mark_of, strangers
from decision_stream.stream.record import cold_key, load, supersedes, without_topics
from decision_stream.stream.scopes import is_scope
from tests.factories import SCOPE
from tests.stream.test_record import told

ONE, OTHER = bytes([1]) * 16, bytes([2]) * 16


def test_a_mark_knows_its_topics_and_names_the_strangers():
    mark = mark_of({"insights": ONE, "outcomes": ONE})
    assert strangers(mark, {"insights": ONE, "outcomes": ONE}) == []
    assert strangers(mark, {"insights": OTHER, "outcomes": ONE}) == ["insights"]
    assert strangers(mark, {"insights": ONE, "signals": OTHER}) == [], "new to the engine"


def test_a_later_mark_counts_before_an_earlier_one_and_is_no_scope():
    first = mark_of({"insights": ONE})
    later = mark_of({"insights": OTHER}, first)
    assert supersedes(later, first) and not supersedes(first, later)
    assert not is_scope(mark_key(3)) and mark_key(3).startswith(MARK_PREFIX)
    assert is_scope(SCOPE.encode()) and not is_scope(cold_key(SCOPE))


def test_a_record_without_a_topic_keeps_what_it_knows_and_forgets_how_far_it_had_read():
    stored, table, _ = told(range(5))
    adopted = without_topics(table[SCOPE.encode()], {"insights"})
    back = load(SCOPE, adopted, table[cold_key(SCOPE)])
    assert back.state == stored.state and back.head == stored.head
    assert back.fence == {} and back.outbox == ()
    assert without_topics(table[SCOPE.encode()], {"outcomes"}) == table[SCOPE.encode()]
