"""Search over policies on recorded events: which settings would have made the better changes, as far as that is known.

A recording knows what a change came to only where the change was made: `what_if` steps the recorded events under
each policy, and a change that the recording holds too (the same scope, from the same to the same configuration) is
worth what its ramp measured, and at most nothing when it was taken back. Any other is worth something between the worst
and the best that any recorded change was measured at; so a policy's worth is an interval (Manski 1990, "Nonparametric
bounds on treatment effects"), and one policy is better than another only where their intervals do not overlap.

Policies are chosen on one half of the scopes and told with what they came to on the other half: the best of many on the
same data looks better than it is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import isfinite
from typing import Any, Literal

import msgspec
import numpy as np

from ..engine.lifecycle import HARMFUL
from ..model.actuation import Directive
from ..model.journal import JournalRecord
from ..model.knowledge import is_aggregate
from ..model.lifecycle import DecisionState
from ..model.policy import Policy
from ..stats.search.design import latin_hypercube
from ..stats.search.space import Dimension
from .recording import Recording
from .whatif import supposed_orders

MAX_POLICIES = 10_000
_RANGE = frozenset({"low", "high", "log", "integer"})


class BadSpace(Exception):
    """What is to be searched cannot be; the message says where and what is expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change of configuration on a scope, whenever it was made."""

    scope: str
    old: str
    new: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """What a policy's changes come to on some scopes, in utility (see `gain` in `model.state.Totals`).

    `low` and `high` hold every worth that the changes not `measured` may have; they are None when some change is not
    measured and the recording has measured none at all. `harmful` are changes that the recording saw end in harm.
    """

    changes: int
    measured: int
    harmful: int
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A policy by what it sets, its worth on the scopes it was chosen on, and on those it was not."""

    settings: Mapping[str, Any]
    chosen_on: Worth
    told_on: Worth


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The policy they are compared with, and all candidates, the one with the highest certain worth first."""

    recorded: Candidate
    candidates: tuple[Candidate, ...]

    @property
    def is_better(self) -> bool:
        """Whether the first candidate is surely better than the recorded policy on scopes it was not chosen on.

        Its changes are surely worth more, or surely as much and fewer of them ended in harm.
        """
        if not self.candidates:
            return False
        first, recorded = self.candidates[0].told_on, self.recorded.told_on
        if first.low is None or recorded.high is None:
            return False
        spares = first.measured == first.changes and first.harmful < recorded.harmful
        return first.low > recorded.high or (spares and first.low >= recorded.high)


def candidates_of(space: Mapping[str, Any], count: int, seed: int) -> list[dict[str, Any]]:
    """Settings to try, by key: all of a grid where every key lists its values, else a Latin hypercube of `count`.

    A key's range is a mapping of `low` and `high`, and `log` or `integer` where that is meant; its choices are a list.
    Raises `BadSpace`.

    >>> candidates_of({"pareto.min_gain": [0.01, 0.02], "ramp.alpha": [0.05]}, 10, 1)
    [{'pareto.min_gain': 0.01, 'ramp.alpha': 0.05}, {'pareto.min_gain': 0.02, 'ramp.alpha': 0.05}]
    """
    if not isinstance(space, Mapping) or not space:
        raise BadSpace("expected a mapping of keys such as pareto.min_gain, each with a list or with low and high")
    axes = {str(key): _axis(str(key), told) for key, told in space.items()}
    choices = {key: axis for key, axis in axes.items() if isinstance(axis, list)}
    if len(choices) == len(axes):
        total = int(np.prod([len(values) for values in choices.values()], dtype=float))
        if total > MAX_POLICIES:
            raise BadSpace(f"a grid of {total} policies, at most {MAX_POLICIES}; give ranges for a hypercube instead")
        return [dict(zip(axes, values, strict=True)) for values in product(*choices.values())]
    draw = np.random.Generator(np.random.PCG64(seed))
    points = latin_hypercube(draw.random((count, len(axes))), draw.random((count, len(axes))))
    return [
        {key: _value(axis, unit) for (key, axis), unit in zip(axes.items(), point, strict=True)} for point in points
    ]


def _axis(key: str, told: Any) -> list[Any] | Dimension:
    if isinstance(told, list) and told:
        return told
    if not isinstance(told, Mapping) or not {"low", "high"} <= told.keys() <= _RANGE:
        raise BadSpace(f"{key}: expected a list of values, or a mapping of low and high, with log or integer")
    if not all(isinstance(told[end], int | float) and isfinite(told[end]) for end in ("low", "high")):
        raise BadSpace(f"{key}: low and high must be numbers")
    scale: Literal["log", "linear"] = "log" if told.get("log") else "linear"
    try:
        return Dimension(
            name=key, low=told["low"], high=told["high"], scale=scale, is_integer=bool(told.get("integer"))
        )
    except ValueError as fault:
        raise BadSpace(str(fault)) from fault


def _value(axis: list[Any] | Dimension, unit: float) -> Any:
    return axis[int(unit * len(axis))] if isinstance(axis, list) else axis.from_unit(unit)


def search(recording: Recording, policy: Policy, tried: Sequence[tuple[Mapping[str, Any], Policy]]) -> Found:
    """Step the recording under the policy it is compared with, and under each that is tried."""
    measured, harmful = _known(recording)
    scopes = sorted(scope for scope in recording.journal if not is_aggregate(scope))
    halves = scopes[0::2], scopes[1::2]

    def candidate(settings: Mapping[str, Any], other: Policy) -> Candidate:
        made = {scope: _changes(supposed_orders(recording, scope, other)) for scope in scopes}
        worths = [_worth([it for scope in half for it in made[scope]], measured, harmful) for half in halves]
        return Candidate(settings=settings, chosen_on=worths[0], told_on=worths[1])

    found = [candidate(settings, other) for settings, other in tried]
    # Of equals the one that harms less, then the one that changes less, then the first tried.
    found.sort(key=lambda it: (-_certain(it.chosen_on), it.chosen_on.harmful, it.chosen_on.changes))
    return Found(recorded=candidate({}, policy), candidates=tuple(found))


def _certain(worth: Worth) -> float:
    return float("-inf") if worth.low is None else worth.low


def _changes(orders: Sequence[Directive]) -> list[Change]:
    return [
        Change(scope=it.scope, old=it.decision.from_configuration_id, new=it.decision.to_configuration_id)
        for it in orders
        if it.step == 0 and it.decision.changes.facets and not it.decision.is_safety
    ]


def _known(recording: Recording) -> tuple[dict[Change, float], set[Change]]:
    """What changes were worth, the mean where one was made again, and those that ever ended in harm."""
    orders = [msgspec.json.decode(value, type=Directive) for value in recording.directives.values()]
    change_of = {it.decision.id: change for it in orders for change in _changes([it])}
    gains: dict[Change, list[float]] = {}
    harmful = set()
    for scope in sorted(recording.journal):
        for value in recording.journal[scope]:
            record = msgspec.json.decode(value, type=JournalRecord)
            for learning in record.learnings or ():
                change = change_of.get(learning.decision_id or "")
                if learning.what == "utility" and learning.after is not None and change is not None:
                    gains.setdefault(change, []).append(learning.after)
            for move in record.transitions or ():
                if DecisionState(move.to_state) in HARMFUL and move.decision_id in change_of:
                    harmful.add(change_of[move.decision_id])
    worths = {change: sum(found) / len(found) for change, found in gains.items()}
    # What was taken back gains nothing, however cheap it was.
    return {change: min(0.0, worth) if change in harmful else worth for change, worth in worths.items()}, harmful


def _worth(made: Sequence[Change], measured: Mapping[Change, float], harmful: set[Change]) -> Worth:
    known = [measured[change] for change in made if change in measured]
    unknown = len(made) - len(known)
    low = high = None
    if not unknown:
        low = high = sum(known)
    elif measured:
        worst, best = min(0.0, *measured.values()), max(0.0, *measured.values())
        low, high = sum(known) + unknown * worst, sum(known) + unknown * best
    return Worth(
        changes=len(made), measured=len(known), harmful=sum(change in harmful for change in made), low=low, high=high
    )
