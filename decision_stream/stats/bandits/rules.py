"""From what is believed of each arm to a choice with known chances: three rules over one kind of belief."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from msgspec import Struct

from . import setting
from .choice import Choice, chances_of_being_best, choose


class Belief(Struct, frozen=True, gc=False):
    """Mean and standard deviation of each arm's expected reward in a context, in the order of `names`."""

    names: tuple[str, ...]
    means: tuple[float, ...]
    deviations: tuple[float, ...]


def offered(names: Sequence[str]) -> Sequence[str]:
    """The names, if they are those of at least one arm, each once; else ValueError.

    >>> offered(["a", "b"])
    ['a', 'b']
    """
    if not names or len(set(names)) < len(names):
        raise ValueError(f"arms are needed, each once, found {list(names)}")
    return names


class Rule(Protocol):
    """Chooses one of the arms that are believed in.

    >>> even = Belief(("a", "b"), (0.5, 0.5), (0.1, 0.1))
    >>> [rule.select(even, draw=0.2).arm for rule in (ThompsonSampling(), UpperConfidence(), EpsilonGreedy())]
    ['a', 'a', 'a']
    """

    def select(self, belief: Belief, draw: float) -> Choice:
        """The choice for a draw in [0, 1), with the chance of every arm."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ThompsonSampling:
    """Take each arm with the probability of being best (Agrawal & Goyal 2013, with an estimated noise).

    `scale` widens (above 1) or narrows the posterior. The defaults are the judged setting (`setting`).
    """

    scale: float = setting.SCALE
    floor: float = setting.FLOOR

    def select(self, belief: Belief, draw: float) -> Choice:
        """
        >>> even = Belief(("a", "b"), (0.5, 0.5), (0.1, 0.1))
        >>> ThompsonSampling().select(even, draw=0.7).propensity
        0.5
        """
        widths = [self.scale * deviation for deviation in belief.deviations]
        return choose(belief.names, chances_of_being_best(belief.means, widths), draw, self.floor)


@dataclass(frozen=True, slots=True, kw_only=True)
class UpperConfidence:
    """LinUCB (Li, Chu, Langford & Schapire 2010, equation 5), with a floor that makes it observable.

    `width` is alpha of the paper in standard deviations of the posterior.
    """

    width: float = 1.0
    floor: float = setting.FLOOR

    def select(self, belief: Belief, draw: float) -> Choice:
        """The arm with the highest upper end, up to the floor of the others.

        >>> belief = Belief(("known", "new"), (0.8, 0.7), (0.0, 0.3))
        >>> UpperConfidence().select(belief, draw=0.5).arm
        'new'
        """
        highs = [mean + self.width * spread for mean, spread in zip(belief.means, belief.deviations, strict=True)]
        return choose(belief.names, _all_on_best(belief, highs), draw, self.floor)


@dataclass(frozen=True, slots=True, kw_only=True)
class EpsilonGreedy:
    """The best mean, and with probability `epsilon` any arm (Sutton & Barto 2018, section 2.2)."""

    epsilon: float = 0.1

    def select(self, belief: Belief, draw: float) -> Choice:
        """The arm with the highest mean, or any.

        >>> EpsilonGreedy().select(Belief(("a", "b"), (0.8, 0.7), (0.1, 0.1)), draw=0.5).propensity
        0.95
        """
        return choose(belief.names, _all_on_best(belief, belief.means), draw, self.epsilon / len(belief.names))


def _all_on_best(belief: Belief, scores: Sequence[float]) -> list[float]:
    best = min(range(len(scores)), key=lambda i: (-scores[i], belief.names[i]))
    return [float(i == best) for i in range(len(scores))]
