"""The pause of optimisation: how it opens, whom it lets through, how it ends."""

from decision_stream.engine import breaker
from decision_stream.engine.turn import Turn
from decision_stream.model.lifecycle import DecisionState
from decision_stream.model.policy import Policy
from decision_stream.model.state import Breaker, BreakerState, ColdState, LiveDecision, ScopeState
from tests.engine.route import Route
from tests.factories import SCOPE, START_MS, estimate, insight

OPEN = Breaker(state=BreakerState.OPEN, until_ms=START_MS + 10**7, opens=1)
HALF_OPEN = Breaker(state=BreakerState.HALF_OPEN, opens=1)


def turn(state: Breaker, at_ms: int = START_MS) -> Turn:
    return Turn(ScopeState(scope=SCOPE, cold=ColdState(breaker=state)), "event", at_ms, Policy())


def ended(state: DecisionState) -> LiveDecision:
    route = Route()
    for minute in range(5):
        route.tell(insight(minute, candidates=(estimate("cheap", cost_usd=0.002),)))
    decision = route.directives[0].decision
    return LiveDecision(decision=decision, state=state, since_ms=START_MS, deadline_ms=START_MS)


def test_half_open_lets_one_probe_through_and_its_success_closes():
    probe, at = ended(DecisionState.COMPLETED), turn(HALF_OPEN)
    assert breaker.refusal(at) is None
    breaker.admit(at, probe.decision.id)
    assert breaker.refusal(at) is not None
    breaker.record(at, probe)
    assert at.cold.breaker == Breaker()


def test_a_failed_probe_opens_for_longer():
    probe, at = ended(DecisionState.ROLLED_BACK), turn(HALF_OPEN)
    breaker.admit(at, probe.decision.id)
    breaker.record(at, probe)
    assert at.cold.breaker.state is BreakerState.OPEN and at.cold.breaker.opens == 2
    assert at.cold.breaker.until_ms - START_MS == 2 * Policy().breaker.open_ms


def test_late_results_change_nothing_while_it_is_open():
    at = turn(OPEN)
    breaker.record(at, ended(DecisionState.ROLLED_BACK))
    breaker.wake(at)
    assert at.cold.breaker == OPEN


def test_one_failure_among_few_opens_nothing():
    at = turn(Breaker())
    breaker.record(at, ended(DecisionState.FAILED))
    assert at.cold.breaker.state is BreakerState.CLOSED


def test_safety_passes_an_open_breaker():
    route = Route(state=ScopeState(scope=SCOPE, cold=ColdState(breaker=OPEN)))
    for minute in range(10):
        route.tell(insight(minute, candidates=(estimate("cheap", cost_usd=0.002),)))
    assert route.directives == [] and "breaker" in route.codes()
    for minute in range(10, 20):
        route.tell(insight(minute, p95_ms=12_000.0))
    assert route.kinds == ["circuit_break"]
