"""What adopted changes are worth in money: what each saved per request in its ramp, times what was served since.

The difference is that of the ramp's concurrent comparison (Cochran's blocks), so that neither the time of day nor a
price that rose for both arms is taken for a saving. What it does not see: a price that changes after the ramp for one
of the two only. Savings of one scope stand on separate ramps, so that their variances add up; within one change the
error grows with what is served, since it is the same difference each time.
"""

from math import sqrt

from msgspec.structs import replace

from ..model.decision import Interval
from ..model.state import Ramp, Saving, ScopeState
from ..stats.blocks import Blocks
from ..stats.normal import quantile
from .turn import Turn

LEVEL = 0.95
"""Of the intervals."""
SAVINGS_KEPT = 30
"""Of each scope; the oldest closed ones are forgotten first, and with them what they saved."""


def booked(turn: Turn, decision_id: str, ramp: Ramp | None) -> None:
    """A change is in full use: begin to count what it saves; one without a measured cost is not counted."""
    if ramp is None:
        return
    costs = ramp.blocks.get("cost", Blocks()).apply(ramp.step_control.cost_usd, ramp.step_treatment.cost_usd)
    found = costs.difference()
    if found is None:
        return
    saving = Saving(
        decision_id=decision_id,
        per_request_usd=-found.estimate,
        error_usd=found.standard_error,
        from_requests=turn.hot.served,
    )
    kept = (*turn.cold.savings, saving)
    while len(kept) > SAVINGS_KEPT:
        oldest = next((one for one in kept if one.to_requests is not None), kept[0])
        kept = tuple(one for one in kept if one is not oldest)
    turn.update(savings=kept)


def settled(turn: Turn) -> None:
    """The history was cut: what is no longer in use stops saving."""
    in_use = {version.decision_id for version in turn.cold.history}
    savings = tuple(
        replace(one, to_requests=turn.hot.served) if one.to_requests is None and one.decision_id not in in_use else one
        for one in turn.cold.savings
    )
    if savings != turn.cold.savings:
        turn.update(savings=savings)


def moments_saved(state: ScopeState) -> tuple[float, float]:
    """US dollars saved on a scope so far, and the variance of that sum; zeros without any adopted change.

    >>> from decision_stream.model.state import ColdState, HotState
    >>> one = Saving(decision_id="d", per_request_usd=0.01, error_usd=0.001, from_requests=100.0)
    >>> state = ScopeState(scope="a/b/c", hot=HotState(served=1_100.0), cold=ColdState(savings=(one,)))
    >>> [round(value, 6) for value in moments_saved(state)]
    [10.0, 1.0]
    """
    total, variance = 0.0, 0.0
    for one in state.cold.savings:
        until = state.hot.served if one.to_requests is None else one.to_requests
        requests = max(0.0, until - one.from_requests)
        total += requests * one.per_request_usd
        variance += (requests * one.error_usd) ** 2
    return total, variance


def saved(state: ScopeState) -> tuple[float, Interval]:
    """US dollars saved on a scope so far, and their interval at `LEVEL`."""
    total, variance = moments_saved(state)
    margin = quantile(0.5 + LEVEL / 2.0) * sqrt(variance)
    return total, Interval(low=total - margin, high=total + margin, level=LEVEL)
