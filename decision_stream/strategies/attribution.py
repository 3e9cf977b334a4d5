"""Whom to blame: a change of ours that is running or recent, or an incident of the provider seen on other scopes."""

from ..model.configuration import Configuration
from ..model.insight import Metric
from ..model.knowledge import ProviderHealth
from ..model.lifecycle import DecisionState
from ..model.metrics import ArmSample
from ..model.outcome import CONTROL
from ..model.policy import DegradationPolicy, Policy
from ..model.state import ColdState, Experiment
from ..stats.difference import Difference, difference, share
from .models import provider_of

SURE_ERRORS = 3.0
"""Standard errors beyond which harm is ruled out; many, for an alarm asks at every window while it fires."""


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


def is_acquitted(experiment: Experiment, metric: Metric, quality: float, rules: DegradationPolicy) -> bool:
    """Whether the arms, served side by side, rule out that the experiment is what an alarm hears.

    What the challengers may at most cost the route is below half of what is tolerated, `quality` being the usual one.
    Under shares that follow outcomes the sums of the arms are of different hours and acquit nobody.
    """
    if experiment.allocation != "fixed" or metric not in (Metric.QUALITY, Metric.ERRORS):
        return False
    tolerated = rules.min_quality_drop * quality if metric is Metric.QUALITY else rules.min_error_rise
    control, worst = experiment.samples[CONTROL], 0.0
    for name in experiment.challengers:
        harm = _harm(control, experiment.samples[name], metric)
        if harm is None:
            return False
        worst += experiment.shares[name] * (harm.estimate + SURE_ERRORS * harm.standard_error)
    return worst < 0.5 * tolerated


def _harm(control: ArmSample, treatment: ArmSample, metric: Metric) -> Difference | None:
    if metric is Metric.QUALITY:
        return difference(treatment.quality, control.quality)
    return difference(share(control.errors, control.requests), share(treatment.errors, treatment.requests))


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
