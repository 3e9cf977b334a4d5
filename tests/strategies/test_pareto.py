"""The Pareto strategy: proven gains only, rankings that units and bystanders cannot change."""

from itertools import pairwise
from math import log, log1p
from random import Random

import pytest
from msgspec.structs import replace

from decision_stream.engine.measurements import taken_in
from decision_stream.engine.step import step
from decision_stream.model.metrics import Cost
from decision_stream.model.policy import ParetoPolicy, Policy
from decision_stream.model.state import ColdState, Company, ConfigurationVersion, HotState, Live, ScopeState
from decision_stream.strategies.estimates import impact_of_switch, scored
from decision_stream.strategies.frontier import probability_of_domination
from decision_stream.strategies.pareto import LUCK, Pareto
from decision_stream.strategies.protocol import View
from tests.factories import PREMIUM, SCOPE, START_MS, estimate, insight

RULES = ParetoPolicy()


def view(candidates, *, windows: int = 30, policy: Policy | None = None, **measured) -> View:
    live = Live()
    for minute in range(windows):
        live = taken_in(live, insight(minute, **measured))
    cold = ColdState(configuration=PREMIUM, estimates={one.model: one for one in candidates})
    return View(
        state=ScopeState(scope=SCOPE, hot=HotState(live=live), cold=cold),
        insight=insight(windows, **measured),
        configuration=PREMIUM,
        policy=policy or Policy(),
        at_ms=START_MS,
    )


def codes(opinion) -> set[str]:
    return {reason.code for reason in opinion.reasons}


def test_a_much_cheaper_model_of_equal_quality_is_proposed_with_its_evidence():
    opinion = Pareto().propose(view([estimate("cheap", cost_usd=0.002)]))
    (idea,) = opinion.ideas
    assert idea.decision.to_model == "cheap"
    assert idea.impact.cost.delta == pytest.approx(-0.9, abs=0.01)
    assert idea.evidence[0].interval.low >= RULES.min_gain
    assert 0.99 < idea.confidence <= 1.0 and "instead of" in idea.would_flip


@pytest.mark.parametrize(
    ("rival", "code"),
    [
        (estimate("new", cost_usd=0.001, samples=50), "too_little_data"),
        (estimate("bad", cost_usd=0.001, quality=0.6), "quality_too_low"),
        (estimate("dear", cost_usd=2.0, quality=1.0), "too_expensive"),
        (estimate("slow", cost_usd=0.001, p95_ms=9_000.0), "too_slow"),
        (estimate("same"), "gain_not_proven"),
    ],
)
def test_an_unfit_or_unproven_rival_is_refused_by_name(rival, code):
    opinion = Pareto().propose(view([rival]))
    assert opinion.ideas == () and code in codes(opinion)


@pytest.mark.parametrize(("lost", "code"), [(0.0, None), (-0.005, None), (-0.018, "quality_too_low"), (0.05, None)])
def test_what_changes_may_give_up_is_for_all_of_them_together(lost, code):
    """A rival that is 1.1 % worse may come first; after another that gave up 1.8 % it may not."""
    seen = view([estimate("cheap", cost_usd=0.002, quality=0.89)])
    version = ConfigurationVersion(configuration=PREMIUM, since_ms=START_MS, quality=lost)
    cold = replace(seen.state.cold, history=(version,))
    opinion = Pareto().propose(replace(seen, state=replace(seen.state, cold=cold)))
    assert (code in codes(opinion)) if code else opinion.ideas


def test_long_windows_are_forgotten_as_fast_as_short_ones():
    short, long = Live(), Live()
    for minute in range(30):
        short = taken_in(short, insight(minute))
        if minute % 5 == 0:
            long = taken_in(long, replace(insight(minute), window_ms=5 * 60_000))
    for minute in range(30, 60):
        short = taken_in(short, insight(minute, cost_usd=0.04))
        if minute % 5 == 0:
            long = taken_in(long, replace(insight(minute, cost_usd=0.04), window_ms=5 * 60_000))
    assert long.cost_usd == pytest.approx(short.cost_usd, rel=0.02) and short.cost_usd > 0.03


def test_while_a_loss_is_excused_models_are_not_compared():
    """Others are known from before the requests became harder."""
    seen = view([estimate("cheap", cost_usd=0.002)])
    for excused, proposes in ((0.05, False), (0.005, True)):
        hot = replace(seen.state.hot, company=Company(others=1, excused=excused))
        opinion = Pareto().propose(replace(seen, state=replace(seen.state, hot=hot)))
        assert bool(opinion.ideas) is proposes and ("not_comparable" in codes(opinion)) is not proposes


def test_what_the_constraints_forbid_does_not_stand_in_the_way_of_the_next_best():
    """The cheapest would be twice as slow, which no gain in utility excuses."""
    slow, quick = estimate("slow", cost_usd=0.001, p95_ms=4_000.0), estimate("quick", cost_usd=0.004)
    opinion = Pareto().propose(view([slow, quick]))
    (idea,) = opinion.ideas
    assert idea.decision.to_model == "quick" and "beyond_constraints" in codes(opinion)
    (reason,) = (reason for reason in opinion.reasons if reason.code == "beyond_constraints")
    assert reason.detail == "slow: latency_constraint" and reason.value > reason.limit == 0.15
    alone = Pareto().propose(view([slow]))
    assert alone.ideas == () and "beyond_constraints" in codes(alone)


@pytest.mark.parametrize(("factor", "remembered"), [(20.0, 1.0), (1.1, 0.03), (0.5, 1.0)])
def test_another_price_is_believed_at_once(factor, remembered):
    """As a share of the way from the old price to the new one."""
    live = Live()
    for minute in range(60):
        live = taken_in(live, insight(minute, cost_usd=0.02))
    found = taken_in(live, insight(60, cost_usd=0.02 * factor)).cost_usd
    assert (found / 0.02 - 1.0) / (factor - 1.0) == pytest.approx(remembered, abs=0.01)


def test_a_few_dear_requests_are_no_other_price():
    live = Live()
    for minute in range(60):
        live = taken_in(live, insight(minute, cost_usd=0.02))
    few = replace(insight(60, cost_usd=0.03, requests=9), cost=Cost(per_request_usd=0.03, stddev_usd=0.06))
    assert taken_in(live, few).cost_usd < 0.0205


def test_nothing_is_said_before_the_model_in_use_was_measured():
    opinion = Pareto().propose(view([estimate("cheap", cost_usd=0.002)], windows=0))
    assert opinion.ideas == () and codes(opinion) == {"too_little_data"}


def test_the_choice_does_not_change_when_a_hopeless_model_is_added():
    rivals = [estimate("one", cost_usd=0.004, quality=0.91), estimate("two", cost_usd=0.001, quality=0.89)]
    alone = Pareto().propose(view(rivals)).ideas[0].decision.to_model
    hopeless = estimate("hopeless", quality=0.885, cost_usd=0.9, p95_ms=4_000.0)
    (idea,) = Pareto().propose(view([*rivals, hopeless])).ideas
    assert idea.decision.to_model == alone
    found = Pareto().propose(view([*rivals, hopeless]))
    assert {point.model: point.standing for point in found.frontier} == {
        "premium": "in_use", "one": "frontier", "two": "frontier", "hopeless": "dominated"
    }  # fmt: skip
    (told,) = [reason for reason in found.reasons if reason.code == "dominated"]
    assert told.detail.startswith("hopeless by ") and told.value >= 0.95


def test_a_noisy_copy_of_the_model_in_use_is_never_chosen_however_often_one_looks():
    """A/A: 200 routes, each looked at after every window; the interval allows 5 % of them."""
    chosen = 0
    for seed in range(200):
        draws = Random(seed)
        live = Live()
        scores = costs = 0.0
        for minute in range(120):
            samples = 100
            deviation = 0.2 / samples**0.5
            seen = insight(minute, quality=min(1.0, draws.gauss(0.85, deviation)), cost_usd=draws.gauss(0.02, 0.0005))
            live = taken_in(live, seen)
            scores += draws.gauss(0.85, deviation)
            costs += draws.gauss(0.02, 0.0005)
            count = minute + 1
            rival = replace(
                estimate("copy", quality=min(1.0, scores / count), cost_usd=costs / count), samples=samples * count
            )
            cold = ColdState(configuration=PREMIUM, estimates={"copy": rival})
            looked = View(
                state=ScopeState(scope=SCOPE, hot=HotState(live=live), cold=cold),
                insight=seen,
                configuration=PREMIUM,
                policy=Policy(pareto=ParetoPolicy(min_gain=0.0)),
                at_ms=START_MS,
            )
            if Pareto().propose(looked).ideas:
                chosen += 1
                break
    assert chosen <= 17, f"{chosen} of 200 looked better than themselves (17 is the 97.5 % limit at 5 %)"


def test_utility_is_the_same_in_any_unit_of_cost_when_the_range_has_it_too():
    scaled = replace(RULES, cost_range=replace(RULES.cost_range, ideal=0.1, nadir=1_000.0))
    one = scored(estimate("m", cost_usd=0.02), RULES)
    thousand = scored(estimate("m", cost_usd=20.0), scaled)
    assert one.utility == pytest.approx(thousand.utility) and one.error == pytest.approx(thousand.error)


def test_domination_is_a_matter_of_probability():
    def probability(one, other):
        return probability_of_domination(scored(one, RULES), scored(other, RULES))

    assert probability(estimate("a"), estimate("b")) == pytest.approx(0.125)
    better = estimate("a", quality=0.95, cost_usd=0.015, p95_ms=1_500.0)
    assert probability(better, estimate("b")) > 0.99
    assert probability(replace(better, cost_usd=0.03), estimate("b")) < 0.01


def test_a_settled_route_is_looked_at_every_five_minutes_and_at_once_when_there_is_news():
    state, looked = ScopeState(scope=SCOPE), []
    for minute in range(160):
        told = (estimate("other", cost_usd=0.019, samples=2_000 + 1_000 * (minute >= 151)),)
        seen = insight(minute, candidates=told)
        state, effects = step(state, seen, Policy())
        if all(reason.code != "no_occasion" for reason in effects.reasons if reason.source == "pareto"):
            looked.append(minute)
    settled = [minute for minute in looked if minute > 125]
    assert len(settled) == 8 and 151 in settled
    regular = [minute for minute in settled if minute != 151]
    assert {b - a for a, b in pairwise(regular)} == {5}


def chosen_by_luck(rng: Random, luck: float) -> float | None:
    """Where the truth lies in the interval of the first switch that the constraints allow, -1 and 1 being its ends.

    Of three models, each a little worse than the one in use, sixty scores come in every hour. None without a switch.
    """
    in_use = estimate("premium", quality=0.90, samples=20_000)
    truths = [rng.gauss(0.87, 0.01) for _ in range(3)]
    sums = [0.0, 0.0, 0.0]
    for hour in range(1, 25):
        sums = [total + 60 * truth + rng.gauss(0.0, 0.2 * 60**0.5) for total, truth in zip(sums, truths, strict=True)]
        means = [min(1.0, total / (60 * hour)) for total in sums]
        best = max(range(3), key=means.__getitem__)
        told = impact_of_switch(in_use, estimate("rival", quality=means[best], samples=60 * hour), luck=luck).quality
        if hour < 3 or means[best] < 0.98 * 0.90 or told.interval.low < -0.05:
            continue
        low, high, truth = log1p(told.interval.low), log1p(told.interval.high), log(truths[best] / 0.90)
        return (2.0 * truth - low - high) / (high - low)
    return None


def test_the_impact_of_the_one_that_is_chosen_is_no_better_than_it_says():
    """What is chosen among several, for its good estimates, is mostly one whose errors were kind."""
    found = {}
    for luck in (0.0, LUCK):
        rng = Random(6_101)
        found[luck] = [it for _ in range(1_500) if (it := chosen_by_luck(rng, luck)) is not None]
    centres = {luck: sum(places) / len(places) for luck, places in found.items()}
    assert centres[0.0] < -0.4 < 1.5 * centres[LUCK] < 0.0
    assert sum(abs(place) <= 1.0 for place in found[LUCK]) / len(found[LUCK]) >= 0.95
