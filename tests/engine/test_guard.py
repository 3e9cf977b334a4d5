"""The guards of a ramp: few false alarms though looked at after every report, and real harm found soon."""

from random import Random

import pytest
from msgspec.structs import replace

from decision_stream.engine.guard import closed, judge, judge_ramp
from decision_stream.model.decision import PredictedImpact
from decision_stream.model.insight import Metric
from decision_stream.model.metrics import ArmSample
from decision_stream.model.policy import Policy, SafetyPolicy
from decision_stream.model.state import Ramp
from decision_stream.stats.moments import Moments

POLICY = Policy()
STRICT = Policy(safety=SafetyPolicy(max_quality_degradation=0.0, max_cost_increase=0.0))


def window(draw: Random, requests: int, quality: float, cost_usd: float) -> ArmSample:
    scores, costs = Moments(), Moments()
    for _ in range(requests):
        scores = scores.apply(min(1.0, max(0.0, draw.gauss(quality, 0.1))))
        costs = costs.apply(max(0.0, draw.gauss(cost_usd, cost_usd / 3.0)))
    errors = sum(draw.random() < 0.02 for _ in range(requests))
    slow = sum(draw.random() < 0.05 for _ in range(requests))
    return ArmSample(requests=requests, errors=errors, slow=slow, quality=scores, cost_usd=costs)


def first_breach(seed: int, policy: Policy, quality: float, cost_usd: float, reports: int = 60) -> int | None:
    """The report at which a guard is breached; the treatment grows from 5 to 50 of 100 requests a report."""
    draw = Random(seed)
    treatment, control = ArmSample(), ArmSample()
    for report in range(reports):
        share = 5 + 45 * report // reports
        treatment = treatment.merge(window(draw, share, quality, cost_usd))
        control = control.merge(window(draw, 100 - share, 0.8, 0.02))
        if any(reading.breached for reading in judge(treatment, control, PredictedImpact(), policy)):
            return report
    return None


def test_a_harmless_change_is_rarely_rolled_back_with_no_margin_at_all():
    """A/A with margins of zero: the error budget of the whole ramp is 5 %."""
    breached = sum(first_breach(seed, STRICT, 0.8, 0.02) is not None for seed in range(150))
    assert breached <= 14, f"{breached} of 150 (14 is the 97.5 % limit at 5 %)"


def test_rising_weights_on_a_falling_day_are_no_harm():
    """Quality falls with the hour for both arms, and the treatment serves mostly the bad hours."""
    draw, blocks = Random(3), {}
    for hour, share in enumerate((5, 20, 50, 80)):
        treatment = window(draw, 20 * share, 0.9 - 0.1 * hour, 0.02)
        control = window(draw, 20 * (100 - share), 0.9 - 0.1 * hour, 0.02)
        assert not any(reading.breached for reading in judge(treatment, control, PredictedImpact(), STRICT, blocks))
        blocks = closed(treatment, control, blocks)


def test_harm_before_the_weights_changed_still_counts():
    draw = Random(4)
    treatment, control = window(draw, 1_500, 0.7, 0.02), window(draw, 1_500, 0.8, 0.02)
    blocks = closed(treatment, control, {})
    few = (window(draw, 40, 0.8, 0.02), window(draw, 40, 0.8, 0.02))
    assert any(reading.breached for reading in judge(*few, PredictedImpact(), POLICY, blocks))
    assert not any(reading.breached for reading in judge(*few, PredictedImpact(), POLICY))


def test_lost_quality_is_found():
    delays = [first_breach(seed, POLICY, 0.7, 0.02) for seed in range(20)]
    assert None not in delays and sorted(delays)[10] <= 30


def test_more_traffic_takes_more_proof_and_from_half_on_all_of_it():
    draw, widest = Random(5), []
    treatment, control = ArmSample(), ArmSample()
    for _ in range(30):
        treatment, control = (
            treatment.merge(window(draw, 30, 0.8, 0.02)),
            control.merge(window(draw, 30, 0.8, 0.02)),
        )
        (quality,) = (
            reading
            for reading in judge(treatment, control, PredictedImpact(), POLICY)
            if reading.metric is Metric.QUALITY
        )
        widest.append(max((weight for weight in (0.05, 0.2, 0.5, 0.51, 1.0) if quality.allows(weight)), default=0.0))
    assert widest[0] <= 0.05 and widest[-1] == 1.0
    assert 0.51 not in widest, "what may serve more than half may serve all"
    assert {0.2, 0.5} & set(widest), "there is a way between nothing and all"


def test_a_cost_that_was_promised_is_no_harm():
    from decision_stream.model.decision import ImpactEstimate

    draw = Random(1)
    treatment, control = window(draw, 3_000, 0.8, 0.03), window(draw, 3_000, 0.8, 0.02)
    promised = PredictedImpact(cost=ImpactEstimate(delta=0.5))
    assert not any(reading.breached for reading in judge(treatment, control, promised, POLICY))
    (breach,) = [reading for reading in judge(treatment, control, PredictedImpact(), POLICY) if reading.breached]
    assert breach.metric is Metric.COST and breach.evidence.interval.low > 0.0


@pytest.mark.parametrize("requests", [0, 5])
def test_too_little_data_says_nothing(requests):
    few = window(Random(2), requests, 0.1, 1.0)
    assert judge(few, few, PredictedImpact(), POLICY) == []


def test_a_step_without_a_score_of_the_control_still_has_its_margin():
    """Near full weight the control gets few requests: by a mean of nothing the margin would be nothing."""
    draw = Random(8)
    treatment, control = window(draw, 1_500, 0.8, 0.02), window(draw, 1_500, 0.8, 0.02)
    unscored = replace(window(draw, 40, 0.8, 0.02), quality=Moments())
    ramp = Ramp(
        weight=0.95,
        treatment=treatment,
        control=control,
        step_treatment=window(draw, 700, 0.8, 0.02),
        step_control=unscored,
        blocks=closed(treatment, control, {}),
    )
    quality = judge_ramp(ramp, PredictedImpact(), POLICY)[0]
    assert quality.metric is Metric.QUALITY and quality.margin == pytest.approx(0.04, abs=0.001)
    assert quality.allows(1.0)
