"""What a bandit sees: bounded features, no jump at midnight, nothing padded."""

from math import dist

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from decision_stream.model.insight import Budget
from decision_stream.model.policy import DAY_MS, ReinforcementPolicy
from decision_stream.model.state import HotState, Live
from decision_stream.strategies.context import context_at, names, pace_of, packed
from tests.factories import MINUTE_MS, START_MS, insight

RULES = ReinforcementPolicy()


def seen(rules: ReinforcementPolicy = RULES, **more) -> HotState:
    hot = HotState(live=Live(weight=10.0, requests=2_000.0, quality=0.9))
    return replace(hot, context=packed(hot, insight(0, **more), rules))


def test_midnight_is_no_jump():
    hot, midnight = seen(), START_MS - START_MS % DAY_MS
    before, after = (context_at(hot, midnight + shift, RULES) for shift in (-MINUTE_MS, MINUTE_MS))
    assert dist(before, after) < 0.02
    noon = context_at(hot, midnight + DAY_MS // 2, RULES)
    assert dist(before, noon) > 1.0


def test_nothing_is_padded():
    assert len(names(RULES)) == 12
    assert names(RULES)[0] == "intercept"
    assert len(context_at(seen(), START_MS, RULES)) == 12
    short = ReinforcementPolicy(context_dimension=7)
    assert len(context_at(seen(short), START_MS, short)) == len(names(short)) == 7


def test_segments_are_features_where_the_policy_names_them():
    rules = ReinforcementPolicy(segments=("code", "chat"))
    hot = seen(rules, segments={"code": 0.75, "law": 0.25})
    found = dict(zip(names(rules), context_at(hot, START_MS, rules), strict=True))
    assert (found["segment:code"], found["segment:chat"]) == (0.75, 0.0)
    assert "segment:law" not in found


def test_before_an_insight_and_under_other_rules_there_is_no_context():
    assert context_at(HotState(), START_MS, RULES) is None
    assert context_at(seen(), START_MS, ReinforcementPolicy(segments=("code",))) is None
    assert pace_of(HotState(), RULES) is None


def test_the_pace_is_what_the_day_will_cost_over_what_is_left():
    budget = Budget(daily_limit_usd=100.0, spent_usd=60.0, resets_at_ms=START_MS + 20 * MINUTE_MS)
    # 200 requests a minute at .02 USD for 20 minutes are 80 USD; 40 are left.
    assert pace_of(seen(budget=budget), RULES) == pytest.approx(2.0, rel=1e-6)
    assert pace_of(seen(), RULES) is None
    gone = replace(budget, spent_usd=1e6)
    assert pace_of(seen(budget=gone), RULES) == pytest.approx(10.0)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    requests=st.integers(0, 10**9),
    error_rate=st.floats(0.0, 1.0),
    p95_ms=st.floats(0.0, 1e9),
    quality=st.floats(0.0, 1.0),
    cost_usd=st.floats(0.0, 1e6),
    stability=st.floats(0.0, 1.0),
    spent=st.floats(0.0, 1e9),
)
def test_features_stay_within_their_bounds(requests, error_rate, p95_ms, quality, cost_usd, stability, spent):
    budget = Budget(daily_limit_usd=5.0, spent_usd=spent, resets_at_ms=START_MS)
    hot = seen(
        requests=requests,
        error_rate=error_rate,
        p95_ms=p95_ms,
        quality=quality,
        cost_usd=cost_usd,
        stability=stability,
        budget=budget,
    )
    assert all(-1.0 <= value <= 2.0 for value in context_at(hot, START_MS, RULES))
