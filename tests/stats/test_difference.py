"""A difference of two arms against scipy's, and its clock under unequal weights."""

from random import Random

import pytest
from scipy.stats import ttest_ind

from decision_stream.stats.difference import Difference, difference, share
from decision_stream.stats.moments import Moments


def arm(values: list[float]) -> Moments:
    found = Moments()
    for value in values:
        found = found.apply(value)
    return found


def test_estimate_and_error_are_those_of_welchs_test():
    draw = Random(3)
    control, treatment = [draw.gauss(1.0, 2.0) for _ in range(60)], [draw.gauss(1.3, 0.5) for _ in range(200)]
    found = difference(arm(control), arm(treatment))
    theirs = ttest_ind(treatment, control, equal_var=False)
    assert found.estimate / found.standard_error == pytest.approx(theirs.statistic)


def test_pairs_are_units_an_arm_when_weights_are_even_and_fewer_when_they_are_not():
    even = difference(share(30, 100), share(40, 100))
    uneven = difference(share(54, 180), share(8, 40))
    assert even.pairs == pytest.approx(100.0)
    assert 40.0 < uneven.pairs < 100.0


def test_a_share_has_the_moments_of_its_ones_and_zeros():
    assert share(3, 4) == arm([1.0, 1.0, 1.0, 0.0])
    assert share(0, 0) == Moments()


def test_too_little_says_nothing():
    assert difference(share(5, 29), share(15, 30)) is None
    assert difference(share(30, 30), share(30, 30)) is None
    assert difference(arm([1.0]), arm([2.0]), burn_in=0) is None


def test_nonsense_is_refused():
    with pytest.raises(ValueError, match="hits"):
        share(4, 3)
    with pytest.raises(ValueError, match="difference"):
        Difference(0.1, 0.0, 10.0)
