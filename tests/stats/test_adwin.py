"""ADWIN: detections of river, quiet on noise, quick on a change, the same after a round trip."""

import json
from pathlib import Path
from random import Random

import pytest

from decision_stream.stats.adwin import Adwin

FIXTURE = json.loads((Path(__file__).parent / "fixtures" / "drift.json").read_text())


def stream(seed: int) -> list[float]:
    """3,000 values: failures that rise, scores that jump to and fro, or scaled latencies that grow, by seed."""
    draw = Random(f"drift {seed}")
    if seed % 3 == 0:
        return [float(draw.random() < (0.05 if place < 1_500 else 0.15)) for place in range(3_000)]
    if seed % 3 == 1:
        return [min(1.0, max(0.0, draw.gauss(0.4 + 0.1 * (place // 750 % 2), 0.1))) for place in range(3_000)]
    return [min(1.0, draw.lognormvariate(-2.5, 0.6) * (1.0 if place < 1_500 else 1.4)) for place in range(3_000)]


@pytest.mark.parametrize("row", FIXTURE["adwin"], ids=lambda row: f"{row['seed']}-clock{row['clock']}")
def test_detections_are_those_of_river(row):
    values, window, found = stream(row["seed"]), Adwin(), []
    clock = row["clock"]
    for end in range(clock, len(values) + 1, clock):
        window, changed = window.extended(values[end - clock : end], max_count=len(values))
        if changed:
            found.append(end - 1)
            window = Adwin()
    assert found == row["found"]


def alarms(values, **options) -> list[int]:
    window, found = Adwin(), []
    for place, value in enumerate(values):
        window, changed = window.apply(value, **options)
        if changed:
            found.append(place)
    return found


def test_noise_raises_few_alarms():
    """100 streams of 1,000 Bernoulli values at delta .002: river's own figure is 0 in 20,000 values."""
    total = sum(
        len(alarms([float(draw.random() < 0.2) for _ in range(1_000)]))
        for draw in (Random(seed) for seed in range(100))
    )
    assert total <= 2, f"{total} alarms in 100,000 values"


@pytest.mark.parametrize("seed", range(5))
def test_a_shift_of_the_mean_is_found_soon_and_the_past_is_dropped(seed):
    draw = Random(seed)
    values = [min(1.0, max(0.0, draw.gauss(0.4 if place < 400 else 0.6, 0.1))) for place in range(600)]
    found = alarms(values)
    assert found and 400 <= found[0] < 480, f"seed {seed}: {found}"
    window = Adwin()
    for value in values:
        window, _ = window.apply(value)
    assert window.mean == pytest.approx(0.6, abs=0.05)


def test_a_constant_stream_never_alarms():
    assert alarms([0.5] * 2_000) == []


def test_the_window_is_bounded_and_its_mean_right():
    draw = Random(2)
    window = Adwin()
    values = [draw.random() for _ in range(300)]
    for value in values:
        window, _ = window.apply(value)
    assert window.count == 300 and window.mean == pytest.approx(sum(values) / 300)
    for value in [draw.random() for _ in range(2_000)]:
        window, _ = window.apply(value, max_count=500)
    assert window.count <= 500 and len(window.encoded()) < 1_300


def test_the_spread_of_merged_buckets_is_that_of_their_values():
    values = [0.1, 0.9, 0.4, 0.6, 0.2, 0.7, 0.3, 0.8] * 4
    window = Adwin()
    for value in values:
        window, _ = window.apply(value)
    mean = sum(values) / len(values)
    total = sum(bucket.spread + bucket.count * (bucket.total / bucket.count - mean) ** 2 for bucket in window.buckets)
    assert total == pytest.approx(sum((value - mean) ** 2 for value in values))


def test_bytes_round_trip_exactly():
    draw = Random(3)
    window = Adwin()
    for _ in range(137):
        window, _ = window.apply(draw.random())
    assert Adwin.decoded(window.encoded()) == window
    assert Adwin.decoded(b"") == Adwin()


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_values_outside_the_unit_interval_are_refused(value):
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        Adwin().apply(value)
