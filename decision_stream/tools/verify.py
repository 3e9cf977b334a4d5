"""Verify the journal: every scope's records follow each other without gap and each names the hash of the one before."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

import msgspec

from ..model.journal import JournalRecord
from ..model.knowledge import is_aggregate


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """How much was read, and the first fault of each scope, in words. A repeated record that is byte-equal is none."""

    scopes: int
    aggregates: int
    records: int
    repeats: int
    faults: tuple[str, ...]


def verify(values: Iterable[bytes]) -> Verified:
    """Check journal values in the order they lie on the topic.

    Records of a scope start anywhere (retention may have taken the first), and from there on must be whole.
    """
    last: dict[str, tuple[int, str]] = {}
    seen: dict[str, set[bytes]] = defaultdict(set)
    faults: dict[str, str] = {}
    records = repeats = 0
    for value in values:
        records += 1
        try:
            record = msgspec.json.decode(value, type=JournalRecord)
        except msgspec.DecodeError as fault:
            faults.setdefault("", f"record {records} is no journal record: {fault}")
            continue
        digest = sha256(value).digest()
        if digest in seen[record.scope]:
            repeats += 1
            continue
        seen[record.scope].add(digest)
        if record.scope in last and record.scope not in faults:
            sequence, hashed = last[record.scope]
            if record.sequence != sequence + 1:
                faults[record.scope] = (
                    f"{record.scope}: record {record.sequence} follows {sequence}, expected {sequence + 1}"
                )
            elif record.previous_hash != hashed:
                faults[record.scope] = (
                    f"{record.scope}: record {record.sequence} names {record.previous_hash[:12]} as the one before, "
                    f"which is {hashed[:12]}"
                )
        last[record.scope] = (record.sequence, digest.hex())
    aggregates = sum(is_aggregate(scope) for scope in last)
    return Verified(
        scopes=len(last) - aggregates,
        aggregates=aggregates,
        records=records,
        repeats=repeats,
        faults=tuple(faults[k] for k in sorted(faults)),
    )
