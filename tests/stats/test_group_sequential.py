"""Bounds for planned looks."""

import random

import pytest

from decision_stream.stats.group_sequential import bounds, crossed


def test_fourteen_looks_agree_with_a_published_implementation():
    # spotify-confidence 4.1.0, quadratic spending, 14 equal looks: from 3.657 to 2.198.
    found = bounds(tuple(look / 14 for look in range(1, 15)))
    assert (round(found[0], 3), round(found[-1], 3)) == (3.657, 2.198)


@pytest.mark.parametrize("sides", [1, 2])
def test_crossing_any_bound_has_probability_alpha(sides):
    rng, looks = random.Random(4201), (0.2, 0.5, 0.7, 1.0)
    limits, hits = bounds(looks, alpha=0.1, sides=sides), 0
    for _ in range(8000):
        position = before = 0.0
        for look, limit in zip(looks, limits, strict=True):
            position += rng.gauss(0.0, (look - before) ** 0.5)
            before = look
            z = position / look**0.5
            if (abs(z) if sides == 2 else z) >= limit:
                hits += 1
                break
    assert hits / 8000 == pytest.approx(0.1, abs=0.012)


def test_one_look_is_the_ordinary_test():
    assert bounds((1.0,))[0] == pytest.approx(1.959964, abs=1e-6)


def test_looks_must_rise():
    with pytest.raises(ValueError, match="rise"):
        bounds((0.5, 0.5))


def test_nothing_crossed_is_none():
    assert crossed([0.1, 0.2], bounds((0.5, 1.0))) is None
