"""Thompson sampling for yes-or-no rewards: a Beta posterior per arm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .choice import Choice, choose

_POINTS = 400


@dataclass(frozen=True, slots=True)
class BetaArm:
    """Discounted successes and failures. Rewards between 0 and 1 count in part to both."""

    successes: float = 0.0
    failures: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BetaThompson:
    """Thompson (1933); prior Beta(`prior_alpha`, `prior_beta`); `forgetting` is applied to all arms per reward."""

    prior_alpha: float = 1.0
    prior_beta: float = 1.0
    forgetting: float = 1.0
    floor: float = 0.01

    def __post_init__(self) -> None:
        if min(self.prior_alpha, self.prior_beta) <= 0.0 or not 0.0 < self.forgetting <= 1.0:
            raise ValueError(f"a positive prior and forgetting in (0, 1] are needed, found {self}")

    def select(self, arms: Mapping[str, BetaArm], names: Sequence[str], draw: float) -> Choice:
        """
        >>> BetaThompson().select({"a": BetaArm(9, 1)}, ["a", "new"], draw=0.5).arm
        'a'
        """
        return choose(names, self.chances(arms, names).tolist(), draw, self.floor)

    def chances(self, arms: Mapping[str, BetaArm], names: Sequence[str]) -> np.ndarray:
        """Probability of each arm to have the highest rate, by quadrature over the range where any may be best."""
        a = np.array([self.prior_alpha + arms.get(name, BetaArm()).successes for name in names])
        b = np.array([self.prior_beta + arms.get(name, BetaArm()).failures for name in names])
        mean, spread = a / (a + b), np.sqrt(a * b / ((a + b) ** 2 * (a + b + 1.0)))
        # A point set per arm keeps narrow posteriors resolved beside wide ones.
        places = np.sort(
            np.concatenate(
                [
                    np.linspace(max(1e-9, m - 6.0 * s), min(1.0 - 1e-9, m + 6.0 * s), _POINTS)
                    for m, s in zip(mean, spread, strict=True)
                ]
            )
        )
        steps = np.diff(places)
        logs = (a[:, None] - 1.0) * np.log(places) + (b[:, None] - 1.0) * np.log1p(-places)
        density = np.exp(logs - logs.max(axis=1, keepdims=True))
        below = np.zeros_like(density)
        np.cumsum(0.5 * (density[:, 1:] + density[:, :-1]) * steps, axis=1, out=below[:, 1:])
        total = below[:, -1:].copy()
        below, density = below / total, density / total
        best = np.empty(len(names))
        for i in range(len(names)):
            product = density[i] * np.prod(np.delete(below, i, axis=0), axis=0)
            best[i] = float((0.5 * (product[1:] + product[:-1]) * steps).sum())
        return best / best.sum()

    def learn(self, arms: Mapping[str, BetaArm], name: str, reward: float) -> dict[str, BetaArm]:
        """With one more reward in [0, 1]; ValueError outside.

        >>> BetaThompson().learn({}, "a", 1.0)
        {'a': BetaArm(successes=1.0, failures=0.0)}
        """
        if not 0.0 <= reward <= 1.0:
            raise ValueError(f"a reward must lie in [0, 1], found {reward}")
        kept = self.forgetting
        faded = {key: BetaArm(kept * arm.successes, kept * arm.failures) for key, arm in arms.items()}
        arm = faded.get(name, BetaArm())
        return {**faded, name: BetaArm(arm.successes + reward, arm.failures + 1.0 - reward)}
