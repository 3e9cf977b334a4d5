"""Every short history over a small alphabet of events, breadth first: the promises hold in each state reached."""

import msgspec
import pytest

from decision_stream.engine.step import step
from decision_stream.model.actuation import BeginExperiment, Directive
from decision_stream.model.command import Approve, Autonomy, Pause, Reject, Resume, Revert, Tick
from decision_stream.model.decision import Proposal
from decision_stream.model.outcome import CONTROL, TREATMENT, OutcomeStatus
from decision_stream.model.policy import AbTestingPolicy, ParetoPolicy, Policy, RampPolicy, SafetyPolicy
from decision_stream.model.state import ScopeState
from tests.engine.test_invariants import check
from tests.factories import MINUTE_MS, SCOPE, START_MS, arm, command, estimate, insight, outcome

STATES = 35_000
ENCODER = msgspec.msgpack.Encoder(order="deterministic")
CHEAPER = (estimate("cheap", quality=0.9, cost_usd=0.001, p95_ms=1_900.0),)


def policy(autonomy: Autonomy, experiments: bool) -> Policy:
    return Policy(
        safety=SafetyPolicy(autonomy=autonomy, min_time_between_changes_ms=0),
        ramp=RampPolicy(increment=0.95, step_ms=MINUTE_MS, bake_ms=2 * MINUTE_MS),
        pareto=ParetoPolicy(enabled=not experiments),
        ab_testing=AbTestingPolicy(
            enabled=experiments, variants=("terse",), min_windows=1, min_sample_size=30, max_duration_ms=60 * MINUTE_MS
        ),
    )


def moves(state: ScopeState, orders: dict[str, Directive], minute: int):
    """The events that could come next: every report on every live decision, every order of an operator, time."""
    at_ms = START_MS + minute * MINUTE_MS
    yield insight(minute, candidates=CHEAPER, quality_samples=20_000)
    yield insight(minute, p95_ms=20_000.0, error_rate=0.5)
    yield command(minute, Tick())
    yield command(minute + 300, Tick())
    for live in state.cold.live:
        directive = orders.get(live.decision.id)
        for instruction in (Approve, Reject, Revert, Pause, Resume):
            yield command(minute, instruction(decision_id=live.decision.id))
        if directive is None:
            continue
        for status in (OutcomeStatus.APPLIED, OutcomeStatus.FAILED, OutcomeStatus.ROLLED_BACK):
            yield outcome(directive, status, at_ms, minute)
        names = directive.order.shares if isinstance(directive.order, BeginExperiment) else (CONTROL, TREATMENT)
        for quality in (0.95, 0.4):
            arms = {name: arm(5_000, quality=0.9 if name == CONTROL else quality) for name in names}
            yield outcome(directive, OutcomeStatus.MEASURED, at_ms, minute, arms=arms)


def settled(state: ScopeState, orders: dict[str, Directive], event, rules: Policy):
    """The state after an event and the proposals it led to."""
    state, effects = step(state, event, rules)
    for output in effects.outputs:
        if isinstance(output, Directive):
            orders = {**orders, output.decision.id: output}
    for output in effects.outputs:
        if isinstance(output, Proposal):
            state, orders = settled(state, orders, output, rules)
    return state, orders


@pytest.mark.parametrize(
    ("autonomy", "experiments"), [(Autonomy.AUTOPILOT, False), (Autonomy.APPROVE, False), (Autonomy.AUTOPILOT, True)]
)
def test_every_short_history_keeps_the_promises(autonomy, experiments):
    rules = policy(autonomy, experiments)
    frontier = [(ScopeState(scope=SCOPE), {})]
    seen, reached, minute = set(), set(), 0
    while frontier and len(seen) < STATES:
        minute += 1
        following = []
        for state, orders in frontier:
            for event in moves(state, orders, minute):
                after, known = settled(state, orders, event, rules)
                key = hash(ENCODER.encode(after))
                if key in seen:
                    continue
                seen.add(key)
                check(after)
                reached |= {live.state.value for live in after.cold.live}
                reached |= {closed.state.value for closed in after.cold.closed}
                following.append((after, known))
                if len(seen) % 500 == 0:
                    _ends(after, known, rules, minute)
            if len(seen) >= STATES:
                break
        frontier = following
    assert len(seen) >= STATES
    assert {"executing", "monitoring", "completed", "rolling_back", "failed"} <= reached


def _ends(state: ScopeState, orders: dict[str, Directive], rules: Policy, minute: int) -> None:
    """Time alone ends every decision."""
    for number in range(1, 6):
        state, orders = settled(state, orders, command(minute + 600 * number, Tick()), rules)
    assert state.cold.live == ()
