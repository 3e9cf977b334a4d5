"""Many experiments, one promise: Holm for a family, LORD++ for a stream."""

import random
from itertools import pairwise

import pytest

from decision_stream.stats.false_discovery import Ledger, _gamma
from decision_stream.stats.normal import upper


def test_levels_without_a_discovery_never_sum_to_more_than_half_of_alpha():
    ledger, spent = Ledger(), 0.0
    for _ in range(3000):
        spent += ledger.level(0.05)
        ledger = ledger.begun()
    assert spent < 0.025


def test_the_series_falls_and_sums_to_one_at_most():
    terms = [_gamma(number) for number in range(1, 5000)]
    assert all(a >= b for a, b in pairwise(terms[1:]))
    assert sum(terms) < 1.0


def test_the_share_of_false_discoveries_stays_below_alpha():
    rng, shares = random.Random(4401), []
    for _ in range(60):
        ledger, false, all_found = Ledger(), 0, 0
        for number in range(1, 201):
            real = rng.random() < 0.3
            z = rng.gauss(3.0 if real else 0.0, 1.0)
            level, ledger = ledger.level(0.1), ledger.begun()
            if upper(z) <= level:
                ledger, all_found, false = ledger.discovered(number), all_found + 1, false + (not real)
        shares.append(false / max(1, all_found))
    assert sum(shares) / len(shares) <= 0.1


def test_a_discovery_refills_the_purse():
    assert Ledger(3, (3,)).level(0.05) > Ledger(3).level(0.05)


def test_a_discovery_of_no_experiment_is_refused():
    with pytest.raises(ValueError, match="not among"):
        Ledger(2, (3,))
