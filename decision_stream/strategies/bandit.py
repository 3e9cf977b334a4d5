"""The bandit of a scope: what its arms are believed to be worth, with what shares they are served, and how it learns.

An arm is a configuration, known by its id. A report of an arm is one reward: the mean of the window, worth less when
few requests were scored. The state is in `model.state.Bandit`; the mathematics, and the setting that decision quality
is judged with, are in `stats/bandits/` (`shipped`). numpy is loaded by those who explore.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from math import sqrt
from struct import pack
from typing import TYPE_CHECKING

from msgspec.structs import replace

from ..model.metrics import ModelEstimate
from ..model.policy import ReinforcementPolicy
from ..model.state import Bandit, BanditArm
from ..stats.bandits import setting
from . import context as features
from .reward import expected_reward

if TYPE_CHECKING:
    from ..stats.bandits.beta import BetaState
    from ..stats.bandits.linear import LinearState
    from ..stats.bandits.linear_bandit import LinearBandit
    from ..stats.bandits.reset import Resetting, Watched
    from ..stats.bandits.rules import Rule

MAX_ARMS = 8
"""Arms that a scope remembers; the one that was served longest ago is forgotten for a new one."""
LEAST_SHARE = 0.01
"""No arm of an exploration gets less of the traffic: below, an off-policy weight is above 100."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beliefs:
    """Mean and standard deviation of what each arm is worth now, in the order of `arms`, the one in use first."""

    arms: tuple[str, ...]
    means: tuple[float, ...]
    deviations: tuple[float, ...]

    @property
    def worst_loss(self) -> float:
        """What a request may lose in reward on the worst arm: the first's mean less an arm's lower end, at most 1."""
        lows = [mean - 2.0 * deviation for mean, deviation in zip(self.means[1:], self.deviations[1:], strict=True)]
        return min(1.0, max(0.0, self.means[0] - min(lows, default=self.means[0])))


def prepared(bandit: Bandit, rules: ReinforcementPolicy) -> Bandit:
    """The bandit under these rules: arms that were learnt with other features start anew."""
    shape = shape_of(rules)
    if bandit.shape == shape:
        return bandit
    return Bandit(
        shape=shape,
        price=bandit.price,
        spent_usd=bandit.spent_usd,
        spent_day=bandit.spent_day,
        explored_at_ms=bandit.explored_at_ms,
        fruitless=bandit.fruitless,
    )


def shape_of(rules: ReinforcementPolicy) -> str:
    """A name for what arms are made of: which model, and which features.

    >>> shape_of(ReinforcementPolicy()) == shape_of(ReinforcementPolicy(context_dimension=3))
    False
    """
    kind = "beta" if _has_no_context(rules) else "linear:" + ",".join(features.names(rules))
    return blake2b(kind.encode(), digest_size=6).hexdigest()


def primed(bandit: Bandit, priors: Mapping[str, ModelEstimate], rules: ReinforcementPolicy) -> Bandit:
    """Arms that are new here start from what is said of their models; the more was seen, the more it counts.

    Without a word an arm starts optimistic.
    """
    arms = dict(bandit.arms)
    for arm in sorted(priors.keys() - arms.keys()):
        estimate = priors[arm]
        weight = _worth(estimate, rules)
        reward = expected_reward(estimate, rules)
        if _has_no_context(rules):
            arms[arm] = BanditArm(successes=weight * reward, failures=weight * (1.0 - reward), touched=bandit.clock)
        else:
            arms[arm] = _intercept(weight, reward, len(features.names(rules)), bandit.clock)
    return replace(bandit, arms=_kept(arms, priors))


def prior_deviation(estimate: ModelEstimate, rules: ReinforcementPolicy) -> float:
    """Standard deviation of what a model is worth when nothing but this is known of it."""
    return setting.NOISE / sqrt(1.0 + _worth(estimate, rules))


def believed(bandit: Bandit, context: Sequence[float], arms: Sequence[str], rules: ReinforcementPolicy) -> Beliefs:
    """What the arms are worth in this context."""
    found = (
        _context_free(rules).believe(_beta_state(bandit), (), arms)
        if _has_no_context(rules)
        else _contextual(rules).believe(_linear_state(bandit), context, arms)
    )
    return Beliefs(arms=found.names, means=found.means, deviations=found.deviations)


def shares(
    bandit: Bandit,
    context: Sequence[float],
    arms: Sequence[str],
    rules: ReinforcementPolicy,
    penalties: Sequence[float] | None = None,
) -> tuple[float, ...]:
    """Shares of the traffic of each arm, the one in use first, summing to 1: they are the propensities.

    A slice of the traffic is divided by the bandit, the rest stays with the configuration in use. The slice is the
    policy's, or less where an arm may be so bad that the route would lose more than `max_regret` by it; every arm gets
    its floor. `penalties` are taken from what the arms are worth.
    """
    beliefs = believed(bandit, context, arms, rules)
    part = min(rules.exploration_rate, rules.max_regret / max(beliefs.worst_loss, 1e-9))
    part = min(1.0, max(part, LEAST_SHARE * len(arms)))
    floor = min(1.0 / len(arms), max(rules.floor, LEAST_SHARE / part))
    chances = _chances(bandit, beliefs, rules, tuple(penalties or (0.0,) * len(arms)), floor)
    given = [round(part * chance, 6) for chance in chances[1:]]
    return (round(1.0 - sum(given), 6), *given)


def learnt(
    bandit: Bandit, arm: str, context: Sequence[float], reward: float, weight: float, rules: ReinforcementPolicy
) -> tuple[Bandit, bool]:
    """With a report of an arm, and whether the arm was found changed: then it starts anew from this report."""
    # Every arm is served in every window, and all reports of it count by their size: the propensity is the window's.
    if _has_no_context(rules):
        beta = _context_free(rules).learn(_beta_state(bandit), arm, (), reward, 1.0, weight)
        taught, changed = _with_beta(bandit, arm, beta.state), beta.changed
    else:
        linear = _contextual(rules).learn(_linear_state(bandit), arm, context, reward, 1.0, weight)
        taught, changed = _with_linear(bandit, arm, linear.state), linear.changed
    if changed:
        taught = replace(taught, evidence=without(bandit, arm).evidence)
    return replace(taught, arms=_kept(taught.arms, (arm,))), changed


def without(bandit: Bandit, arm: str) -> Bandit:
    """An arm forgotten with its evidence; with the arm in use goes the evidence of all, which compares with it."""
    return replace(
        bandit,
        arms={name: known for name, known in bandit.arms.items() if name != arm},
        evidence={}
        if arm == bandit.reference
        else {name: known for name, known in bandit.evidence.items() if name != arm},
    )


def compared_with(bandit: Bandit, reference: str) -> Bandit:
    """The bandit whose evidence is against this configuration; that against another is void."""
    return bandit if bandit.reference == reference else replace(bandit, reference=reference, evidence={}, fruitless=0)


def contributions(
    bandit: Bandit, context: Sequence[float], arm: str, base: str, rules: ReinforcementPolicy
) -> dict[str, float]:
    """What each feature adds to the predicted gain of an arm over another; their sum is the gain, exactly.

    Without a context there is one term.
    """
    if _has_no_context(rules):
        beliefs = believed(bandit, context, (base, arm), rules)
        return {"intercept": beliefs.means[1] - beliefs.means[0]}
    model, state = _linear(rules).model, _linear_state(bandit).learnt
    terms = zip(model.terms(state, context, arm), model.terms(state, context, base), strict=True)
    return {name: a - b for name, (a, b) in zip(features.names(rules), terms, strict=True)}


def _worth(estimate: ModelEstimate, rules: ReinforcementPolicy) -> float:
    """For how many reports an estimate counts."""
    return rules.prior_weight * estimate.samples / (estimate.samples + 100.0)


def _has_no_context(rules: ReinforcementPolicy) -> bool:
    return rules.algorithm == "thompson_sampling"


def _chances(
    bandit: Bandit, beliefs: Beliefs, rules: ReinforcementPolicy, penalties: tuple[float, ...], floor: float
) -> list[float]:
    """Probability of each arm within the slice, by the algorithm, each at least the floor."""
    from ..stats.bandits.beta import BetaThompson
    from ..stats.bandits.rules import Belief

    if rules.algorithm == "thompson_sampling" and not any(penalties):
        beta = BetaThompson(forgetting=rules.forgetting, floor=floor)
        taken = beta.select(_beta_state(bandit).learnt, (), beliefs.arms, 0.0)
    else:
        worth = tuple(mean - penalty for mean, penalty in zip(beliefs.means, penalties, strict=True))
        belief = Belief(beliefs.arms, worth, beliefs.deviations)
        taken = _rule(rules, floor, len(beliefs.arms)).select(belief, 0.0)
    return [chance for _, chance in taken.propensities]


def _rule(rules: ReinforcementPolicy, floor: float, arms: int) -> Rule:
    from ..stats.bandits.rules import EpsilonGreedy, ThompsonSampling, UpperConfidence

    match rules.algorithm:
        case "thompson_sampling":
            # A price of money moves a posterior out of [0, 1]: its normal neighbour takes over.
            return ThompsonSampling(scale=1.0, floor=floor)
        case "lin_ucb":
            return UpperConfidence(width=rules.alpha, floor=floor)
        case "epsilon_greedy":
            return EpsilonGreedy(epsilon=floor * arms)
        case _:
            return ThompsonSampling(scale=rules.posterior_scale, floor=floor)


def _intercept(weight: float, reward: float, dimension: int, clock: int) -> BanditArm:
    """An arm that knows its mean and nothing of features."""
    triangle = dimension * (dimension + 1) // 2
    return BanditArm(
        information=pack("<d", weight) + bytes(8 * (triangle - 1)),
        response=pack("<d", weight * (reward - 1.0)) + bytes(8 * (dimension - 1)),
        touched=clock,
    )


def _kept(arms: Mapping[str, BanditArm], wanted: Mapping[str, object] | Sequence[str]) -> dict[str, BanditArm]:
    """At most `MAX_ARMS`: those wanted, then those touched last; in the order of their names."""
    order = sorted(arms, key=lambda arm: (arm not in wanted, -arms[arm].touched, arm))
    return {arm: arms[arm] for arm in sorted(order[:MAX_ARMS])}


def _linear_state(bandit: Bandit) -> Watched[LinearState]:
    from ..stats.bandits.linear import Arm, LinearState
    from ..stats.bandits.reset import Watched

    arms = {name: Arm(arm.information, arm.response, arm.weight, arm.touched) for name, arm in bandit.arms.items()}
    return Watched(LinearState(arms, bandit.clock, bandit.residual, bandit.residual_weight), _suspicions(bandit))


def _beta_state(bandit: Bandit) -> Watched[BetaState]:
    from ..stats.bandits.beta import BetaArm, BetaState
    from ..stats.bandits.reset import Watched

    arms = {name: BetaArm(arm.successes, arm.failures, arm.touched) for name, arm in bandit.arms.items()}
    return Watched(BetaState(arms, bandit.clock, bandit.residual, bandit.residual_weight), _suspicions(bandit))


def _suspicions(bandit: Bandit) -> dict[str, tuple[float, ...]]:
    return {name: told for name, arm in bandit.arms.items() if isinstance(told := arm.suspicions, tuple) and told}


def _with_linear(bandit: Bandit, name: str, state: Watched[LinearState]) -> Bandit:
    arm = state.learnt.arms[name]
    known = BanditArm(
        information=arm.information,
        response=arm.response,
        weight=arm.weight,
        touched=arm.touched,
        suspicions=state.alarms.get(name, ()),
    )
    return _after(bandit, name, known, state.learnt)


def _with_beta(bandit: Bandit, name: str, state: Watched[BetaState]) -> Bandit:
    arm = state.learnt.arms[name]
    known = BanditArm(
        successes=arm.successes,
        failures=arm.failures,
        touched=arm.touched,
        suspicions=state.alarms.get(name, ()),
    )
    return _after(bandit, name, known, state.learnt)


def _after(bandit: Bandit, name: str, known: BanditArm, learnt: LinearState | BetaState) -> Bandit:
    """The bandit with one arm as it is after a report; the others fade when they are read, and are not written."""
    return replace(
        bandit,
        arms={**bandit.arms, name: known},
        clock=learnt.clock,
        residual=learnt.residual,
        residual_weight=learnt.residual_weight,
    )


@lru_cache(maxsize=16)
def _linear(rules: ReinforcementPolicy) -> LinearBandit:
    from ..stats.bandits.shipped import linear

    return linear(len(features.names(rules)), rules.forgetting)


@lru_cache(maxsize=16)
def _contextual(rules: ReinforcementPolicy) -> Resetting[LinearState]:
    from ..stats.bandits.shipped import contextual

    return contextual(len(features.names(rules)), rules.forgetting)


@lru_cache(maxsize=16)
def _context_free(rules: ReinforcementPolicy) -> Resetting[BetaState]:
    from ..stats.bandits.shipped import context_free

    return context_free(rules.forgetting)
