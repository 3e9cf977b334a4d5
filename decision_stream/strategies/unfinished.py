"""Strategies that are named and ordered but do not propose yet; they say so in every trace that asks them."""

from dataclasses import dataclass

from ..model.insight import Insight
from ..model.journal import Reason
from ..model.policy import Policy
from ..model.state import HotState
from .protocol import Opinion, View


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A strategy that stays silent with the code `not_available`.

    >>> Unfinished("ab_testing").complete
    False
    """

    name: str
    complete: bool = False

    def priority(self, policy: Policy) -> int:
        """The priority the policy gives it."""
        return getattr(policy, self.name).priority

    def is_enabled(self, policy: Policy) -> bool:
        """Whether the policy has it on."""
        return getattr(policy, self.name).enabled

    def observe(self, hot: HotState, insight: Insight, policy: Policy) -> HotState:
        """Nothing is learnt yet."""
        return hot

    def propose(self, view: View) -> Opinion:
        """No ideas."""
        return Opinion(reasons=(Reason(source=self.name, code="not_available"),))
