"""One bandit setting, the shipped one, played on any stream of contexts and expected rewards."""

from dataclasses import dataclass

import numpy as np

from decision_stream.stats.bandits.protocol import Bandit
from decision_stream.stats.bandits.shipped import contextual

RATES = (0.80, 0.82, 0.85, 0.78, 0.70)


@dataclass(frozen=True)
class Stream:
    """`contexts` (events, d), `expected` rewards (events, arms), and the noise: None for yes-or-no, else its sd."""

    contexts: np.ndarray
    expected: np.ndarray
    noise: float | None


@dataclass(frozen=True)
class Played:
    """Mean expected reward per event and the regret against the best arm of each context, summed."""

    reward: float
    regret: float
    least_propensity: float


def steady(seed: int, events: int = 6000) -> Stream:
    return Stream(np.ones((events, 1)), np.tile(RATES, (events, 1)), None)


def switching(seed: int, events: int = 8000) -> Stream:
    """The best arm falls to .70 at half."""
    stream = steady(seed, events)
    stream.expected[events // 2 :, 2] = 0.70
    return stream


def linear(seed: int, events: int = 4000, features: int = 16, arms: int = 5) -> Stream:
    """Expected rewards linear in normal features with coefficients of length 1; noise .1."""
    rng = np.random.default_rng(seed)
    coefficients = rng.standard_normal((arms, features))
    coefficients /= np.linalg.norm(coefficients, axis=1)[:, None]
    x = rng.standard_normal((events, features))
    return Stream(np.hstack([np.ones((events, 1)), x]), x @ coefficients.T, 0.1)


def play(
    stream: Stream,
    seed: int,
    delay: int = 0,
    lost: float = 0.0,
    doubled: float = 0.0,
    bandit: Bandit | None = None,
) -> Played:
    """The shipped bandit on a stream, or another.

    Rewards come `delay` events later, a share is lost, a share comes twice.
    """
    rng = np.random.default_rng(seed)
    bandit = bandit or contextual(stream.contexts.shape[1])
    state = bandit.fresh()
    arms = [f"arm-{i}" for i in range(stream.expected.shape[1])]
    waiting, seen = [], set()
    reward = regret = 0.0
    least = 1.0
    for event, (context, expected) in enumerate(zip(stream.contexts, stream.expected, strict=True)):
        choice = bandit.select(state, context, arms, rng.random())
        mean = expected[arms.index(choice.arm)]
        least, reward, regret = min(least, choice.propensity), reward + mean, regret + expected.max() - mean
        noisy = float(rng.random() < mean) if stream.noise is None else mean + stream.noise * rng.standard_normal()
        if rng.random() >= lost:
            waiting += [(event + delay, event, choice, context, noisy)] * (2 if rng.random() < doubled else 1)
        while waiting and waiting[0][0] <= event:
            _, identity, made, then, value = waiting.pop(0)
            if identity not in seen:
                seen.add(identity)
                state = bandit.learn(state, made.arm, then, value, made.propensity).state
    return Played(reward / len(stream.contexts), regret, least)
