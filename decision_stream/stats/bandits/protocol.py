"""What every bandit can do, whatever it believes: choose with a known chance, learn, merge, warm up, forget an arm.

A bandit is its configuration. What it has learnt is a state that is given and returned, never altered: a frozen struct
of numbers, strings and bytes, so that it is written to a changelog as it is (msgspec), comes back equal bit by bit, and
can be compared. Arms are strings; any may be offered at any time, and one never seen starts from the prior.
"""

from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

from msgspec import Struct

from .choice import Choice
from .rules import Belief

State = TypeVar("State")


class Expected(Struct, frozen=True, gc=False):
    """What was believed of a reward before it came.

    Its expectation, the standard deviation of that, the standard deviation of the reward around it, and the discounted
    number of rewards behind it, without those of a prior.
    """

    mean: float
    error: float
    noise: float
    rewards: float


class Learnt(Struct, Generic[State], frozen=True, gc=False):
    """The state after a reward, and what was expected of it: known by the way, and dear to ask for again.

    `changed` tells that the arm was found to be another than before, and this reward is the first of the new one.
    """

    state: State
    expected: Expected
    changed: bool = False


class Bandit(Protocol[State]):
    """Chooses among named arms and learns from rewards.

    A context is a sequence of numbers with the intercept first; a bandit that knows none ignores it. ValueError for
    contexts of another length, draws outside [0, 1), rewards that are no numbers, weights that are not positive and
    propensities outside (0, 1].

    >>> from .beta import BetaThompson
    >>> from .linear_bandit import LinearBandit
    >>> def tried(bandit: Bandit[State]) -> str:
    ...     state = bandit.learn(bandit.fresh(), "a", [1.0], 0.0, propensity=0.5).state
    ...     return bandit.select(state, [1.0], ["a", "b"], draw=0.5).arm
    >>> tried(BetaThompson()), tried(LinearBandit())
    ('b', 'b')
    """

    def fresh(self) -> State:
        """Nothing learnt yet."""
        ...

    def believe(self, state: State, context: Sequence[float], names: Sequence[str]) -> Belief:
        """Expected reward of each named arm and its standard deviation, in the order of the names."""
        ...

    def select(self, state: State, context: Sequence[float], names: Sequence[str], draw: float) -> Choice:
        """One of the arms offered, for a uniform draw in [0, 1), with the chance that each had."""
        ...

    def learn(
        self,
        state: State,
        name: str,
        context: Sequence[float],
        reward: float,
        propensity: float,
        weight: float = 1.0,
    ) -> Learnt[State]:
        """With the reward of a choice: its arm, its context and its propensity as they were when it was made.

        `weight` is what it counts for: a mean of few rewards says less than one of many.
        """
        ...

    def merged(self, ours: State, theirs: State) -> State:
        """What two places have learnt about the same arms."""
        ...

    def warmed(self, state: State, parent: State, worth: float) -> State:
        """Arms that are unknown here begin with a parent's evidence, scaled down to `worth` rewards."""
        ...

    def without(self, state: State, name: str) -> State:
        """The arm forgotten: it left, or what it was has changed."""
        ...
