"""What is usual after a change is known from its ramp: who gets worse while the change is young is found."""

import pytest
from msgspec.structs import replace

from decision_stream.model.command import Tick
from decision_stream.model.outcome import CONTROL, TREATMENT, OutcomeStatus
from decision_stream.model.policy import ParetoPolicy, Policy, RampPolicy
from tests.engine.route import Route
from tests.engine.test_step import CHEAP
from tests.factories import MINUTE_MS, START_MS, arm, command, estimate, insight, outcome

QUICK = Policy(
    pareto=ParetoPolicy(min_samples=10),
    ramp=RampPolicy(initial_weight=0.5, increment=0.5, step_ms=5 * MINUTE_MS, bake_ms=MINUTE_MS),
)


def changed(*, quality: float = 0.9, control: float = 0.9, windows: int = 40) -> Route:
    """A route that switched to a cheaper model after so many windows; the qualities of both arms in the ramp."""
    route = Route(policy=QUICK)
    for minute in range(windows):
        route.tell(insight(minute))
    route.tell(insight(windows, candidates=(estimate("cheap", cost_usd=0.002, samples=9_000),)))
    for minute in range(windows + 1, windows + 12):
        newest = route.directives[-1]
        if newest.order.weight < 1.0:
            arms = {
                CONTROL: arm(1_000, quality=control),
                TREATMENT: arm(1_000, quality=quality, cost_usd=0.002),
            }
            at_ms = START_MS + minute * MINUTE_MS
            route.tell(outcome(newest, OutcomeStatus.MEASURED, at_ms, minute, arms=arms))
        route.tell(command(minute + 0.5, Tick()))
    assert route.state.cold.configuration == CHEAP
    return route


def alarm(route: Route):
    return route.state.hot.alarms["quality"]


@pytest.mark.parametrize("quality", [0.9, 0.885])
def test_after_a_ramp_quality_is_expected_where_the_ramp_saw_it(quality):
    route = changed(quality=quality)
    assert 1.0 - alarm(route).baseline.mean == pytest.approx(quality, abs=0.01)
    assert alarm(route).baseline.count == 30 and alarm(route).fresh.count == 0
    assert route.state.hot.alarms["latency"].baseline.count == 0


def test_a_model_that_gets_worse_right_after_the_change_is_found_and_not_taken_for_usual():
    route = changed()
    for minute in range(60, 70):
        in_use = route.state.cold.configuration
        route.tell(insight(minute, configuration=in_use, quality=0.78, cost_usd=0.002))
    assert route.kinds == ["model_switch", "rollback"]


def test_as_many_windows_as_before_make_a_baseline_of_their_own():
    route = changed()
    for minute in range(60, 100):
        route.tell(insight(minute, configuration=CHEAP, quality=0.89, cost_usd=0.002))
    assert alarm(route).fresh is None and alarm(route).baseline.count == 30
    assert alarm(route).baseline.mean == pytest.approx(0.11)


def test_windows_worse_than_tolerated_make_no_baseline():
    route = changed()
    for minute in range(60, 64):
        route.tell(insight(minute, configuration=CHEAP, quality=0.86, cost_usd=0.002))
    assert alarm(route).fresh.count == 0


def test_without_a_baseline_before_it_is_learnt_after():
    route = changed(windows=20)
    assert alarm(route).baseline.count == 0 and alarm(route).fresh is None


def test_a_model_compared_with_one_that_lost_quality_meanwhile_is_measured_anew():
    """It looks better by what the other lost, and would be found wanting where nothing is wrong."""
    route = changed(quality=0.9, control=0.8)
    assert alarm(route).baseline.count == 0


def test_an_alarm_from_before_a_ramp_is_not_blamed_on_it():
    """The ramp may be the cure; its own guards watch it."""
    route = Route(policy=replace(QUICK, ramp=RampPolicy()))
    for minute in range(40):
        route.tell(insight(minute))
    lost = {"quality": 0.8, "cost_usd": 0.02}
    rival = (estimate("cheap", quality=0.9, cost_usd=0.002, samples=9_000),)
    route.tell(insight(40, candidates=rival, **lost))
    assert route.kinds == ["model_switch"]
    for minute in range(41, 50):
        route.tell(insight(minute, **lost))
    assert route.kinds == ["model_switch"]
