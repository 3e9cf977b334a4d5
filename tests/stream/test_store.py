"""The table's store: the newest record wins wherever it lies, and damage ends the worker instead of a silent loop."""

from types import SimpleNamespace

import msgspec
import pytest

from decision_stream.stream.hardening.store import OwnedStore
from decision_stream.stream.record import UnreadableState

KEY = b"a/b/c"


def record(epoch: int, number: int) -> bytes:
    return msgspec.msgpack.encode((1, epoch, number))


def store() -> tuple[OwnedStore, list[str]]:
    failures: list[str] = []
    made = OwnedStore.__new__(OwnedStore)
    made.app = SimpleNamespace(fail=failures.append)
    made.data, made._key_partition = {}, {}
    return made, failures


def taken(made: OwnedStore, *values: bytes | None) -> None:
    events = [SimpleNamespace(message=SimpleNamespace(key=KEY, value=value, partition=3)) for value in values]
    made.apply_changelog_batch(events, to_key=None, to_value=None)


def test_a_late_write_of_a_replaced_owner_does_not_win():
    made, _ = store()
    taken(made, record(1, 5), record(2, 5), record(1, 6))
    assert made.read(KEY) == record(2, 5)


def test_a_deleted_key_is_forgotten_with_its_partition():
    made, _ = store()
    taken(made, record(1, 1), None)
    assert made.read(KEY) is None and made.keys_of({3}) == []


def test_a_changelog_that_cannot_be_read_ends_the_worker_by_name():
    made, failures = store()
    with pytest.raises(UnreadableState):
        taken(made, record(1, 1), b"\xc1garbage")
    assert failures and "changelog cannot be read" in failures[0]
