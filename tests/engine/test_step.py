"""The loop of the engine on one scope: switch, ramp, guard, roll back, break, govern."""

from math import log

import pytest
from msgspec.structs import replace

from decision_stream.engine.step import step
from decision_stream.model.command import (
    Approve,
    Autonomy,
    Cancel,
    Pause,
    Pin,
    Reject,
    Resume,
    Revert,
    SetAutonomy,
    Tick,
)
from decision_stream.model.configuration import Configuration
from decision_stream.model.decision import RiskLevel
from decision_stream.model.journal import Verdict
from decision_stream.model.outcome import CONTROL, TREATMENT, OutcomeStatus
from decision_stream.model.policy import ParetoPolicy, Policy, SafetyPolicy
from decision_stream.model.state import BreakerState, ScopeState
from tests.engine.route import Route
from tests.factories import MINUTE_MS, PREMIUM, START_MS, arm, command, estimate, insight, outcome

CHEAP = Configuration(model="cheap")


def told_of_a_cheaper_model(route: Route, minutes: int = 5) -> None:
    for minute in range(minutes):
        route.tell(insight(minute, candidates=(estimate("cheap", quality=0.895, cost_usd=0.002, p95_ms=1_900.0),)))


def ramped_to_the_end(route: Route, *, minutes: int = 80, quality: float = 0.9) -> None:
    """Measure every minute until the newest decision is over."""
    decision_id = route.directives[-1].decision.id
    for number in range(minutes):
        live = next((live for live in route.state.cold.live if live.decision.id == decision_id), None)
        if live is None:
            return
        at_ms = START_MS + (10 + number) * MINUTE_MS
        arms = {TREATMENT: arm(100, quality=quality, cost_usd=0.002), CONTROL: arm(100)}
        route.tell(outcome(route.directives[-1], OutcomeStatus.MEASURED, at_ms, number, arms=arms))
        route.tell(command(10 + number + 0.5, Tick()))


def test_a_proven_cheaper_model_is_ramped_up_and_becomes_the_configuration():
    route = Route()
    told_of_a_cheaper_model(route)
    assert route.kinds == ["model_switch"]
    first = route.directives[0]
    assert first.order.weight == 0.05
    ramped_to_the_end(route)
    weights = [directive.order.weight for directive in route.directives]
    assert weights == [0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95, 1.0]
    assert route.state.cold.configuration == CHEAP
    assert route.states_of(first.decision.id) == ["validating", "approved", "executing", "monitoring", "completed"]


def test_a_completed_change_leaves_where_quality_stands():
    route = Route()
    told_of_a_cheaper_model(route)
    ramped_to_the_end(route, quality=0.891)
    assert route.state.cold.configuration == CHEAP
    assert [version.quality for version in route.state.cold.history] == pytest.approx([0.0, log(0.891 / 0.9)])


def test_harm_in_the_ramp_is_rolled_back_and_not_tried_again():
    route = Route()
    told_of_a_cheaper_model(route)
    ramped_to_the_end(route, quality=0.6)
    switch, rollback = (directive.decision for directive in (route.directives[0], route.directives[-1]))
    assert rollback.kind == "rollback" and rollback.decision.reverts == switch.id
    assert route.states_of(switch.id)[-2:] == ["rolling_back", "rolled_back"]
    assert route.states_of(rollback.id)[-1] == "completed"
    assert route.state.cold.configuration == PREMIUM
    assert rollback.evidence[0].statistic > rollback.evidence[0].threshold
    before = len(route.directives)
    for minute in range(100, 110):
        route.tell(insight(minute, candidates=(estimate("cheap", cost_usd=0.002, samples=9_000),)))
    assert len(route.directives) == before and "buried" in route.codes()


def ramped_with_scores(route: Route, scores: int, minutes: int = 60) -> float:
    """Measure sixty requests a minute and arm, of which so many are scored; the weight that was reached."""
    for number in range(minutes):
        at_ms = START_MS + (10 + number) * MINUTE_MS
        arms = {
            name: replace(arm(60, cost_usd=cost), quality=arm(scores).quality)
            for name, cost in ((TREATMENT, 0.002), (CONTROL, 0.02))
        }
        route.tell(outcome(route.directives[-1], OutcomeStatus.MEASURED, at_ms, number, arms=arms))
        if route.directives[-1].order.weight >= 1.0:
            break
    return route.directives[-1].order.weight


@pytest.mark.parametrize(("scores", "reached"), [(0, 0.05), (1, 0.05), (3, 0.2), (6, 0.5), (40, 1.0)])
def test_a_ramp_goes_no_further_than_what_its_scores_can_rule_out(scores, reached):
    route = Route()
    told_of_a_cheaper_model(route)
    assert ramped_with_scores(route, scores) == reached


def test_every_step_up_sends_one_order_and_repeats_nothing():
    route = Route()
    told_of_a_cheaper_model(route)
    ramped_to_the_end(route)
    ids = [directive.id for directive in route.directives]
    assert len(ids) == len(set(ids))
    assert [directive.step for directive in route.directives] == list(range(len(ids)))


def test_a_steady_route_decides_nothing():
    route = Route()
    for minute in range(500):
        verdict = route.tell(insight(minute, candidates=(estimate("same"),))).verdict
        assert verdict is Verdict.NO_DECISION
    assert route.directives == []


def test_slowness_without_a_change_of_ours_breaks_the_route_and_then_restores_it():
    route = Route()
    for minute in range(40):
        route.tell(insight(minute))
    for minute in range(40, 50):
        if not route.directives:
            route.tell(insight(minute, p95_ms=12_000.0))
    assert route.kinds == ["circuit_break"]
    broken = route.tell(insight(45, configuration=Configuration(model="fallback")))
    assert broken.verdict is Verdict.NO_DECISION and "route_broken" in {reason.code for reason in broken.reasons}
    route.tell(command(120, Tick()))
    assert route.states_of(route.directives[0].decision.id)[-1] == "completed"
    assert route.state.cold.route_broken_until_ms == 0


def test_a_single_bad_window_triggers_nothing():
    route = Route()
    for minute in range(60):
        route.tell(insight(minute, p95_ms=12_000.0 if minute % 3 == 0 else 2_000.0))
    assert route.directives == []


def test_lost_quality_after_a_completed_switch_goes_back_to_the_configuration_before():
    route = Route()
    told_of_a_cheaper_model(route)
    ramped_to_the_end(route)
    assert route.state.cold.configuration == CHEAP
    for minute in range(100, 140):
        route.tell(insight(minute, configuration=CHEAP, cost_usd=0.002))
    for minute in range(140, 150):
        if route.kinds[-1] != "rollback":
            route.tell(insight(minute, configuration=CHEAP, cost_usd=0.002, quality=0.75))
    assert route.kinds == ["model_switch", "rollback"]
    assert route.state.cold.configuration == PREMIUM
    assert route.states_of(route.directives[0].decision.id)[-3:] == ["completed", "rolling_back", "rolled_back"]


def test_missing_samples_never_trigger():
    route = Route()
    for minute in range(40):
        route.tell(insight(minute))
    for minute in range(40, 80):
        route.tell(insight(minute, requests=5, quality_samples=2, quality=0.1, p95_ms=50_000.0, error_rate=1.0))
    assert route.directives == []


def test_a_risky_change_waits_and_goes_only_after_approval():
    policy = Policy(safety=SafetyPolicy(max_risk_level=RiskLevel.LOW, autonomy=Autonomy.APPROVE))
    route = Route(policy=policy)
    told_of_a_cheaper_model(route)
    assert route.directives == [] and len(route.state.cold.live) == 1
    waiting = route.state.cold.live[0].decision
    assert route.states_of(waiting.id) == ["validating", "awaiting_approval"]
    route.tell(command(6, Approve(decision_id=waiting.id)))
    assert [directive.decision.id for directive in route.directives] == [waiting.id]
    assert route.states_of(waiting.id)[-3:] == ["approved", "executing", "monitoring"]


def test_a_change_on_a_sensitive_scope_waits_as_high_risk_and_a_rollback_does_not():
    route = Route(policy=Policy(safety=SafetyPolicy(sensitive_scopes=("acme/*",))))
    told_of_a_cheaper_model(route)
    (live,) = route.state.cold.live
    assert live.decision.risk.level is RiskLevel.HIGH and route.directives == []
    reasons = [transition.reason for effects in route.effects for transition in effects.transitions]
    assert "risk is high, the scope is sensitive" in reasons
    route.tell(command(6, Approve(decision_id=live.decision.id)))
    route.tell(command(7, Revert(decision_id=live.decision.id)))
    assert route.kinds == ["model_switch", "rollback"]


@pytest.mark.parametrize(("instruction", "state"), [(Reject, "rejected"), (Cancel, "cancelled"), (None, "expired")])
def test_a_waiting_decision_may_end_without_being_executed(instruction, state):
    route = Route(policy=Policy(safety=SafetyPolicy(autonomy=Autonomy.APPROVE)))
    told_of_a_cheaper_model(route)
    waiting = route.state.cold.live[0].decision.id
    route.tell(command(200, Tick()) if instruction is None else command(6, instruction(decision_id=waiting)))
    assert route.states_of(waiting)[-1] == state and route.directives == []
    again = route.tell(command(201, Approve(decision_id=waiting)))
    assert again.verdict is Verdict.REFUSED and again.reasons[0].code == "unknown_decision"


def test_an_unacknowledged_order_is_undone():
    route = Route(acknowledge=False)
    told_of_a_cheaper_model(route)
    route.tell(command(30, Tick()))
    assert route.kinds == ["model_switch", "rollback"]
    route.tell(command(60, Tick()))
    assert route.states_of(route.directives[0].decision.id)[-1] == "rollback_failed"
    assert any(alert.severity == "critical" for effects in route.effects for alert in effects.alerts)


def test_an_operator_pauses_resumes_and_reverts_a_ramp():
    route = Route()
    told_of_a_cheaper_model(route)
    decision_id = route.directives[0].decision.id
    route.tell(command(6, Pause(decision_id=decision_id)))
    assert route.states_of(decision_id)[-1] == "paused"
    route.tell(command(7, Resume(decision_id=decision_id)))
    assert route.states_of(decision_id)[-1] == "monitoring"
    route.tell(command(8, Revert(decision_id=decision_id)))
    assert route.states_of(decision_id)[-1] == "rolled_back"


def test_a_pinned_scope_keeps_its_configuration():
    route = Route()
    route.tell(insight(0))
    route.tell(command(0.5, Pin()))
    told_of_a_cheaper_model(route)
    assert route.directives == [] and "not_pinned" in route.codes()


def test_an_observing_engine_decides_but_sends_nothing():
    route = Route()
    route.tell(insight(0))
    route.tell(command(0.5, SetAutonomy(level=Autonomy.OBSERVE)))
    told_of_a_cheaper_model(route)
    assert route.directives == [] and "may_act" in route.codes()


def test_an_outcome_is_credited_once():
    route = Route()
    told_of_a_cheaper_model(route)
    report = outcome(
        route.directives[0], OutcomeStatus.MEASURED, START_MS + 6 * MINUTE_MS, arms={TREATMENT: arm(9), CONTROL: arm(9)}
    )
    assert route.tell(report).verdict is Verdict.LEARNED
    state = route.state
    assert route.tell(report).verdict is Verdict.STALE
    assert route.state == state


def test_an_outcome_of_an_unknown_decision_is_an_orphan_and_changes_nothing_learnt():
    route = Route()
    told_of_a_cheaper_model(route)
    report = replace(
        outcome(route.directives[0], OutcomeStatus.MEASURED, START_MS + 6 * MINUTE_MS), decision_id="who-knows"
    )
    cold = route.state.cold
    assert route.tell(report).verdict is Verdict.ORPHAN
    assert route.state.cold == cold


def test_too_many_failures_pause_optimisation_and_one_probe_ends_the_pause():
    policy = Policy(pareto=ParetoPolicy(tombstone_ms=60_000))
    route = Route(policy=policy)
    for number, minute in enumerate(range(0, 2_000, 100)):
        for offset in range(5):
            route.tell(insight(minute + offset, candidates=(estimate(f"model-{number}", cost_usd=0.002),)))
        if route.state.cold.breaker.state is BreakerState.OPEN:
            break
        failed = outcome(route.directives[-1], OutcomeStatus.ROLLED_BACK, START_MS + (minute + 8) * MINUTE_MS, number)
        route.tell(failed)
    assert route.state.cold.breaker.state is BreakerState.OPEN
    route.tell(command(2_100, Tick()))
    assert route.state.cold.breaker.state is BreakerState.HALF_OPEN


def test_an_event_of_another_scope_is_refused():
    with pytest.raises(ValueError, match="is of scope"):
        step(ScopeState(scope="x/y/z"), insight(0), Policy())


def test_a_scope_without_configuration_says_so():
    route = Route()
    effects = route.tell(insight(0, configuration=None))
    assert [reason.code for reason in effects.reasons] == ["no_configuration"]


def test_a_window_of_another_configuration_is_not_judged():
    route = Route()
    route.tell(insight(0))
    for minute in range(1, 10):
        route.tell(insight(minute, configuration=Configuration(model="claimed"), quality=0.1, p95_ms=20_000.0))
    assert route.state.cold.configuration == PREMIUM
    assert route.directives == [] and "other_configuration" in route.codes()


def test_a_quiet_insight_leaves_the_cold_part_the_same_object():
    route = Route()
    for minute in range(3):
        route.tell(insight(minute))
    cold = route.state.cold
    route.tell(insight(3))
    assert route.state.cold is cold
