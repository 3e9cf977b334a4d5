"""What a window is worth: the engine's own objective on the truth, and the price of quality below what is allowed."""

import numpy as np

from ...model.policy import ParetoPolicy, ReferenceRange

SHORTFALL_PRICE = 4.0
"""A point of quality below the floor counts this many times: the policy forbids it, so it must cost more than it saves.

The floor is the quality of the route's first configuration less what the policy lets a cheaper model lose.
"""


def utility(quality: np.ndarray, cost_usd: np.ndarray, latency_p95_ms: np.ndarray, rules: ParetoPolicy) -> np.ndarray:
    """The Pareto strategy's utility, element by element.

    >>> from decision_stream.model.policy import ParetoPolicy
    >>> float(utility(np.array(1.0), np.array(1e-4), np.array(100.0), ParetoPolicy()))
    1.0
    """
    weights = rules.weights
    total: np.ndarray = (
        weights.quality * _on(rules.quality_range, quality)
        + weights.cost * _on(rules.cost_range, cost_usd)
        + weights.latency * _on(rules.latency_range, latency_p95_ms)
    )
    return total


def shortfall(quality: np.ndarray, floor: np.ndarray, rules: ParetoPolicy) -> np.ndarray:
    """What quality below the floor takes off the utility, beyond its ordinary weight."""
    slope = rules.weights.quality / abs(rules.quality_range.width)
    lost: np.ndarray = (SHORTFALL_PRICE - 1.0) * slope * np.maximum(0.0, floor - quality)
    return lost


def _on(scale: ReferenceRange, value: np.ndarray) -> np.ndarray:
    on_scale = np.log(np.maximum(value, 1e-12)) if scale.log else value
    found: np.ndarray = np.clip((on_scale - scale.origin) / scale.width, 0.0, 1.0)
    return found
