"""Whom to blame: a change of ours that is running or recent, or an incident of the provider seen on other scopes."""

from ..model.configuration import Configuration
from ..model.knowledge import ProviderHealth
from ..model.lifecycle import DecisionState
from ..model.policy import Policy
from ..model.state import ColdState
from .models import provider_of


def serving(cold: ColdState) -> str | None:
    """The decision that serves a part of the traffic with something else: a ramp or an experiment.

    An exploration is none: its guards compare it with its own control at every report, and its slice is too thin to
    move the route.
    """
    for live in cold.live:
        serves = live.ramp is not None or (live.decision.kind == "start_experiment" and not live.decision.yields)
        if serves and live.state in (DecisionState.MONITORING, DecisionState.PAUSED):
            return live.decision.id
    return None


def recent(cold: ColdState, at_ms: int, policy: Policy) -> tuple[Configuration, str] | None:
    """The last completed change of ours if it is recent, and the configuration before it."""
    history = cold.history
    if len(history) < 2 or history[-1].decision_id is None:
        return None
    if at_ms - history[-1].since_ms > policy.threshold_based.degradation.attribution_ms:
        return None
    return history[-2].configuration, history[-1].decision_id


def incident(model: str, cold: ColdState, at_ms: int, policy: Policy) -> ProviderHealth | None:
    """The incident that the provider of this model has now, as far as the scope has heard; None without one."""
    if not cold.knowledge.incidents:
        return None
    heard = cold.knowledge.incidents.get(provider_of(model, policy, cold))
    return heard if heard is not None and at_ms < heard.until_ms else None
