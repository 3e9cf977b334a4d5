"""Many experiments, one promise: Holm for a family, LORD++ for a stream."""

import random
from itertools import pairwise

import pytest

from decision_stream.stats.false_discovery import Ledger, _gamma
from decision_stream.stats.normal import upper


@pytest.mark.parametrize(("idle_alpha", "most"), [(0.001, 0.001), (0.2, 0.05)])
def test_levels_without_a_discovery_never_sum_to_more_than_what_an_idle_scope_may_spend(idle_alpha, most):
    ledger, spent = Ledger(), 0.0
    for _ in range(3000):
        spent += ledger.level(0.05, idle_alpha)
        ledger = ledger.begun()
    assert 0.95 * most < spent < most


def test_the_series_falls_and_sums_to_one_at_most():
    terms = [_gamma(number) for number in range(1, 5000)]
    assert all(a >= b for a, b in pairwise(terms[1:]))
    assert sum(terms) < 1.0


@pytest.mark.parametrize("idle_alpha", [0.001, 0.1])
def test_the_share_of_false_discoveries_stays_below_alpha(idle_alpha):
    rng, shares = random.Random(4401), []
    for _ in range(60):
        ledger, false, all_found = Ledger(), 0, 0
        for number in range(1, 201):
            real = rng.random() < 0.3
            z = rng.gauss(3.0 if real else 0.0, 1.0)
            level, ledger = ledger.level(0.1, idle_alpha), ledger.begun()
            if upper(z) <= level:
                ledger, all_found, false = ledger.discovered(number), all_found + 1, false + (not real)
        shares.append(false / max(1, all_found))
    assert sum(shares) / len(shares) <= 0.1


def test_a_discovery_refills_the_purse():
    assert Ledger(3, (3,)).level(0.05, 0.001) > 100.0 * Ledger(3).level(0.05, 0.001)


def test_a_discovery_of_no_experiment_is_refused():
    with pytest.raises(ValueError, match="not among"):
        Ledger(2, (3,))
