"""Hints and recommendations: occasions and candidates for strategies, traced, never commands."""

from msgspec.structs import replace

from decision_stream.model.command import Offer
from decision_stream.model.insight import Hints, Recommendation
from decision_stream.model.policy import (
    AbTestingPolicy,
    AdaptiveParametersPolicy,
    ParetoPolicy,
    Policy,
    TunedParameter,
)
from tests.engine.route import Route
from tests.factories import START_MS, command, estimate, insight

CHEAP = estimate("cheap", quality=0.895, cost_usd=0.002, p95_ms=1_900.0)
BUSY = {"requests": 20_000, "quality_samples": 10_000}
TUNING = Policy(
    adaptive_parameters=AdaptiveParametersPolicy(
        parameters=(TunedParameter(name="temperature", low=0.0, high=2.0, default=1.0),), trial_pairs=20_000
    )
)


def reasons(route: Route, source: str) -> list[tuple[str, str]]:
    return [(it.code, it.detail) for effects in route.effects for it in effects.reasons if it.source == source]


def settled() -> Route:
    """A route whose configuration changed two hours ago and that is measured well since."""
    route = Route()
    route.tell(insight(0))
    route.state = replace(route.state, cold=replace(route.state.cold, changed_at_ms=START_MS))
    for minute in range(1, 150):
        route.tell(insight(minute))
    return route


def later(route: Route, minute: int, **more: object) -> Route:
    route.tell(insight(minute, **more))
    return route


def test_models_are_compared_anew_only_on_an_occasion():
    assert reasons(later(settled(), 150), "pareto")[-1][0] == "no_occasion"
    pressed = later(settled(), 150, hints=Hints(cost_pressure=True))
    assert reasons(pressed, "pareto")[-1][0] != "no_occasion"
    degraded = later(settled(), 150, hints=Hints(performance_degradation=True))
    assert reasons(degraded, "pareto")[-1][0] != "no_occasion"
    after_a_day = later(settled(), 150 + 1_440 + 2)
    assert reasons(after_a_day, "pareto")[-1][0] != "no_occasion"
    news = later(settled(), 150, candidates=(estimate("new", samples=500),))
    assert reasons(news, "pareto")[-1][0] != "no_occasion"


def test_the_engine_sees_degradation_for_itself_whatever_the_hint_says():
    route = settled()
    for minute in range(150, 154):
        later(route, minute, quality=0.66, hints=Hints(performance_degradation=False))
    assert reasons(route, "pareto")[-1][0] != "no_occasion"


def test_a_recommended_model_is_looked_at_and_its_trace_is_in_the_decision():
    route = Route()
    told = (Recommendation(action="switch_model:cheap", expected_impact=-0.4),)
    for minute in range(3):
        route.tell(insight(minute, candidates=(CHEAP,), recommendations=told))
    decision = route.directives[0].decision
    assert [it.detail for it in decision.evidence if it.method == "recommendation"] == [
        "switch_model:cheap: the analyzer's claim, which proves nothing"
    ]
    assert ("recommendation_used", "switch_model:cheap") in reasons(route, "pareto")


def test_a_recommendation_is_refused_with_its_reason():
    route = Route()
    bad = estimate("bad", cost_usd=0.001, quality=0.5)
    actions = ("switch_model:bad", "switch_model:never-heard", "reboot", "try_prompt:")
    told = tuple(Recommendation(action=action) for action in actions)
    for minute in range(3):
        route.tell(insight(minute, candidates=(bad,), recommendations=told))
    found = reasons(route, "pareto")
    assert ("recommendation_refused", "switch_model:bad: quality_too_low") in found
    assert ("recommendation_refused", "switch_model:never-heard: in use, or nothing is known of it") in found
    assert [it for it in reasons(route, "engine") if it[0] == "recommendation_unknown"][:2] == [
        ("recommendation_unknown", "reboot"),
        ("recommendation_unknown", "try_prompt:"),
    ]


def test_a_recommended_prompt_is_tried_like_an_offered_one():
    route = Route(policy=Policy(ab_testing=AbTestingPolicy(min_windows=3)))
    told = (Recommendation(action="try_prompt:short"),)
    for minute in range(5):
        route.tell(insight(minute, recommendations=told, **BUSY))
    start = route.directives[0].decision
    assert start.kind == "start_experiment" and "short" in start.decision.challengers
    assert any(it.method == "recommendation" for it in start.evidence)
    assert ("recommendation_refused", "try_prompt:short: not_stable") in reasons(route, "ab_testing")


def test_no_experiment_begins_where_the_analyzer_sees_nothing_to_gain():
    route = Route(policy=Policy(ab_testing=AbTestingPolicy(min_windows=3)))
    route.tell(command(0, Offer(variants=("short",))))
    for minute in range(1, 6):
        route.tell(insight(minute, hints=Hints(optimization_opportunity=False), **BUSY))
    assert route.directives == [] and "no_opportunity" in route.codes()


def test_a_recommended_value_is_the_next_trial_if_it_may_be():
    for action, tried in (("set_parameter:temperature=0.4", True), ("set_parameter:temperature=9", False)):
        route = Route(policy=TUNING)
        for minute in range(90):
            route.tell(insight(minute, recommendations=(Recommendation(action=action),), **BUSY))
        start = next(it.decision for it in route.directives if it.decision.kind == "start_experiment")
        (changes,) = start.decision.challengers.values()
        assert (changes.parameters[0].new == 0.4) is tried
        assert any(it.method == "recommendation" for it in start.evidence) is tried


def test_tuning_need_not_wait_when_performance_is_called_suboptimal():
    for hints, tuned in ((Hints(), False), (Hints(performance_suboptimal=True), True)):
        route = Route(policy=replace(TUNING, pareto=ParetoPolicy(enabled=False)))
        for minute in range(20):
            route.tell(insight(minute, **BUSY))
        before = len(route.directives)
        route.state = replace(
            route.state, cold=replace(route.state.cold, tuned_at_ms=route.state.hot.at_ms, live=(), experiment=None)
        )
        for minute in range(20, 23):
            route.tell(insight(minute, hints=hints, **BUSY))
        assert (len(route.directives) > before) is tuned
