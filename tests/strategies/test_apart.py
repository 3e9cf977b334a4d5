"""Measurements while an experiment runs: the configuration in use is told apart from what is served beside it."""

import pytest
from msgspec.structs import replace

from decision_stream.model.configuration import ConfigurationChanges
from decision_stream.model.metrics import ArmSample
from decision_stream.model.outcome import CONTROL
from decision_stream.model.state import Experiment, Live
from decision_stream.stats.moments import Moments
from decision_stream.strategies.apart import MINUTE_MS, apart

HOURS = 600 * MINUTE_MS
"""Long after the memory of what was before."""


def arm(requests: int, quality: float, cost_usd: float, latency_ms: float) -> ArmSample:
    return ArmSample(
        requests=requests,
        quality=Moments(requests // 4, quality, requests * 0.01),
        cost_usd=Moments(requests, cost_usd, requests * cost_usd**2 * 0.1),
        latency_ms=Moments(requests, latency_ms, requests * latency_ms**2 * 0.3),
    )


def experiment(**arms: ArmSample) -> Experiment:
    return Experiment(
        id="x",
        decision_id="d",
        strategy="reinforcement",
        number=1,
        shares=dict.fromkeys(arms, 1.0 / len(arms)),
        challengers={name: ConfigurationChanges() for name in arms if name != CONTROL},
        alpha=0.05,
        planned_pairs=1_000.0,
        started_at_ms=0,
        samples=arms,
    )


CONTROL_ARM = arm(9_000, 0.90, 0.020, 1_000.0)
CHEAP = experiment(**{CONTROL: CONTROL_ARM, "cheap": arm(1_000, 0.80, 0.002, 500.0)})
MIXED = Live(
    weight=50.0,
    requests=10_000.0,
    quality=0.89,
    quality_stddev=0.2,
    quality_samples=2_500.0,
    cost_usd=0.0182,
    cost_stddev_usd=0.005,
    latency_p50_ms=855.0,
    latency_p95_ms=1_900.0,
    error_rate=0.01,
)


def test_what_the_route_shows_is_freed_from_the_other_arms():
    found = apart(MIXED, CHEAP, HOURS)
    assert found.quality == pytest.approx(0.90, abs=1e-4)
    assert found.cost_usd == pytest.approx(0.020, rel=1e-4)
    assert found.latency_p50_ms == pytest.approx(900.0, rel=1e-4)
    assert found.latency_p95_ms == pytest.approx(2_000.0, rel=1e-4)
    assert replace(found, quality=0.89, cost_usd=0.0182, latency_p50_ms=855.0, latency_p95_ms=1_900.0) == MIXED


def test_no_more_than_the_memory_has_seen_of_it_is_taken_out():
    found = apart(MIXED, CHEAP, 35 * MINUTE_MS)
    assert found.cost_usd == pytest.approx(0.0182 * (0.020 / 0.0182) ** (1.0 - 0.98**35), rel=1e-3)


@pytest.mark.parametrize(
    ("live", "running"),
    [
        (Live(), CHEAP),
        (MIXED, experiment(**{CONTROL: arm(50, 0.9, 0.02, 1_000.0), "cheap": arm(50, 0.8, 0.002, 500.0)})),
        (MIXED, experiment(**{CONTROL: CONTROL_ARM, "cheap": ArmSample()})),
        (MIXED, experiment(**{CONTROL: arm(9_000, 0.9, 0.02, 1_000.0), "same": arm(1_000, 0.9, 0.02, 1_000.0)})),
    ],
)
def test_without_measurements_or_a_difference_nothing_moves(live, running):
    assert apart(live, running, HOURS) == live
