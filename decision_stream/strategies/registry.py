"""The five strategies in the order of their default priority."""

from .ab_testing import AbTesting
from .adaptive_parameters import AdaptiveParameters
from .pareto import Pareto
from .protocol import Strategy
from .threshold import Threshold
from .unfinished import Unfinished

STRATEGIES: tuple[Strategy, ...] = (
    Threshold(),
    AbTesting(),
    Pareto(),
    Unfinished("reinforcement"),
    AdaptiveParameters(),
)
