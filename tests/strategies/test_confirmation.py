"""The second test of a challenger that won: its plan, its alpha, and its end."""

import random
from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from decision_stream.model.configuration import ConfigurationChanges, PromptChange
from decision_stream.model.metrics import ArmSample
from decision_stream.model.outcome import CONTROL
from decision_stream.model.policy import AbTestingPolicy, AdaptiveParametersPolicy, Policy
from decision_stream.model.state import Experiment
from decision_stream.stats.false_discovery import Ledger
from decision_stream.stats.moments import Moments
from decision_stream.strategies.comparison import alpha_each, under_test
from decision_stream.strategies.confirmation import SCREENING, confirming, first_alpha, judged, must_confirm

RULES = AbTestingPolicy(min_sample_size=100)
POLICY = Policy(ab_testing=RULES)


def arm(quality: float, count: int = 2_000) -> ArmSample:
    return ArmSample(requests=count, quality=Moments(count, quality, count * 0.04))


def experiment(strategy: str = "ab_testing", **qualities: float) -> Experiment:
    return Experiment(
        id="x",
        decision_id="d",
        strategy=strategy,
        number=1,
        shares=dict.fromkeys((CONTROL, *qualities), 1.0 / (1 + len(qualities))),
        challengers={it: ConfigurationChanges(prompt=PromptChange(old=None, new=it)) for it in qualities},
        alpha=first_alpha(RULES.alpha, "fixed", Ledger(), POLICY),
        planned_pairs=2_500.0,
        started_at_ms=0,
        samples={CONTROL: arm(0.8), **{name: arm(quality) for name, quality in qualities.items()}},
    )


def test_the_first_test_only_chooses_so_it_may_err_more_often():
    assert first_alpha(0.05, "fixed", Ledger(), POLICY) == SCREENING * 0.05
    off = Policy(ab_testing=replace(RULES, online_fdr=False))
    assert first_alpha(0.05, "fixed", Ledger(), off) == 0.05
    assert first_alpha(0.05, "ucb", Ledger(3), POLICY) == Ledger(3).level(0.05, RULES.idle_alpha)


def test_the_second_test_is_for_the_winner_alone_and_needs_more():
    first = experiment(good=0.82, best=0.84)
    found = judged(first, POLICY)
    assert found.winner.name == "best" and must_confirm(first, POLICY)
    again = confirming(first, found.winner, Ledger(4), POLICY, step=7)
    assert under_test(again) == ["best"] and alpha_each(again) == Ledger(4).level(RULES.alpha, RULES.idle_alpha)
    assert again.shares == {CONTROL: 0.5, "good": 0.0, "best": 0.5}
    assert again.planned_pairs > first.planned_pairs
    assert (again.test, again.step) == (5, 7)
    assert not must_confirm(again, POLICY)


def test_each_strategy_asks_its_own_alpha_of_the_purse():
    policy = Policy(ab_testing=RULES, adaptive_parameters=AdaptiveParametersPolicy(alpha=0.01))
    first = experiment("adaptive_parameters", trial=0.84)
    first = replace(
        first,
        samples={
            name: replace(it, cost_usd=Moments(2_000, 0.02, 0.01), latency_ms=Moments(2_000, 900.0, 1e6))
            for name, it in first.samples.items()
        },
    )
    again = confirming(first, judged(first, policy).winner, Ledger(), policy, step=1)
    assert again.alpha == Ledger().level(0.01, RULES.idle_alpha)


@pytest.mark.parametrize(
    ("quality", "count", "code", "over"),
    [
        (0.799, 500, "experiment_running", False),
        (0.799, 2_000, "not_confirmed", True),
        (0.801, 2_000, "experiment_running", False),
        (0.801, 9_000, "not_confirmed", True),
        (0.820, 9_000, "winner", True),
    ],
)
def test_a_candidate_is_confirmed_given_up_early_or_at_the_end(quality, count, code, over):
    first = experiment(best=0.84)
    again = confirming(first, judged(first, POLICY).winner, Ledger(), POLICY, step=1)
    again = replace(again, samples={CONTROL: arm(0.8, count), "best": arm(quality, count)})
    found = judged(again, POLICY)
    assert (found.code, found.over) == (code, over)


def arms_after(looks: int, rng: random.Random) -> Iterator[dict[str, ArmSample]]:
    """Sums of control and a challenger that is no different, look by look, 250 scores each."""
    sums = {CONTROL: 0.0, "best": 0.0}
    for look in range(1, looks + 1):
        count = 250 * look
        for name in sums:
            sums[name] += 250 * 0.8 + 0.2 * 250**0.5 * rng.gauss(0.0, 1.0)
        yield {name: arm(total / count, count) for name, total in sums.items()}


def adopts(policy: Policy, rng: random.Random, experiments: int = 40) -> bool:
    """Whether a scope on which nothing makes a difference ever adopts a winner."""
    rules, ledger = policy.ab_testing, Ledger()
    begun = replace(experiment(best=0.8), alpha=first_alpha(rules.alpha, "fixed", ledger, policy))
    for _ in range(experiments):
        test = begun
        for test_is_second in (False, True):
            found = None
            for samples in arms_after(40, rng):
                test = replace(test, samples=samples)
                found = judged(test, policy)
                if found.over:
                    break
            if found is None or found.winner is None:
                break
            if test_is_second:
                return True
            test, ledger = confirming(test, found.winner, ledger, policy, step=1), ledger.begun()
    return False


def test_a_scope_on_which_nothing_makes_a_difference_adopts_as_rarely_as_promised():
    # The promise of 0.001 cannot be seen in a test of seconds; one of 0.2, of which half is for winners, can.
    policy = Policy(ab_testing=replace(RULES, alpha=0.2, idle_alpha=0.2))
    rng = random.Random(6_301)
    adopted = sum(adopts(policy, rng) for _ in range(200))
    assert 0.02 <= adopted / 200 <= 0.10 + 2.0 * (0.10 * 0.90 / 200) ** 0.5
