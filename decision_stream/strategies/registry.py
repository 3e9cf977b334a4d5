"""The five strategies in the order of their default priority."""

from .pareto import Pareto
from .protocol import Strategy
from .threshold import Threshold
from .unfinished import Unfinished

STRATEGIES: tuple[Strategy, ...] = (
    Threshold(),
    Unfinished("ab_testing"),
    Pareto(),
    Unfinished("reinforcement"),
    Unfinished("adaptive_parameters"),
)
