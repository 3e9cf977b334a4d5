"""The five strategies in the order of their default priority."""

from .ab_testing import AbTesting
from .adaptive_parameters import AdaptiveParameters
from .pareto import Pareto
from .protocol import Strategy
from .reinforcement import Reinforcement
from .threshold import Threshold

STRATEGIES: tuple[Strategy, ...] = (
    Threshold(),
    AbTesting(),
    Pareto(),
    Reinforcement(),
    AdaptiveParameters(),
)
