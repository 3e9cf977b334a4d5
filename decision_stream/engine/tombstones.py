"""Changes that failed are not tried again for a while; the while doubles with each failure (no flapping)."""

from ..model.configuration import ConfigurationChanges
from ..model.state import Tombstone
from .turn import Turn

MAX_TOMBSTONES = 50
MAX_DOUBLINGS = 6


def tombstone_key(changes: ConfigurationChanges) -> str:
    """What a failed change is remembered by: the values it would have set.

    >>> from decision_stream.model.configuration import ModelChange
    >>> tombstone_key(ConfigurationChanges(model=ModelChange(old="a", new="b")))
    'model=b'
    """
    parts = []
    if changes.model:
        parts.append(f"model={changes.model.new}")
    if changes.prompt:
        parts.append(f"prompt={changes.prompt.new}")
    parts += [f"{change.name}={change.new}" for change in changes.parameters]
    return ";".join(parts)


def bury(turn: Turn, changes: ConfigurationChanges) -> None:
    """Remember a failed change; expired tombstones still count as earlier failures until they are pushed out."""
    key = tombstone_key(changes)
    if not key:
        return
    old = turn.cold.tombstones.get(key)
    failures = min(old.failures, MAX_DOUBLINGS) + 1 if old else 1
    until_ms = turn.at_ms + turn.policy.pareto.tombstone_ms * 2 ** (failures - 1)
    stones = {**turn.cold.tombstones, key: Tombstone(until_ms=until_ms, failures=failures)}
    latest = sorted(stones, key=lambda name: (-stones[name].until_ms, name))[:MAX_TOMBSTONES]
    turn.update(tombstones={name: stones[name] for name in sorted(latest)})
