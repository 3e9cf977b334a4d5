"""Shares of an A/B experiment that follow its outcomes: Thompson sampling, upper bounds, epsilon-greedy (seed §4.1).

What they do for the users on the way they take from the test: the arm that seems worse is starved, and a winner is
slower to prove (docs/decisions/0004). Every arm keeps its floor.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import log, sqrt

from ..model.metrics import ArmSample
from ..model.policy import Allocation, EpsilonGreedy, FixedAllocation, ThompsonSampling, UpperConfidenceBound


def next_shares(
    allocation: Allocation, samples: Mapping[str, ArmSample], arms: tuple[str, ...], floor: float
) -> tuple[float, ...] | None:
    """Shares by arm, in the order of `arms` and summing to 1; None for fixed shares, or before every arm was scored.

    >>> from decision_stream.stats.moments import Moments
    >>> seen = {"control": ArmSample(quality=Moments(9, 0.8, 0.1)), "new": ArmSample(quality=Moments(9, 0.9, 0.1))}
    >>> next_shares(EpsilonGreedy(epsilon=0.2), seen, ("control", "new"), floor=0.05)
    (0.1, 0.9)
    """
    scores = [samples[arm].quality for arm in arms]
    if any(not score.count for score in scores):
        return None
    match allocation:
        case FixedAllocation():
            return None
        case EpsilonGreedy(epsilon=epsilon):
            wanted = _best([score.mean for score in scores], epsilon)
        case UpperConfidenceBound(exploration_param=width):
            total = sum(score.count for score in scores)
            wanted = _best([score.mean + width * sqrt(2.0 * log(total) / score.count) for score in scores], 0.0)
        case ThompsonSampling(prior_alpha=alpha, prior_beta=beta):
            # numpy is loaded only by those who ask for it.
            from ..stats.bandits.beta import BetaArm, BetaState, BetaThompson

            known = {
                arm: BetaArm(score.count * score.mean, score.count * (1.0 - score.mean))
                for arm, score in zip(arms, scores, strict=True)
            }
            wanted = BetaThompson(prior_alpha=alpha, prior_beta=beta).chances(BetaState(known), arms).tolist()
    return _floored(wanted, floor)


def _best(scores: list[float], spread: float) -> list[float]:
    """All on the highest score, the first of equals, but for `spread`, which is for all alike."""
    best = max(range(len(scores)), key=lambda place: (scores[place], -place))
    return [spread / len(scores) + (1.0 - spread) * (place == best) for place in range(len(scores))]


def _floored(wanted: list[float], floor: float) -> tuple[float, ...]:
    """Every share at least the floor, which is cut to an even share; the first takes what rounding leaves."""
    floor = min(floor, 1.0 / len(wanted))
    low = [max(share, floor) for share in wanted]
    spare = [share - floor for share in low]
    free = 1.0 - floor * len(wanted)
    total = sum(spare)
    given = [round(floor + (free * share / total if total > 0.0 else free / len(wanted)), 6) for share in spare[1:]]
    return (round(1.0 - sum(given), 6), *given)
