"""Spending at the rate of a budget: a price per dollar that rises while spending runs ahead.

Primal-dual pacing (Balseiro & Gur 2019, "Learning in repeated auctions with budgets", equation 3): the choice maximises
reward - price * cost, and the price follows the surplus. A purse with a limited overdraft makes the promise hard: arms
that it cannot pay for are not offered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Pacer:
    """`budget` is the allowed spend per event in dollars, positive.

    `price` is the reward that one budget's worth of money must buy; `purse` what was saved (or overdrawn) so far, in
    budgets. `step` is how fast the price follows, `overdraft` how many budgets may be owed, `savings` the most that is
    kept for later.
    """

    budget: float
    price: float = 0.0
    purse: float = 0.0
    step: float = 0.002
    overdraft: float = 10.0
    savings: float = 20.0

    def __post_init__(self) -> None:
        if not 0.0 < self.budget < float("inf"):
            raise ValueError(f"a budget must be positive, found {self.budget}")

    def affordable(self, costs: Sequence[float]) -> list[bool]:
        """Which of these expected costs (dollars) the purse can pay now. The cheapest always can.

        >>> Pacer(budget=0.01, purse=-9.5).affordable([0.01, 0.05])
        [True, False]
        """
        limit = self.purse + 1.0 + self.overdraft
        cheapest = min(costs)
        return [cost == cheapest or cost / self.budget <= limit for cost in costs]

    def penalty(self, cost: float) -> float:
        """What this cost takes from a reward, in units of reward."""
        return self.price * cost / self.budget

    def paid(self, cost: float) -> Pacer:
        """After an event that cost this much.

        >>> Pacer(budget=0.01).paid(0.03)
        Pacer(budget=0.01, price=0.004, purse=-2.0, step=0.002, overdraft=10.0, savings=20.0)
        """
        ahead = cost / self.budget - 1.0
        return replace(
            self, price=max(0.0, self.price + self.step * ahead), purse=min(self.savings, self.purse - ahead)
        )
