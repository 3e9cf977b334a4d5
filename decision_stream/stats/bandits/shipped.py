"""The bandit that is judged and shipped: a linear model, a rule of choice, and arms that start anew on a change."""

from __future__ import annotations

from . import setting
from .beta import BetaState, BetaThompson
from .linear import LinearModel, LinearState
from .linear_bandit import LinearBandit
from .reset import Resetting


def linear(dimension: int, forgetting: float = setting.FORGETTING) -> LinearBandit:
    """For contexts of this length, the intercept included; everything else is the setting.

    >>> linear(3) == LinearBandit(model=LinearModel(dimension=3))
    True
    """
    return LinearBandit(model=LinearModel(dimension=dimension, forgetting=forgetting))


def contextual(dimension: int, forgetting: float = setting.FORGETTING) -> Resetting[LinearState]:
    """The same, watched for changes.

    >>> contextual(3) == Resetting(bandit=linear(3))
    True
    """
    return Resetting(bandit=linear(dimension, forgetting))


def context_free(forgetting: float = setting.FORGETTING) -> Resetting[BetaState]:
    """For rewards in [0, 1] and no contexts: Beta posteriors, watched for changes alike.

    >>> context_free() == Resetting(bandit=BetaThompson())
    True
    """
    return Resetting(bandit=BetaThompson(forgetting=forgetting))
