"""The reinforcement strategy: when it explores, what it refuses, what it tells."""

import pytest
from msgspec.structs import replace

from decision_stream.engine.measurements import taken_in
from decision_stream.model.insight import Hints
from decision_stream.model.outcome import CONTROL
from decision_stream.model.policy import MINUTE_MS, Policy, ReinforcementPolicy
from decision_stream.model.state import Bandit, ColdState, HotState, Live, ScopeState, Tombstone, Watch
from decision_stream.strategies.protocol import View
from decision_stream.strategies.reinforcement import Reinforcement
from tests.engine.market import Market, Truth, guess
from tests.factories import PREMIUM, SCOPE, START_MS, estimate, insight

STRATEGY = Reinforcement()
AT_MS = START_MS + 30 * MINUTE_MS


def view(*candidates, policy: Policy | None = None, windows: int = 30, cold: dict | None = None, **more) -> View:
    policy = policy or Policy()
    live = Live()
    for minute in range(windows):
        live = taken_in(live, insight(minute))
    event = insight(windows, **more)
    hot = STRATEGY.observe(HotState(live=live, windows=windows, at_ms=AT_MS), event, policy)
    known = {one.model: one for one in candidates}
    return View(
        state=ScopeState(scope=SCOPE, hot=hot, cold=ColdState(configuration=PREMIUM, estimates=known, **(cold or {}))),
        insight=event,
        configuration=PREMIUM,
        policy=policy,
        at_ms=AT_MS,
    )


def codes(opinion) -> list[str]:
    return [reason.code for reason in opinion.reasons]


UNKNOWN = estimate("unknown", samples=0)


def test_an_unknown_model_is_explored_on_a_thin_slice():
    (idea,) = STRATEGY.propose(view(UNKNOWN)).ideas
    start = idea.decision
    assert start.variants == (CONTROL, "unknown")
    assert start.yields
    assert start.shares[1] <= ReinforcementPolicy().exploration_rate
    assert start.context["intercept"] == 1.0
    assert idea.changes.facets == ()
    assert idea.evidence[0].method == "exploration_plan"


def test_calm_before_any_data():
    nothing = View(
        state=ScopeState(scope=SCOPE), insight=insight(0), configuration=PREMIUM, policy=Policy(), at_ms=START_MS
    )
    assert STRATEGY.propose(nothing).ideas == ()


def test_proposing_alters_nothing_and_answers_the_same():
    seen = view(UNKNOWN)
    before = seen.state
    assert STRATEGY.propose(seen) == STRATEGY.propose(seen)
    assert seen.state == before


@pytest.mark.parametrize(
    ("code", "changed"),
    [
        ("not_stable", {"stability": 0.7}),
        ("not_stable", {"windows": 29}),
        ("no_feedback", {"quality_samples": 0}),
        ("no_feedback", {"hints": Hints(feedback_available=False)}),
        ("between_looks", {"windows": 31}),
        ("pinned", {"cold": {"pinned_by": "user:ada"}}),
        ("explored_recently", {"cold": {"changed_at_ms": AT_MS - MINUTE_MS}}),
        ("explored_recently", {"cold": {"bandit": Bandit(explored_at_ms=AT_MS - MINUTE_MS)}}),
        ("exploration_budget_spent", {"cold": {"bandit": Bandit(spent_usd=10.0, spent_day=AT_MS // 86_400_000)}}),
        ("underpowered", {"quality_samples": 1}),
    ],
)
def test_what_forbids_to_explore_is_named(code, changed):
    opinion = STRATEGY.propose(view(UNKNOWN, **changed))
    assert opinion.ideas == ()
    assert code in codes(opinion)


def test_a_broken_limit_forbids_to_explore():
    seen = view(UNKNOWN)
    hot = replace(seen.state.hot, watches={"errors": Watch(windows=3, firing=True)})
    assert codes(STRATEGY.propose(replace_state(seen, hot=hot))) == ["not_stable"]


def replace_state(seen: View, **parts) -> View:
    return View(
        state=replace(seen.state, **parts),
        insight=seen.insight,
        configuration=seen.configuration,
        policy=seen.policy,
        at_ms=seen.at_ms,
    )


@pytest.mark.parametrize(
    ("code", "model"),
    [
        ("too_expensive", estimate("m", cost_usd=0.03, samples=0)),
        ("quality_too_low", estimate("m", quality=0.85)),
        ("too_slow", estimate("m", p95_ms=4_000.0)),
    ],
)
def test_a_model_that_could_not_be_switched_to_is_not_explored(code, model):
    opinion = STRATEGY.propose(view(model))
    assert opinion.ideas == ()
    assert code in codes(opinion)


def test_a_buried_model_is_not_explored():
    buried = {"tombstones": {"model=unknown": Tombstone(until_ms=AT_MS + 1)}}
    assert codes(STRATEGY.propose(view(UNKNOWN, cold=buried))) == ["no_candidates", "buried"]


def test_a_model_known_to_be_no_better_is_not_explored():
    assert "nothing_to_learn" in codes(STRATEGY.propose(view(estimate("same", samples=5_000))))


def test_the_likeliest_models_are_taken_and_the_others_named():
    many = [estimate(f"m{number}", cost_usd=0.001 * (1 + number), samples=50) for number in range(6)]
    (idea,) = STRATEGY.propose(view(*many)).ideas
    assert idea.decision.variants == (CONTROL, "m0", "m1", "m2")
    assert [it.what for it in idea.alternatives] == ["m3", "m4", "m5"]


def test_a_gain_that_is_not_proven_yet_tells_what_is_missing():
    models = {"premium": Truth(), "better": Truth(quality=0.84)}
    rules = Policy(catalog=(guess("better", models["better"]),), reinforcement=ReinforcementPolicy())
    market = Market(models, rules).run(42)
    told = [it for it in market.route.effects[-1].reasons if it.source == "reinforcement"]
    assert told and told[0].code in ("too_little_data", "gain_not_proven")
    assert told[0].limit is not None
    assert "effective" in told[0].detail


def test_a_switch_tells_the_terms_of_its_predicted_gain():
    models = {"premium": Truth(), "cheap": Truth(cost_usd=0.004)}
    market = Market(models, Policy(catalog=(guess("cheap", models["cheap"]),))).run(80)
    switch = next(it.decision for it in market.route.directives if it.decision.kind == "model_switch")
    terms = next(it for it in switch.evidence if it.method == "linear_contributions")
    assert sum(terms.contributions.values()) == pytest.approx(terms.statistic, abs=1e-9)
    assert set(terms.contributions) >= {"intercept", "hour_sin", "load"}
    assert switch.would_flip
