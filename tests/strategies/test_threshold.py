"""The safety strategy: limits held for a duration, alarms with a promised rate, answers by attribution."""

from random import Random

from msgspec.structs import replace

from decision_stream.model.configuration import Configuration
from decision_stream.model.insight import Anomaly, Metric, Severity
from decision_stream.model.policy import DegradationPolicy, Limits, Policy, Response, Responses, ThresholdPolicy
from decision_stream.model.state import ColdState, ConfigurationVersion, HotState, ScopeState, Watch
from decision_stream.strategies.limits import readings, severity_of, watched
from decision_stream.strategies.protocol import Opinion, View
from decision_stream.strategies.threshold import Threshold
from tests.factories import MINUTE_MS, PREMIUM, SCOPE, START_MS, insight

CHEAP = Configuration(model="cheap")


def versions(*configurations: Configuration, since_ms: int = START_MS) -> tuple[ConfigurationVersion, ...]:
    return tuple(
        ConfigurationVersion(
            configuration=configuration, since_ms=since_ms, decision_id=f"d{number}" if number else None, healthy=True
        )
        for number, configuration in enumerate(configurations)
    )


def watched_for(insights, *, policy: Policy | None = None, cold: ColdState | None = None) -> list[Opinion]:
    """Opinions after each of these insights."""
    policy = policy or Policy()
    cold = cold or ColdState(configuration=PREMIUM, history=versions(PREMIUM))
    hot, opinions = HotState(), []
    for event in insights:
        hot = replace(hot, at_ms=event.at_ms)
        hot = Threshold().observe(hot, event, policy)
        state = ScopeState(scope=SCOPE, hot=hot, cold=cold)
        opinions.append(
            Threshold().propose(
                View(state=state, insight=event, configuration=cold.configuration, policy=policy, at_ms=event.at_ms)
            )
        )
    return opinions


def first_idea(opinions):
    return next((opinion.ideas[0] for opinion in opinions if opinion.ideas), None)


def test_calm_before_any_data():
    (opinion,) = watched_for([insight(0)])
    assert opinion.ideas == () and [reason.code for reason in opinion.reasons] == ["all_within_limits"]


def test_a_limit_fires_after_its_duration_and_not_before():
    opinions = watched_for(insight(minute, error_rate=0.4) for minute in range(4))
    assert [bool(opinion.ideas) for opinion in opinions] == [False, False, True, True]


def test_a_firing_limit_is_cleared_only_well_inside():
    limits = Limits()
    watch = Watch(windows=3, firing=True)
    near, inside = insight(0, p95_ms=4_900.0), insight(0, p95_ms=4_000.0)
    assert watched(watch, readings(near, limits)[1], near, limits).firing
    assert not watched(watch, readings(inside, limits)[1], inside, limits).firing


def test_lost_quality_after_our_own_change_is_blamed_on_it():
    cold = ColdState(configuration=CHEAP, history=versions(PREMIUM, CHEAP))
    idea = first_idea(watched_for((insight(minute, quality=0.3) for minute in range(5)), cold=cold))
    assert idea.decision.target_configuration_id == PREMIUM.id and idea.decision.reverts == "d1"


def test_quality_lost_without_a_change_of_ours_goes_to_the_last_known_good():
    history = versions(PREMIUM, CHEAP, since_ms=START_MS - 7 * 60 * MINUTE_MS)
    bad = [insight(minute, quality=0.3) for minute in range(5)]
    idea = first_idea(watched_for(bad, cold=ColdState(configuration=CHEAP, history=history)))
    assert idea.decision.target_configuration_id == PREMIUM.id and idea.decision.reverts is None
    unproven = (replace(history[0], healthy=False), history[1])
    assert first_idea(watched_for(bad, cold=ColdState(configuration=CHEAP, history=unproven))) is None


def test_errors_long_after_our_last_change_break_the_route():
    cold = ColdState(configuration=CHEAP, history=versions(PREMIUM, CHEAP, since_ms=START_MS - 7 * 60 * MINUTE_MS))
    idea = first_idea(watched_for((insight(minute, error_rate=0.5) for minute in range(5)), cold=cold))
    assert idea.kind == "circuit_break" and idea.decision.duration_ms == 5 * MINUTE_MS


def test_a_dear_price_alone_is_no_fault_of_the_configuration():
    opinions = watched_for(insight(minute, cost_usd=2.0) for minute in range(10))
    assert first_idea(opinions) is None
    assert [alert.code for opinion in opinions for alert in opinion.alerts] == ["limit_broken"]


def test_a_mild_breach_alerts_once_and_changes_nothing():
    opinions = watched_for(insight(minute, quality=0.66) for minute in range(10))
    assert first_idea(opinions) is None
    assert sum(len(opinion.alerts) for opinion in opinions) == 1


def test_a_gradual_loss_of_quality_is_found_against_the_frozen_baseline():
    draws = Random(5)
    scores = [draws.gauss(0.9 - max(0, minute - 60) * 0.001, 0.01) for minute in range(400)]
    opinions = watched_for((insight(minute, quality=score) for minute, score in enumerate(scores)))
    found = next(number for number, opinion in enumerate(opinions) if opinion.reasons[0].code == "degraded:quality")
    assert 60 < found < 160


def test_noise_raises_no_alarm_within_the_promised_time():
    """100 routes of 1,000 windows against a promise of one false alarm in 100,000 windows and metric.

    3 are expected.
    """
    alarmed = 0
    for seed in range(100):
        draws = Random(seed)
        opinions = watched_for(
            insight(
                minute,
                quality=min(1.0, draws.gauss(0.85, 0.02)),
                error_rate=max(0.0, draws.gauss(0.01, 0.007)),
                p95_ms=2_000.0 * draws.lognormvariate(0.0, 0.1),
            )
            for minute in range(1_000)
        )
        alarmed += any(reason.code != "all_within_limits" for opinion in opinions for reason in opinion.reasons)
    assert alarmed <= 8, f"{alarmed} of 100 routes alarmed"


def anomalous(minute: int, **measured):
    report = Anomaly(metric=Metric.LATENCY, severity=Severity.CRITICAL, observed=20_000.0, expected=2_000.0)
    return insight(minute, anomalies=(report,), **measured)


def test_a_reported_anomaly_acts_only_when_the_limit_is_broken_too():
    assert first_idea(watched_for(anomalous(minute) for minute in range(5))) is None
    idea = first_idea(watched_for(anomalous(minute, p95_ms=20_000.0) for minute in range(3)))
    assert idea.kind == "circuit_break"


def test_an_answer_of_the_policy_is_followed():
    alerting = Policy(threshold_based=ThresholdPolicy(responses=Responses(on_threshold_violation=Response.ALERT)))
    opinions = watched_for((insight(minute, error_rate=0.9) for minute in range(30)), policy=alerting)
    kinds = {idea.kind for opinion in opinions[:29] for idea in opinion.ideas}
    assert kinds == set()


def test_a_drift_of_quality_is_told_and_changes_nothing():
    draws = Random(4)
    scores = [draws.gauss(0.9 if minute < 120 else 0.89, 0.005) for minute in range(260)]
    opinions = watched_for((insight(minute, quality=score) for minute, score in enumerate(scores)))
    told = [alert.code for opinion in opinions for alert in opinion.alerts]
    assert 1 <= told.count("drift") <= 3 and first_idea(opinions) is None


def test_severity_rises_with_the_excess():
    assert [severity_of(excess).value for excess in (0.0, 0.1, 0.25, 1.0)] == ["low", "medium", "high", "critical"]


def test_the_degradation_alarm_names_its_error_budget():
    policy = Policy(threshold_based=ThresholdPolicy(degradation=DegradationPolicy(average_run_length=1_000.0)))
    draws = Random(1)
    events = [insight(minute, quality=draws.gauss(0.9, 0.01)) for minute in range(40)]
    events += [insight(40 + minute, quality=draws.gauss(0.78, 0.01)) for minute in range(5)]
    cold = ColdState(configuration=CHEAP, history=versions(PREMIUM, CHEAP))
    idea = first_idea(watched_for(events, policy=policy, cold=cold))
    assert idea.evidence[0].method == "shiryaev_roberts" and idea.evidence[0].error_budget == 0.001
