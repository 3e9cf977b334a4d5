"""Sample ratio mismatch."""

import random

import pytest

from decision_stream.stats.sample_ratio import SampleRatio


def first_alarm(rng: random.Random, share: float, units: int) -> int | None:
    watch = SampleRatio(weights=(0.5, 0.5))
    for n in range(1, units + 1):
        watch = watch.counted((0, 1) if rng.random() < share else (1, 0))
        if watch.p_value() <= 0.001:
            return n
    return None


def test_clean_experiments_are_left_alone_at_every_look():
    rng = random.Random(4301)
    assert sum(first_alarm(rng, 0.5, 1500) is not None for _ in range(100)) <= 1


def test_a_tenth_of_the_units_lost_on_one_arm_is_found():
    rng = random.Random(4302)
    found = [first_alarm(rng, 0.6, 3000) for _ in range(20)]
    assert all(found)
    assert sorted(found)[10] < 800


def test_changed_weights_are_no_mismatch():
    rng, watch = random.Random(4303), SampleRatio(weights=(0.95, 0.05))
    for share in (0.05, 0.2, 0.5):
        watch = watch.reweighted((1 - share, share))
        hits = sum(rng.random() < share for _ in range(4000))
        watch = watch.counted((4000 - hits, hits))
    assert watch.p_value() > 0.01


def test_weights_need_not_sum_to_one():
    assert SampleRatio(weights=(1, 1)).counted((30, 50)).p_value() == pytest.approx(
        SampleRatio(weights=(0.5, 0.5)).counted((30, 50)).p_value()
    )


def test_an_arm_without_weight_is_refused():
    with pytest.raises(ValueError, match="positive weights"):
        SampleRatio(weights=(1.0, 0.0))
