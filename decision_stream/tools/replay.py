"""Replay: step recorded events through the pure core again and compare every decision and journal record byte for byte.

The recorded journal says in which order each scope's events were applied, and under which policy.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from msgspec.structs import replace

from .. import ENGINE_VERSION
from ..model.decision import Proposal
from ..model.event import Event
from ..model.journal import JournalRecord
from ..model.knowledge import is_aggregate
from ..model.policy import Policy
from ..stream.record import CATALOG, DECISIONS, PROPOSALS, SIGNALS, apply, empty
from .recording import Recording

_NO_OTHERS: Mapping[str, Policy] = {}
_OF_A_VERSION = frozenset({"engine_version", "policy_hash", "previous_hash"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What a replay came to; `signals` counts what was told across scopes.

    `differences` tells the first difference of each scope, in words; `versions` names the other versions of the engine
    that made the recording.
    """

    scopes: int
    events: int
    directives: int
    signals: int
    differences: tuple[str, ...]
    versions: tuple[str, ...]


def replay(recording: Recording, policy: Policy, earlier: Mapping[str, Policy] = _NO_OTHERS) -> Replayed:
    """Step every scope again and compare.

    Records made under a policy in `earlier`, which holds them by their hash, are stepped under that; all others under
    `policy`. What another version of the engine made is compared but for that version, the hash of the policy, which
    covers settings that a version may not have had, and the hash of the record before.
    """
    differences = []
    events = 0
    sent: dict[str, dict[str, bytes]] = {DECISIONS: {}, SIGNALS: {}}
    for scope in sorted(recording.journal):
        told, applied = _replay_scope(scope, recording, policy, earlier, sent)
        events += applied
        if told is not None:
            differences.append(told)
    differences += _compare("directive", recording.directives, sent[DECISIONS])
    differences += _compare("signal", recording.signals, sent[SIGNALS])
    versions = {json.loads(value)["engine_version"] for values in recording.journal.values() for value in values}
    return Replayed(
        scopes=sum(not is_aggregate(scope) for scope in recording.journal),
        events=events,
        directives=len(sent[DECISIONS]),
        signals=len(sent[SIGNALS]),
        differences=tuple(differences),
        versions=tuple(sorted(versions - {ENGINE_VERSION})),
    )


def _replay_scope(
    scope: str,
    recording: Recording,
    policy: Policy,
    earlier: Mapping[str, Policy],
    sent: dict[str, dict[str, bytes]],
) -> tuple[str | None, int]:
    stored = empty(scope)
    proposals: dict[str, Event] = {}
    applied = 0
    for value in recording.journal[scope]:
        record = msgspec.json.decode(value, type=JournalRecord)
        event = recording.event_of(record) or proposals.get(record.event_id)
        if event is None:
            return f"{scope}: event {record.event_id} of record {record.sequence} is not in the recording", applied
        event = replace(event, traceparent=record.traceparent)
        delivered = frozenset(entry.sequence for entry in stored.outbox)
        rules = earlier.get(record.policy_hash, policy)
        done = apply(stored, record.source, event, rules, delivered=delivered)
        applied += 1
        stored = done.stored
        for output in done.outputs:
            if output.topic == PROPOSALS:
                proposal = msgspec.json.decode(output.value, type=Proposal)
                proposals[proposal.id] = proposal
            elif output.topic in sent:
                sent[output.topic][json.loads(output.value)["id"]] = output.value
            elif output.topic == CATALOG:
                continue  # The journal names it, and it is the command in other words.
            elif difference := _difference(value, output.value):
                return f"{scope}: record {record.sequence} differs: {difference}", applied
    return None, applied


def _compare(what: str, recorded: dict[str, bytes], replayed: dict[str, bytes]) -> list[str]:
    wrong = []
    for identifier in sorted(recorded.keys() | replayed.keys()):
        if identifier not in replayed:
            wrong.append(f"{what} {identifier} was recorded but is not sent again")
        elif identifier not in recorded:
            wrong.append(f"{what} {identifier} is sent now but was not recorded")
        elif difference := _difference(recorded[identifier], replayed[identifier]):
            wrong.append(f"{what} {identifier} differs: {difference}")
    return wrong


def _difference(recorded: bytes, replayed: bytes) -> str:
    """The first field in which two canonical JSON objects differ, another policy before all; empty when none does."""
    if recorded == replayed:
        return ""
    old, new = json.loads(recorded), json.loads(replayed)
    if _version(old) != _version(new):
        old, new = _without_version(old), _without_version(new)
        if old == new:
            return ""
    for name in sorted(old.keys() | new.keys(), key=lambda name: (name != "policy_hash", name)):
        if old.get(name) != new.get(name):
            return f"{name}: recorded {str(old.get(name))[:200]}, replayed {str(new.get(name))[:200]}"
    return "the same values in other bytes"


def _version(told: dict) -> str | None:
    """The version of the engine that made a journal record or an order."""
    return told.get("engine_version") or told.get("decision", {}).get("engine_version")


def _without_version(told: dict) -> dict:
    kept = {name: value for name, value in told.items() if name not in _OF_A_VERSION}
    if "decision" in kept:
        kept["decision"] = _without_version(kept["decision"])
    return kept
