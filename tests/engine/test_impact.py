"""Predicted impact is corrected by what past changes did, and what every end of a decision leaves in the statistics."""

from math import expm1, log1p

import pytest
from msgspec.structs import replace

from decision_stream.engine.impact import calibrated
from decision_stream.engine.realised import realised
from decision_stream.engine.turn import Turn
from decision_stream.model.command import Approve, Autonomy, Reject, Revert
from decision_stream.model.decision import ImpactEstimate, Interval, PredictedImpact
from decision_stream.model.metrics import ArmSample
from decision_stream.model.policy import Policy, SafetyPolicy
from decision_stream.model.state import ColdState, Ramp, ScopeState
from decision_stream.stats.calibration import Calibration
from decision_stream.stats.moments import Moments
from decision_stream.strategies.estimates import pooled
from tests.engine.route import Route
from tests.engine.test_step import CHEAP, ramped_to_the_end, told_of_a_cheaper_model
from tests.factories import SCOPE, START_MS, arm, command, estimate


def said(delta: float, half: float = 0.01) -> ImpactEstimate:
    return ImpactEstimate(delta=delta, interval=Interval(low=delta - half, high=delta + half))


def turn_with(**calibrations: Calibration) -> Turn:
    cold = ColdState(calibrations={f"pareto:{part}": learnt for part, learnt in calibrations.items()})
    return Turn(ScopeState(scope=SCOPE, cold=cold), "e", START_MS, Policy())


def disappointed(outcomes: int) -> Calibration:
    """A source that promises ten percent less cost and delivers nothing."""
    learnt = Calibration()
    for _ in range(outcomes):
        learnt = learnt.apply(log1p(-0.1), 0.005, 0.0, 0.01)
    return learnt


def test_without_outcomes_a_prediction_stays_as_it_is_said():
    impact = PredictedImpact(quality=said(0.0), cost=said(-0.1), latency=said(0.0))
    assert calibrated(turn_with(), "pareto", impact) == (impact, ())


def test_a_strategy_that_disappoints_is_believed_less_and_its_bound_is_wider():
    impact = PredictedImpact(quality=said(0.0), cost=said(-0.1), latency=said(0.0))
    found, evidence = calibrated(turn_with(cost=disappointed(8)), "pareto", impact)
    assert found.quality == impact.quality and -0.1 < found.cost.delta < 0.0
    assert found.cost.interval.low <= -0.11 and found.cost.interval.high >= 0.0
    assert [(told.method, told.metric.value, told.samples) for told in evidence] == [("impact_calibration", "cost", 8)]


def test_the_interval_is_never_narrower_than_the_strategys_own():
    exact = Calibration()
    for _ in range(40):
        exact = exact.apply(log1p(-0.1), 0.05, log1p(-0.1), 0.001)
    impact = PredictedImpact(cost=said(-0.1, half=0.2))
    found, _ = calibrated(turn_with(cost=exact), "pareto", impact)
    assert found.cost.interval.low <= -0.3 and found.cost.interval.high >= 0.1


def test_another_strategy_is_not_blamed():
    impact = PredictedImpact(cost=said(-0.1))
    assert calibrated(turn_with(cost=disappointed(8)), "ab_testing", impact)[0] == impact


def test_a_prediction_without_an_interval_gets_none_invented():
    impact = PredictedImpact(cost=ImpactEstimate(delta=-0.1))
    assert calibrated(turn_with(cost=disappointed(8)), "pareto", impact)[0] == impact


def test_a_wide_bound_is_what_the_constraints_are_checked_on():
    route = Route()
    poor = Calibration()
    for number in range(20):
        poor = poor.apply(0.0, 0.005, 0.2 if number % 2 else -0.2, 0.005)
    told_of_a_cheaper_model(route, minutes=1)
    cold = replace(route.state.cold, calibrations={"pareto:quality": poor})
    route.state = replace(route.state, cold=cold)
    told_of_a_cheaper_model(route)
    assert route.directives == []
    checks = {reason.code: reason for effects in route.effects for reason in effects.reasons}
    assert checks["quality_constraint"].value > checks["quality_constraint"].limit


def test_a_completed_ramp_teaches_each_part_and_counts_as_a_win():
    route = Route()
    told_of_a_cheaper_model(route)
    ramped_to_the_end(route)
    assert set(route.state.cold.calibrations) == {"pareto:cost", "pareto:latency", "pareto:quality"}
    learnt = {it.what: it for effects in route.effects for it in effects.learnings if it.decision_id}
    assert learnt["impact:cost"].after == pytest.approx(-0.9, abs=0.01) and learnt["win"].after == 1.0
    totals = route.state.cold.counters.totals["pareto"]
    assert (totals.proposed, totals.accepted, totals.ended, totals.changes, totals.wins) == (1, 1, 1, 1, 1)
    assert totals.measured == 1 and totals.gain == pytest.approx(learnt["utility"].after) and totals.ran_ms > 0
    assert route.state.cold.closed[-1].gain == totals.gain


def test_a_ramp_shows_what_both_models_are_and_the_choice_counts_it():
    route = Route()
    told_of_a_cheaper_model(route)
    ramped_to_the_end(route, quality=0.6)
    measured = route.state.cold.measured
    assert measured["cheap"].estimate.quality == pytest.approx(0.6, abs=0.01)
    assert measured["premium"].estimate.cost_usd == pytest.approx(0.02, abs=0.001)
    assert 900.0 < measured["cheap"].estimate.latency_p50_ms < measured["cheap"].estimate.latency_p95_ms < 1_700.0


def test_what_was_measured_is_pooled_with_what_is_told_while_they_agree():
    told, same = estimate("m", samples=1_000), estimate("m", quality=0.91, samples=3_000)
    other = estimate("m", quality=0.6)
    assert pooled(told, same).quality == pytest.approx(0.9075) and pooled(told, same).samples == 4_000
    assert pooled(told, other) == told and pooled(told, estimate("m", cost_usd=0.2)) == told


def test_a_ramp_that_did_harm_teaches_too_and_counts_as_taken_back():
    route = Route()
    told_of_a_cheaper_model(route)
    ramped_to_the_end(route, quality=0.6)
    learnt = {it.what: it for effects in route.effects for it in effects.learnings if it.decision_id}
    assert learnt["impact:quality"].after == pytest.approx(-1 / 3, abs=0.01)
    totals = route.state.cold.counters.totals["pareto"]
    assert (totals.changes, totals.wins, totals.rolled_back, totals.failures) == (1, 0, 1, 1)
    assert route.state.cold.counters.totals["ramp_guard"].changes == 0


def test_a_win_that_is_taken_back_later_is_none():
    route = Route()
    told_of_a_cheaper_model(route)
    ramped_to_the_end(route)
    assert route.state.cold.configuration == CHEAP
    route.tell(command(95, Revert(decision_id=route.directives[0].decision.id)))
    totals = route.state.cold.counters.totals["pareto"]
    assert (totals.changes, totals.wins, totals.rolled_back) == (1, 0, 1)


def test_what_a_human_refused_is_no_change_and_no_harm():
    route = Route(policy=Policy(safety=SafetyPolicy(autonomy=Autonomy.APPROVE)))
    told_of_a_cheaper_model(route)
    route.tell(command(6, Reject(decision_id=route.state.cold.live[0].decision.id)))
    totals = route.state.cold.counters.totals["pareto"]
    assert (totals.proposed, totals.accepted, totals.ended, totals.changes, totals.failures) == (1, 0, 1, 0, 0)


def test_an_approved_decision_tells_how_long_it_waited():
    route = Route(policy=Policy(safety=SafetyPolicy(autonomy=Autonomy.APPROVE)))
    told_of_a_cheaper_model(route)
    decision = route.state.cold.live[0].decision
    route.tell(command(20, Approve(decision_id=decision.id)))
    assert route.state.cold.counters.totals["pareto"].waited_ms == START_MS + 20 * 60_000 - decision.at_ms


def test_the_tail_of_latency_is_read_from_its_spread():
    steady, heavy = Moments(4_000, 1_000.0, 4_000 * 300.0**2), Moments(4_000, 1_000.0, 4_000 * 1_200.0**2)
    sample = arm(4_000)
    ramp = Ramp(
        treatment=replace(sample, latency_ms=heavy),
        control=replace(sample, latency_ms=steady),
        step_treatment=replace(sample, latency_ms=heavy),
        step_control=replace(sample, latency_ms=steady),
    )
    # Log-normal with coefficients of variation 1.2 and 0.3: p95 over mean is 3.03 and 1.55.
    assert expm1(realised(ramp)["latency"].log_ratio) == pytest.approx(3.03 / 1.55 - 1.0, abs=0.02)


def test_too_little_data_says_nothing():
    assert realised(Ramp(step_treatment=arm(5), step_control=arm(5))) == {}
    assert realised(Ramp(step_treatment=ArmSample(), step_control=arm(5))) == {}
