"""The last gate, check by check: evidence, confidence, improvement, bounds, cooldown."""

import pytest
from msgspec.structs import replace

from decision_stream.engine.checks import constraint_checks, evidence_checks, impact_checks, risk_check
from decision_stream.model.configuration import ConfigurationChanges, ModelChange
from decision_stream.model.decision import (
    Evidence,
    ImpactEstimate,
    Interval,
    ModelSwitch,
    PredictedImpact,
    Proposal,
    RiskLevel,
    Rollback,
    StartExperiment,
)
from decision_stream.model.policy import EnginePolicy, Policy, RampPolicy, SafetyPolicy, ValidationPolicy
from tests.engine.route import Route
from tests.factories import SCOPE, START_MS, estimate, insight


def predicted(delta: float, half: float = 0.01) -> ImpactEstimate:
    return ImpactEstimate(delta=delta, interval=Interval(low=delta - half, high=delta + half))


SWITCH = Proposal(
    id="p",
    scope=SCOPE,
    at_ms=START_MS,
    strategy="pareto",
    priority=90,
    decision=ModelSwitch(from_model="a", to_model="b", reason="r"),
    changes=ConfigurationChanges(model=ModelChange(old="a", new="b")),
    impact=PredictedImpact(quality=predicted(0.0), cost=predicted(-0.5), latency=predicted(0.0)),
    confidence=0.9,
    evidence=(Evidence(method="test"),),
    insight_id="i",
    based_on_configuration_id="c",
)
ROLLBACK = replace(SWITCH, decision=Rollback(target_configuration_id="c", reason="r"), impact=PredictedImpact())


def failed(checks) -> list[str]:
    return [check.name for check in checks if not check.passed]


def test_a_proven_gain_passes():
    policy = Policy()
    checks = evidence_checks(SWITCH, policy) + impact_checks(SWITCH, policy) + constraint_checks(SWITCH, policy)
    assert len(checks) == 7 and failed(checks) == []


def test_a_claim_without_evidence_is_refused():
    assert failed(evidence_checks(replace(SWITCH, evidence=()), Policy())) == ["evidence"]


@pytest.mark.parametrize("confidence", [None, 0.79])
def test_a_claim_that_is_not_believed_enough_is_refused(confidence):
    assert failed(evidence_checks(replace(SWITCH, confidence=confidence), Policy())) == ["confidence"]


def test_a_gain_too_small_is_refused():
    small = replace(SWITCH.impact, cost=predicted(-0.05))
    assert failed(evidence_checks(replace(SWITCH, impact=small), Policy())) == ["improvement"]


def test_a_claim_without_an_interval_is_refused():
    point = replace(SWITCH.impact, cost=ImpactEstimate(delta=-0.5), latency=None)
    (check,) = impact_checks(replace(SWITCH, impact=point), Policy())
    assert not check.passed and check.detail == "cost, latency"


def test_the_bound_and_not_the_mean_must_hold_the_constraint():
    wide = PredictedImpact(quality=predicted(0.0, 0.06), cost=predicted(0.0, 0.11), latency=predicted(0.0, 0.16))
    names = ["quality_constraint", "cost_constraint", "latency_constraint"]
    assert failed(constraint_checks(replace(SWITCH, impact=wide), Policy())) == names


def test_safety_needs_its_alarm_and_no_gain():
    policy = Policy()
    assert failed(evidence_checks(ROLLBACK, policy)) == []
    assert impact_checks(ROLLBACK, policy) == constraint_checks(ROLLBACK, policy) == []
    assert failed(evidence_checks(replace(ROLLBACK, evidence=()), policy)) == ["evidence"]


def test_starting_an_experiment_claims_nothing():
    begun = StartExperiment(experiment_id="e", variants=("control", "v"), shares=(0.5, 0.5))
    start = replace(ROLLBACK, decision=begun, changes=ConfigurationChanges(), confidence=None)
    policy = Policy()
    assert failed(evidence_checks(start, policy)) == []
    assert impact_checks(start, policy) == constraint_checks(start, policy) == []
    assert failed(evidence_checks(replace(start, evidence=()), policy)) == ["evidence"]


def test_high_risk_waits_where_allowed_and_critical_never_goes():
    nobody_asked = Policy(safety=SafetyPolicy(require_approval_for_high_risk=False))
    assert risk_check(RiskLevel.HIGH, 0.8, Policy()).passed
    assert not risk_check(RiskLevel.CRITICAL, 1.0, Policy()).passed
    daring = Policy(safety=SafetyPolicy(max_risk_level=RiskLevel.CRITICAL))
    assert not risk_check(RiskLevel.CRITICAL, 1.0, daring).passed
    assert not risk_check(RiskLevel.HIGH, 0.8, nobody_asked).passed, "above the limit, and nobody to ask"


def cheaper(route: Route, minute: int) -> None:
    route.tell(insight(minute, candidates=(estimate("cheap", quality=0.895, cost_usd=0.002, p95_ms=1_900.0),)))


def test_without_risk_assessment_a_change_waits_for_a_human():
    route = Route(policy=Policy(validation=ValidationPolicy(enable_risk_assessment=False)))
    for minute in range(5):
        cheaper(route, minute)
    assert route.directives == [] and [live.state for live in route.state.cold.live] == ["awaiting_approval"]


def test_after_a_change_the_scope_rests():
    policy = Policy(
        safety=SafetyPolicy(min_time_between_changes_ms=24 * 3_600_000),
        ramp=RampPolicy(initial_weight=1.0, bake_ms=60_000),
        engine=EnginePolicy(),
    )
    route = Route(policy=policy)
    for minute in range(30):
        model = route.state.cold.configuration
        rival = estimate(f"cheap-{minute}", cost_usd=0.02 / (minute + 2), samples=9_000)
        route.tell(insight(minute, candidates=(rival,), **({"configuration": model} if model else {})))
    assert route.kinds == ["model_switch"] and "cooldown" in route.codes()


def test_a_switch_takes_its_checks_away_and_safety_keeps_its_own():
    off = Policy(
        validation=ValidationPolicy(
            enable_constraint_checking=False, enable_statistical_validation=False, enable_impact_prediction=False
        )
    )
    assert evidence_checks(SWITCH, off) + impact_checks(SWITCH, off) + constraint_checks(SWITCH, off) == []
    assert [check.name for check in evidence_checks(ROLLBACK, off)] == ["evidence"]


def test_at_high_risk_no_switch_takes_the_checks_away():
    off = ValidationPolicy(
        enable_constraint_checking=False, enable_statistical_validation=False, enable_impact_prediction=False
    )
    policy = Policy(validation=off)
    checks = (evidence_checks, impact_checks, constraint_checks)
    assert [check(SWITCH, policy, floor=True) for check in checks] == [check(SWITCH, Policy()) for check in checks]
    # Without risk assessment every change counts as of high risk, so that a broken constraint is refused all the same.
    strict = SafetyPolicy(max_quality_degradation=0.001)
    route = Route(policy=Policy(validation=replace(off, enable_risk_assessment=False), safety=strict))
    for minute in range(5):
        cheaper(route, minute)
    assert route.state.cold.live == () and "quality_constraint" in route.codes()
