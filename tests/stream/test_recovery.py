"""Recovery: what was fetched of the changelog goes to the store, and its end is told once, when nothing is left."""

import asyncio
from collections import Counter
from types import SimpleNamespace

import msgspec
import pytest
from faust.types import TP

from decision_stream.stream.hardening.recovery import SafeRecovery
from decision_stream.stream.hardening.store import OwnedStore

CHANGELOG = TP("app-scope-state-changelog", 2)


class Failed(Exception):
    """What a failing worker raises here instead of ending the process."""


def failed(reason: str) -> None:
    raise Failed(reason)


def recovering(highwater: int) -> SafeRecovery:
    made = SafeRecovery.__new__(SafeRecovery)
    store = OwnedStore.__new__(OwnedStore)
    store.data, store._key_partition = {}, {}
    made.app = SimpleNamespace(in_recovery=False, fail=failed)
    made.active_tps, made.tp_to_table = {CHANGELOG}, {CHANGELOG: SimpleNamespace(data=store)}
    made.active_highwaters, made.active_offsets = {CHANGELOG: highwater}, Counter({CHANGELOG: -1})
    made._active_events_received_at, made._standby_events_received_at = {}, {}
    made._processing_times = []
    made._signal_recovery_end = asyncio.Event()
    made._set_recovery_started()
    return made


def records(*offsets: int) -> list[SimpleNamespace]:
    return [
        SimpleNamespace(offset=offset, key=b"a/b/%d" % offset, value=msgspec.msgpack.encode((1, 1, offset + 1)))
        for offset in offsets
    ]


def test_the_end_is_told_with_the_last_record_and_not_before():
    made = recovering(highwater=4)
    made.take_in(CHANGELOG, records(0, 1, 2))
    assert not made.signal_recovery_end.is_set() and made.in_recovery
    made.take_in(CHANGELOG, records(3, 4))
    assert made.signal_recovery_end.is_set() and not made.in_recovery
    assert made.tp_to_table[CHANGELOG].data.keys_of({2}) == [b"a/b/%d" % offset for offset in range(5)]


def test_the_end_of_one_recovery_does_not_pass_for_the_end_of_the_next():
    made = recovering(highwater=0)
    made.take_in(CHANGELOG, records(0))
    made._set_recovery_started()
    assert not made.signal_recovery_end.is_set()


def test_records_of_a_partition_that_is_not_recovered_are_passed_over():
    made = recovering(highwater=0)
    made.take_in(TP("app-scope-state-changelog", 3), records(0))
    assert made.tp_to_table[CHANGELOG].data.data == {} and made.in_recovery


def test_a_recovery_that_ends_with_records_unread_ends_the_worker():
    made = recovering(highwater=4)
    made.take_in(CHANGELOG, records(0, 1))
    with pytest.raises(Failed, match="changelog-2': 3"):
        made.refuse_the_unread()
