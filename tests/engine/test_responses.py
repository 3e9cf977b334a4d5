"""The five answers to a finding as the scope lives them: ordered, acknowledged, over, and restored."""

from decision_stream.model.actuation import BreakRoute, RestoreConfiguration, SetTraffic
from decision_stream.model.command import Revert, Tick
from decision_stream.model.configuration import Configuration
from decision_stream.model.insight import Anomaly, Metric, Severity
from decision_stream.model.outcome import OutcomeStatus
from decision_stream.model.policy import Limits, Policy, Response, Responses, ThresholdPolicy
from tests.engine.route import Route
from tests.engine.test_step import CHEAP, ramped_to_the_end, told_of_a_cheaper_model
from tests.factories import MINUTE_MS, PREMIUM, START_MS, command, estimate, insight, outcome

SAFE = Configuration(model="safe", prompt="plain")


def answering(response: Response, **more: object) -> Policy:
    responses = Responses(on_threshold_violation=response, on_degradation=response, **more)
    return Policy(threshold_based=ThresholdPolicy(performance=Limits(for_windows=2), responses=responses))


def struck(route: Route, minutes: range = range(100, 110), **more: object) -> None:
    """Tell windows with half of all requests failing until there is an answer."""
    before = len(route.directives)
    for minute in minutes:
        if len(route.directives) == before:
            route.tell(insight(minute, error_rate=0.5, **more))


def test_reduced_traffic_goes_to_the_refuge_is_measured_and_comes_back():
    route = Route(policy=answering(Response.REDUCE_TRAFFIC, safe_configuration=SAFE, reduced_share=0.7))
    struck(route)
    (directive,) = route.directives
    assert directive.order == SetTraffic(weight=0.3, duration_ms=5 * MINUTE_MS, refuge=SAFE)
    assert route.state.cold.route_broken_until_ms == 0
    baseline = route.state.hot.live
    for minute in range(102, 106):
        effects = route.tell(insight(minute, error_rate=0.5))
        assert "limit_broken:errors" in {reason.code for reason in effects.reasons}
    assert len(route.directives) == 1, "it is reduced already"
    assert route.state.hot.live == baseline, "a mixed window is no measurement of the configuration"
    route.tell(command(107, Tick()))
    assert route.states_of(directive.decision.id)[-1] == "completed"
    struck(route, range(108, 112))
    assert route.directives[-1].order.duration_ms == 10 * MINUTE_MS


def test_without_a_named_refuge_it_is_the_last_known_good_or_the_routes_own_fallback():
    route = Route(policy=answering(Response.REDUCE_TRAFFIC))
    struck(route)
    assert route.directives[-1].order.refuge is None
    route = Route(policy=answering(Response.REDUCE_TRAFFIC))
    told_of_a_cheaper_model(route)
    ramped_to_the_end(route)
    struck(route, configuration=CHEAP)
    assert route.directives[-1].order.refuge == PREMIUM


def test_nothing_else_begins_while_traffic_is_reduced():
    route = Route(policy=answering(Response.REDUCE_TRAFFIC))
    rival = (estimate("cheap", quality=0.895, cost_usd=0.002, p95_ms=1_900.0),)
    for minute in range(4):
        route.tell(insight(minute, candidates=rival if minute == 3 else (), error_rate=0.5 if minute > 1 else 0.01))
    for minute in range(4, 8):
        route.tell(insight(minute))
    assert route.kinds == ["circuit_break"]
    assert ("pareto", "facet_taken") in {(it.source, it.code) for effects in route.effects for it in effects.reasons}
    route.tell(insight(9))
    assert route.kinds == ["circuit_break", "model_switch"]


def test_an_operator_brings_the_traffic_back_early():
    route = Route(policy=answering(Response.REDUCE_TRAFFIC))
    struck(route)
    route.tell(command(101.5, Revert(decision_id=route.directives[0].decision.id)))
    assert route.directives[-1].order == RestoreConfiguration(configuration=PREMIUM)
    assert route.states_of(route.directives[0].decision.id)[-1] == "rolled_back"


def test_worse_than_reduced_may_still_be_broken():
    responses = Responses(on_threshold_violation=Response.REDUCE_TRAFFIC, on_anomaly=Response.CIRCUIT_BREAK)
    rules = ThresholdPolicy(performance=Limits(for_windows=2), responses=responses)
    route = Route(policy=Policy(threshold_based=rules))
    struck(route)
    report = Anomaly(metric=Metric.ERRORS, severity=Severity.CRITICAL, observed=0.9, expected=0.01, episode="e1")
    route.tell(insight(103, error_rate=0.9, anomalies=(report,)))
    reduction, full = (directive.decision for directive in route.directives)
    assert isinstance(route.directives[-1].order, BreakRoute) and full.decision.share == 1.0
    assert route.states_of(reduction.id)[-1] == "rolled_back"


def test_the_safe_configuration_of_the_policy_is_served_though_it_was_never_in_use():
    route = Route(policy=answering(Response.SWITCH_TO_SAFE, safe_configuration=SAFE))
    struck(route)
    assert route.kinds == ["rollback"] and route.state.cold.configuration == SAFE
    assert route.state.cold.history[-1].configuration == SAFE and route.state.cold.history[-1].decision_id is None
    struck(route, range(120, 126), configuration=SAFE)
    assert len(route.directives) == 1
    alerts = [alert.detail for effects in route.effects for alert in effects.alerts]
    assert any("in use already" in detail for detail in alerts)


def test_a_switch_to_safe_ends_the_ramp_that_is_under_way():
    route = Route(policy=answering(Response.SWITCH_TO_SAFE, safe_configuration=SAFE))
    told_of_a_cheaper_model(route)
    ramped = route.directives[0].decision
    struck(route, range(6, 12))
    assert route.directives[-1].decision.decision.reverts == ramped.id
    assert route.states_of(ramped.id)[-1] == "rolled_back" and route.state.cold.configuration == SAFE


def test_without_a_safe_configuration_it_is_the_last_known_good_or_an_alert():
    route = Route(policy=answering(Response.SWITCH_TO_SAFE))
    struck(route)
    assert route.directives == [] and any(effects.alerts for effects in route.effects)
    route = Route(policy=answering(Response.SWITCH_TO_SAFE))
    told_of_a_cheaper_model(route)
    ramped_to_the_end(route)
    struck(route, configuration=CHEAP)
    assert route.state.cold.configuration == PREMIUM


def test_a_ramp_that_gives_way_to_a_break_is_closed_when_the_break_is_served():
    route = Route(policy=answering(Response.CIRCUIT_BREAK))
    told_of_a_cheaper_model(route)
    ramped = route.directives[0].decision
    struck(route, range(6, 12))
    assert route.kinds == ["model_switch", "circuit_break"]
    assert route.states_of(ramped.id)[-1] == "rolled_back"
    assert not any(alert.severity == "critical" for effects in route.effects for alert in effects.alerts)


def test_a_ramp_that_gave_way_to_a_break_that_failed_is_taken_back_by_order():
    route = Route(policy=answering(Response.CIRCUIT_BREAK))
    told_of_a_cheaper_model(route)
    ramped = route.directives[0].decision
    route.acknowledge = False
    struck(route, range(6, 12))
    breaking = route.directives[-1]
    route.acknowledge = True
    route.tell(outcome(breaking, OutcomeStatus.FAILED, breaking.at_ms + 1_000, error="no such route"))
    assert route.kinds == ["model_switch", "circuit_break", "rollback"]
    assert route.directives[-1].order == RestoreConfiguration(configuration=PREMIUM)
    assert route.states_of(ramped.id)[-1] == "rolled_back" and route.state.cold.live == ()


def test_an_anomaly_alerts_once_per_episode():
    def anomalous(minute: int, episode: str | None) -> None:
        report = Anomaly(metric=Metric.LATENCY, severity=Severity.CRITICAL, observed=9e3, expected=2e3, episode=episode)
        route.tell(insight(minute, anomalies=(report,)))

    route = Route()
    for minute in range(20):
        anomalous(minute, "one" if minute < 10 else "two")
    assert [alert.code for effects in route.effects for alert in effects.alerts] == ["anomaly", "anomaly"]
    route = Route()
    for minute in range(60):
        anomalous(minute, f"episode-{minute}")
    assert len(route.state.hot.episodes) <= 32
    assert min(route.state.hot.episodes.values()) >= START_MS
