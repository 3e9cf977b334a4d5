"""Evidence that may be collected by a bandit."""

import random

import pytest
from scipy.special import betaln

from decision_stream.stats.e_process import Counts, log_evidence, p_value


def test_it_is_the_ratio_of_beta_marginals_to_the_best_common_rate():
    from math import log

    arms, total, hits = [Counts(12, 30), Counts(25, 20)], 87, 37
    expected = sum(betaln(a.successes + 0.5, a.failures + 0.5) - betaln(0.5, 0.5) for a in arms)
    expected -= hits * log(hits / total) + (total - hits) * log(1 - hits / total)
    assert log_evidence(arms) == pytest.approx(expected)


def test_a_bandit_that_starves_arms_is_not_fooled():
    rng, false = random.Random(4101), 0
    for _ in range(200):
        hits, misses = [0, 0], [0, 0]
        for _ in range(600):
            draws = [rng.betavariate(1 + hits[i], 1 + misses[i]) for i in (0, 1)]
            arm = draws[1] > draws[0]
            if rng.random() < 0.2:
                hits[arm] += 1
            else:
                misses[arm] += 1
            if p_value(log_evidence([Counts(hits[i], misses[i]) for i in (0, 1)])) <= 0.05:
                false += 1
                break
    assert false <= 0.05 * 200


def test_one_arm_is_no_comparison():
    with pytest.raises(ValueError, match="two arms"):
        log_evidence([Counts(1, 2)])


def test_overwhelming_evidence_is_zero_and_not_an_overflow():
    assert p_value(log_evidence([Counts(10_000, 0), Counts(0, 10_000)])) == 0.0
