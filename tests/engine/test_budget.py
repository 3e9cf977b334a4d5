"""The budget: projection by the reset, reservations, the brake on what is dearer, the urgency of what is cheaper."""

import pytest
from msgspec.structs import replace

from decision_stream.engine import budget
from decision_stream.engine.turn import Turn
from decision_stream.model.configuration import ConfigurationChanges, ModelChange
from decision_stream.model.decision import (
    ImpactEstimate,
    Interval,
    ModelSwitch,
    PredictedImpact,
    StartExperiment,
)
from decision_stream.model.insight import Budget
from decision_stream.model.policy import DAY_MS, HOUR_MS, Policy, SafetyPolicy
from decision_stream.model.state import HotState, Purse, ScopeState
from decision_stream.strategies.budget import observed, projected_usd
from tests.engine.route import Route
from tests.factories import SCOPE, START_MS, estimate, insight

RESET_MS = START_MS + DAY_MS
# 200 requests a minute at 0.02 USD are 5,760 USD a day.
AMPLE = Budget(daily_limit_usd=10_000.0, spent_usd=0.0, resets_at_ms=RESET_MS)
TIGHT = replace(AMPLE, daily_limit_usd=5_000.0)
DEARER = estimate("better", quality=0.97, cost_usd=0.0202, p95_ms=1_000.0, samples=20_000)
DARING = Policy(safety=SafetyPolicy(min_improvement=0.0))


def told(route: Route, minutes: int, money: Budget | None, **more: object) -> None:
    for minute in range(minutes):
        route.tell(insight(minute, budget=money, **more))


def turn(purse: Purse | None) -> Turn:
    return Turn(ScopeState(scope=SCOPE, hot=HotState(at_ms=START_MS, purse=purse)), "e", START_MS, Policy())


def test_spending_is_projected_to_the_reset_at_the_measured_rate():
    purse = observed(None, insight(0, budget=AMPLE), START_MS)
    assert projected_usd(purse) == pytest.approx(5_760.0) and not purse.is_over
    assert observed(None, insight(0, budget=TIGHT), START_MS).is_over


def test_between_reports_spending_goes_on_and_a_past_reset_starts_anew():
    purse = observed(None, insight(0, budget=replace(AMPLE, spent_usd=4_000.0)), START_MS)
    later = observed(purse, insight(60), START_MS + HOUR_MS)
    assert projected_usd(later) == pytest.approx(projected_usd(purse))
    next_day = observed(later, insight(3 * 1_440), START_MS + 3 * DAY_MS)
    assert next_day.spent_usd == 0.0 and next_day.resets_at_ms == START_MS + 4 * DAY_MS
    assert projected_usd(next_day) == pytest.approx(5_760.0)


def test_a_scope_without_a_budget_keeps_no_purse_and_is_not_checked():
    assert observed(None, insight(0), START_MS) is None
    route = Route(policy=DARING)
    told(route, 3, None, candidates=(DEARER,))
    assert route.kinds == ["model_switch"] and route.state.hot.purse is None


def test_a_dearer_change_passes_within_the_budget_and_reserves_its_bound():
    route = Route(policy=DARING)
    told(route, 3, AMPLE, candidates=(DEARER,))
    (live,) = route.state.cold.live
    high = live.decision.impact.cost.interval.high
    assert live.reserved_usd == pytest.approx(high * 5_760.0, rel=0.01)
    check = next(check for check in live.decision.checks if check.name == "budget")
    assert check.found == pytest.approx(5_760.0 * (1.0 + high), rel=0.01) and check.allowed == 10_000.0


def test_beyond_the_budget_no_dearer_change_passes_and_the_journal_has_the_numbers():
    route = Route(policy=DARING)
    told(route, 3, TIGHT, candidates=(DEARER,))
    assert route.directives == []
    reason = next(it for effects in route.effects for it in effects.reasons if it.code == "budget")
    assert reason.value > reason.limit == 5_000.0 and "projected by the reset" in reason.detail
    alerts = [alert.code for effects in route.effects for alert in effects.alerts]
    assert alerts == ["over_budget"], "once, when it begins"


def test_beyond_the_budget_a_cheaper_change_goes_at_once_and_needs_no_rest():
    cheap = estimate("cheap", quality=0.895, cost_usd=0.002, p95_ms=1_900.0)
    for money, kinds in ((AMPLE, []), (TIGHT, ["model_switch"])):
        route = Route(policy=Policy(safety=SafetyPolicy(min_time_between_changes_ms=DAY_MS)))
        told(route, 1, money)
        route.state = replace(route.state, cold=replace(route.state.cold, changed_at_ms=START_MS))
        for minute in range(1, 4):
            route.tell(insight(minute, budget=money, candidates=(cheap,)))
        assert route.kinds == kinds


def test_an_experiment_reserves_the_largest_rise_on_its_challengers():
    purse = Purse(limit_usd=100.0, spent_usd=0.0, told_at_ms=START_MS, resets_at_ms=RESET_MS, usd_per_ms=1e-6)
    begun = StartExperiment(experiment_id="e", variants=("control", "v"), shares=(0.5, 0.5))
    found = budget.reservation_usd(turn(purse), begun, ConfigurationChanges(), PredictedImpact(), "ab_testing")
    assert found == pytest.approx(86.4 * 0.5 * 0.10)
    assert budget.reservation_usd(turn(None), begun, ConfigurationChanges(), PredictedImpact(), "ab_testing") == 0.0


def test_an_experiment_with_models_reserves_what_the_dearest_of_them_is_known_to_cost_more():
    purse = Purse(limit_usd=100.0, spent_usd=0.0, told_at_ms=START_MS, resets_at_ms=RESET_MS, usd_per_ms=1e-6)
    known = {"dear": estimate("dear", cost_usd=0.022), "cheap": estimate("cheap", cost_usd=0.002)}
    at = turn(purse)
    at.hot = replace(at.hot, live=replace(at.hot.live, cost_usd=0.02))
    at.update(estimates=known)

    def reserved(*models: str) -> float:
        challengers = {name: ConfigurationChanges(model=ModelChange(old="premium", new=name)) for name in models}
        slice_ = 0.1
        shares = (1.0 - slice_, *(slice_ / len(models) for _ in models))
        begun = StartExperiment(
            experiment_id="e", variants=("control", *models), shares=shares, challengers=challengers, most=0.2
        )
        return budget.reservation_usd(at, begun, ConfigurationChanges(), PredictedImpact(), "ab_testing")

    assert reserved("cheap") == 0.0
    assert reserved("cheap", "dear") == pytest.approx(86.4 * 0.2 * 0.10)
    assert reserved("cheap", "unknown") == pytest.approx(86.4 * 0.2 * SafetyPolicy().max_cost_increase)


def test_what_is_reserved_by_others_counts():
    route = Route(policy=DARING)
    snug = replace(AMPLE, daily_limit_usd=6_000.0)
    told(route, 2, snug)
    (ramp,) = _ramping().state.cold.live
    held = replace(ramp, reserved_usd=200.0, decision=replace(ramp.decision, changes=ConfigurationChanges()))
    route.state = replace(route.state, cold=replace(route.state.cold, live=(held,)))
    for minute in range(2, 5):
        route.tell(insight(minute, budget=snug, candidates=(DEARER,)))
    reason = next(it for effects in route.effects for it in effects.reasons if it.code == "budget")
    assert "200.0000 reserved" in reason.detail


def _ramping() -> Route:
    route = Route(policy=DARING)
    told(route, 3, AMPLE, candidates=(DEARER,))
    return route


def test_the_limit_per_request_keeps_dear_models_out():
    capped = replace(AMPLE, per_request_limit_usd=0.0201)
    route = Route(policy=DARING)
    told(route, 3, capped, candidates=(DEARER,))
    assert route.directives == []
    assert any(it.code == "too_expensive" and it.limit == 0.0201 for effects in route.effects for it in effects.reasons)


def test_the_limit_per_request_is_checked_on_the_bound_again():
    purse = Purse(limit_usd=1e6, spent_usd=0.0, told_at_ms=START_MS, resets_at_ms=RESET_MS, per_request_limit_usd=0.021)
    route = _ramping()
    at = Turn(replace(route.state, hot=replace(route.state.hot, purse=purse)), "e", START_MS, Policy())
    proposal = replace(
        route.proposals[0],
        decision=ModelSwitch(from_model="premium", to_model="m", reason="r"),
        changes=ConfigurationChanges(model=ModelChange(old="premium", new="m")),
        impact=PredictedImpact(cost=ImpactEstimate(delta=0.04, interval=Interval(low=0.0, high=0.08))),
    )
    checks = {check.name: check for check in budget.checks(at, proposal)}
    assert not checks["per_request_limit"].passed and checks["per_request_limit"].allowed == 0.021
