"""What every end of a decision leads to, good or bad: the breaker hears of it, and what it did is learnt.

Statistics per strategy are in `Totals`, whose docstring defines each term.
"""

from msgspec.structs import replace

from ..model.decision import Decision
from ..model.lifecycle import DecisionState
from ..model.state import ClosedDecision, LiveDecision, Totals
from . import breaker, tell
from .impact import learn_impact, learn_models
from .lifecycle import HARMFUL
from .turn import Turn

_NOTHING = Totals()


def ended(turn: Turn, closed: LiveDecision) -> None:
    """Take in a decision that is over; call it once for each."""
    breaker.record(turn, closed)
    tell.end_of_change(turn, closed)
    decision = closed.decision
    gain = learn_impact(turn, closed)
    learn_models(turn, closed)
    if gain is not None:
        turn.learned("utility", None, gain, decision.id)
        remembered = [replace(it, gain=gain) if it.id == decision.id else it for it in turn.cold.closed]
        turn.update(closed=tuple(remembered))
    served = closed.step > 0 and bool(decision.changes.facets) and not decision.is_safety
    won = served and closed.state is DecisionState.COMPLETED and gain is not None and gain > 0.0
    if served:
        turn.learned("win", None, float(won), decision.id)
    old = totals_of(turn, decision.strategy)
    put_totals(
        turn,
        decision.strategy,
        replace(
            old,
            ended=old.ended + 1,
            changes=old.changes + served,
            wins=old.wins + won,
            failures=old.failures + (closed.state in HARMFUL),
            rolled_back=old.rolled_back + (served and closed.state in _TAKEN_BACK),
            measured=old.measured + (gain is not None),
            gain=old.gain + (gain or 0.0),
            ran_ms=old.ran_ms + turn.at_ms - decision.at_ms,
        ),
    )


def proposed(turn: Turn, strategy: str) -> None:
    """Count an idea that left evaluation."""
    old = totals_of(turn, strategy)
    put_totals(turn, strategy, replace(old, proposed=old.proposed + 1))


def accepted(turn: Turn, decision: Decision) -> None:
    """Count a decision whose first order goes out now."""
    old = totals_of(turn, decision.strategy)
    waited_ms = old.waited_ms + turn.at_ms - decision.at_ms
    put_totals(turn, decision.strategy, replace(old, accepted=old.accepted + 1, waited_ms=waited_ms))


def taken_back(turn: Turn, closed: ClosedDecision) -> None:
    """A completed change was undone after all: it is no win any more."""
    old = totals_of(turn, closed.strategy)
    lost = closed.gain is not None and closed.gain > 0.0 and old.wins > 0
    put_totals(turn, closed.strategy, replace(old, rolled_back=old.rolled_back + 1, wins=old.wins - lost))


def totals_of(turn: Turn, strategy: str) -> Totals:
    """The statistics of a strategy on this scope so far."""
    return turn.cold.counters.totals.get(strategy, _NOTHING)


def put_totals(turn: Turn, strategy: str, totals: Totals) -> None:
    """Set the statistics of a strategy."""
    counters = turn.cold.counters
    kept = dict(sorted({**counters.totals, strategy: totals}.items()))
    turn.update(counters=replace(counters, totals=kept))


_TAKEN_BACK = frozenset({DecisionState.ROLLED_BACK, DecisionState.ROLLBACK_FAILED})
