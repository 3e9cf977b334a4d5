"""The standard normal distribution against scipy's, far into its tails."""

import pytest
from scipy.stats import norm

from decision_stream.stats import normal


@pytest.mark.parametrize("value", [-37.0, -8.0, -1.5, 0.0, 0.3, 4.0, 30.0])
def test_tails_and_density_keep_their_relative_precision(value):
    assert normal.lower(value) == pytest.approx(norm.cdf(value), rel=1e-11)
    assert normal.upper(value) == pytest.approx(norm.sf(value), rel=1e-11)
    assert normal.density(value) == pytest.approx(norm.pdf(value), rel=1e-12)


@pytest.mark.parametrize("probability", [1e-12, 0.001, 0.3, 0.5, 0.975, 1.0 - 1e-9])
def test_quantiles_are_scipys(probability):
    assert normal.quantile(probability) == pytest.approx(norm.ppf(probability), rel=1e-9)


@pytest.mark.parametrize("probability", [0.0, 1.0, -0.1, float("nan")])
def test_what_is_no_probability_is_refused(probability):
    with pytest.raises(ValueError, match="inside"):
        normal.quantile(probability)
