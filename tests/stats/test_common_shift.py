"""A shift that others share, told from one they do not share, by running means that move slowly."""

from random import Random

import pytest

from decision_stream.stats.common_shift import log_ratio, new_share

VARIANCE, NEW, MODELS = 0.04, 60, 4


def reported(draws: Random, kept: float, shift: float, since: int, reports: int):
    """Sizes and mean of means after each report of a source that keeps so much of what it knew.

    The truth of every model falls by `shift` at report `since`.
    """
    size, means = NEW / (1.0 - kept), [0.85 + draws.gauss(0.0, 0.006) for _ in range(MODELS)]
    for number in range(reports):
        truth = 0.85 - (shift if number >= since else 0.0)
        fresh = [draws.gauss(truth, (VARIANCE / NEW) ** 0.5) for _ in means]
        means = [mean * kept + (1.0 - kept) * new for mean, new in zip(means, fresh, strict=True)]
        yield MODELS * size, sum(means) / MODELS


def learnt(draws: Random, kept: float, shift: float, after: int) -> float:
    """The log ratio after so many reports of a shift of the model in use, after 40 that teach what is usual."""
    before, square, size, moved = None, 0.0, 0.0, 0.0
    for number, (told, average) in enumerate(reported(draws, kept, shift, 41, 41 + after)):
        size = told
        if before is not None and number < 41:
            square += ((average - before) ** 2 - square) / number
        elif before is not None:
            moved += average - before
        before = average
    return log_ratio(moved, after, square, size, VARIANCE, -0.06)


@pytest.mark.parametrize("kept", [0.0, 0.8, 0.95])
def test_the_share_of_what_is_new_follows_from_the_noise(kept):
    draws, steps, before = Random(1), [], None
    for _, average in reported(draws, kept, 0.0, 0, 4_000):
        if before is not None:
            steps.append((average - before) ** 2)
        before = average
    size = MODELS * NEW / (1.0 - kept)
    assert new_share(sum(steps) / len(steps), size, VARIANCE) == pytest.approx(1.0 - kept, rel=0.1)


@pytest.mark.parametrize("kept", [0.0, 0.8, 0.95])
def test_who_shares_a_shift_is_told_within_two_reports(kept):
    """Of 200 shifts of six points, those that are judged 20 to 1 the wrong way are few, those judged rightly most."""
    shared = [learnt(Random(seed), kept, 0.06, 2) for seed in range(200)]
    alone = [learnt(Random(seed), kept, 0.0, 2) for seed in range(200)]
    assert sum(ratio < -3.0 for ratio in shared) <= 2
    assert sum(ratio > 3.0 for ratio in alone) <= 6
    assert sum(ratio > 3.0 for ratio in shared) >= 140


def test_nothing_is_said_without_reports_or_of_no_shift():
    assert log_ratio(0.0, 0, 1e-6, 1_000.0, VARIANCE, -0.05) == 0.0
    assert log_ratio(-0.01, 2, 1e-6, 1_000.0, VARIANCE, 0.0) == 0.0


def test_numbers_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="must be positive"):
        log_ratio(0.0, 1, 0.0, 1_000.0, VARIANCE, -0.05)
