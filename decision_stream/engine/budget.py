"""The brake on spending: what is under way reserves money, and beyond the budget no dearer change passes."""

from ..model.configuration import ConfigurationChanges, Facet
from ..model.decision import Check, DecisionType, PredictedImpact, Proposal, StartExperiment
from ..strategies.budget import projected_usd, remaining_ms
from ..strategies.models import known_models
from . import experiments
from .turn import Turn


def reservation_usd(
    turn: Turn, decision: DecisionType, changes: ConfigurationChanges, impact: PredictedImpact, strategy: str
) -> float:
    """What a decision may cost beyond the present spending until the reset: the bound of its prediction, never below 0.

    An experiment is reserved at the dearest challenger on the share of all, for as long as it may run. Nothing where no
    budget was told.
    """
    purse = turn.hot.purse
    if purse is None:
        return 0.0
    left_ms, most = remaining_ms(purse, turn.at_ms), turn.policy.safety.max_cost_increase
    if isinstance(decision, StartExperiment):
        longest_ms = min(left_ms, experiments.longest_ms(turn, strategy))
        rise = max((_rise_of(turn, challenger) for challenger in decision.challengers.values()), default=most)
        return purse.usd_per_ms * longest_ms * decision.exposure * rise
    if not changes.facets:
        return 0.0
    rise = most if impact.cost is None else impact.cost.interval.high if impact.cost.interval else impact.cost.delta
    return max(0.0, rise) * purse.usd_per_ms * left_ms


def _rise_of(turn: Turn, challenger: ConfigurationChanges) -> float:
    """Relative rise of the cost per request, never below 0: what is known of a model, else the most that is allowed."""
    known = known_models(turn.policy, turn.cold, turn.at_ms, turn.hot.live)
    present_usd = turn.hot.live.cost_usd
    model = challenger.model.new if challenger.model and challenger.facets == (Facet.MODEL,) else None
    if model is not None and model in known and present_usd > 0.0:
        return max(0.0, known[model].cost_usd / present_usd - 1.0)
    return turn.policy.safety.max_cost_increase


def checks(turn: Turn, proposal: Proposal) -> list[Check]:
    """Does the budget bear it, with everything that is reserved? What is not dearer than the present always passes."""
    purse = turn.hot.purse
    if purse is None or proposal.is_safety:
        return []
    extra = reservation_usd(turn, proposal.decision, proposal.changes, proposal.impact, proposal.strategy)
    reserved = sum(live.reserved_usd for live in turn.cold.live)
    projected = projected_usd(purse)
    found = projected + reserved + extra
    detail = f"{projected:.4f} USD projected by the reset, {reserved:.4f} reserved, {extra:.4f} for this"
    passed = extra <= 0.0 or found <= purse.limit_usd
    made = [Check(name="budget", passed=passed, detail=detail, found=found, allowed=purse.limit_usd)]
    limit, cost = purse.per_request_limit_usd, proposal.impact.cost
    if limit is not None and cost is not None and proposal.changes.facets:
        high = cost.interval.high if cost.interval else cost.delta
        request_usd = turn.hot.live.cost_usd * (1.0 + high)
        passed = high <= 0.0 or request_usd <= limit
        made.append(Check(name="per_request_limit", passed=passed, found=request_usd, allowed=limit))
    return made


def is_urgent(turn: Turn, impact: PredictedImpact) -> bool:
    """Whether a change is surely cheaper while spending runs over the budget: it goes first and needs no rest."""
    purse, cost = turn.hot.purse, impact.cost
    if purse is None or not purse.is_over or cost is None or cost.interval is None:
        return False
    return cost.interval.high < 0.0


def tell(turn: Turn, was_over: bool) -> None:
    """Journal spending beyond the budget with its numbers, and tell a human when it begins."""
    purse = turn.hot.purse
    if purse is None or not purse.is_over:
        return
    projected = projected_usd(purse)
    detail = f"{purse.spent_usd:.4f} USD spent, {projected:.4f} projected by {purse.resets_at_ms}"
    turn.refuse("budget", "over_budget", detail, projected, purse.limit_usd)
    if not was_over:
        turn.alert("over_budget", f"{detail}, of {purse.limit_usd:.4f}; no dearer change passes", "warning")
