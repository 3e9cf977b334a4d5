"""The rule for whoever acts on directives: each once, and none that is stale.

A reference for actuators in any language; docs/actuators.md tells the rule, and schemas/contract/actuator.v1.json has
cases to hold an implementation against.

Delivery is at least once, and after a crash a directive may come again, or one of an earlier decision after one of a
later. So:

1. act on each directive `id` once: remember the ids of the newest ones, for at least as long as the topic could
repeat them; 2. refuse a directive whose (`sequence`, `step`) lies below the highest acted on for its scope: what came
later has replaced it; 3. remember both durably together with what acting changed, before the offset is committed.
"""

from collections import OrderedDict
from enum import StrEnum

from msgspec import Struct

from ..model.actuation import Directive


class Ruling(StrEnum):
    """What to do with a directive."""

    ACT = "act"
    REPEATED = "repeated"
    STALE = "stale"


class FilterState(Struct, frozen=True, gc=False, kw_only=True):
    """What must be kept durably: the newest ids, oldest first, and the highest (sequence, step) of each scope."""

    ids: tuple[str, ...] = ()
    reached: dict[str, tuple[int, int]] = {}


class DirectiveFilter:
    """Rules on directives; `state` is what to keep, and what to start from after a restart.

    `kept` ids are remembered, so that a repetition can be told from an order that was overtaken; neither is acted on.
    """

    def __init__(self, state: FilterState | None = None, kept: int = 100_000) -> None:
        start = state or FilterState()
        self._ids: OrderedDict[str, None] = OrderedDict.fromkeys(start.ids)
        self._reached = dict(start.reached)
        self._kept = kept

    def rule(self, directive: Directive) -> Ruling:
        """What to do; a directive that is to be acted on counts as acted on from now."""
        if directive.id in self._ids:
            return Ruling.REPEATED
        place = (directive.sequence, directive.step)
        if place <= self._reached.get(directive.scope, (0, 0)):
            return Ruling.STALE
        self._ids[directive.id] = None
        if len(self._ids) > self._kept:
            self._ids.popitem(last=False)
        self._reached[directive.scope] = place
        return Ruling.ACT

    @property
    def state(self) -> FilterState:
        """A copy of what must be kept."""
        return FilterState(ids=tuple(self._ids), reached=dict(sorted(self._reached.items())))
