"""The actuator's order for every decision type: all seven have one (the seed had three, §8.2)."""

from math import log

from ..model.actuation import (
    BeginExperiment,
    BreakRoute,
    EndExperiment,
    Order,
    RestoreConfiguration,
    SetTraffic,
    SetVariantTraffic,
    UpdateConfiguration,
    UpdateParameters,
)
from ..model.configuration import Configuration, ConfigurationChanges, ParameterChange
from ..model.decision import (
    CircuitBreak,
    ConcludeExperiment,
    DecisionType,
    ModelSwitch,
    ParameterAdjustment,
    PromptVariant,
    Rollback,
    StartExperiment,
)
from ..model.policy import Policy, TunedParameter


def ramps(decision: DecisionType) -> bool:
    """Whether it reaches full traffic by a guarded ramp: a switch of the model, and the winner of an experiment."""
    return isinstance(decision, ModelSwitch) or (
        isinstance(decision, ConcludeExperiment) and decision.winner is not None
    )


def in_trust_region(decision: DecisionType, changes: ConfigurationChanges, policy: Policy) -> bool:
    """Whether a change moves tuned parameters only, and each by no more than the policy's share of its range."""
    if changes.model or changes.prompt or not changes.parameters or isinstance(decision, Rollback | CircuitBreak):
        return False
    tuned = {it.name: it for it in policy.adaptive_parameters.parameters}
    return all(_is_small(change, tuned.get(change.name), policy) for change in changes.parameters)


def _is_small(change: ParameterChange, tuned: TunedParameter | None, policy: Policy) -> bool:
    if tuned is None:
        return False
    old, new = (tuned.default if value is None else value for value in (change.old, change.new))
    if not (isinstance(old, int | float) and isinstance(new, int | float)):
        return False
    low, high = tuned.low, tuned.high
    share = log(new / old) / log(high / low) if tuned.log and min(old, new) > 0.0 else (new - old) / (high - low)
    return abs(share) <= policy.adaptive_parameters.trust_region


def order_for(decision: DecisionType, target: Configuration, weight: float) -> Order:
    """The order that carries out a decision, at this weight of traffic for those that ramp.

    >>> order_for(CircuitBreak(duration_ms=1000, reason="errors"), Configuration(model="m"), 1.0)
    BreakRoute(duration_ms=1000)
    """
    match decision:
        case ModelSwitch():
            return UpdateConfiguration(configuration=target, weight=weight)
        case ConcludeExperiment(winner=winner) if winner is not None:
            return UpdateConfiguration(configuration=target, weight=weight)
        case ParameterAdjustment(parameters=parameters):
            return UpdateParameters(parameters={change.name: change.new for change in parameters})
        case PromptVariant(variant=variant, share=share):
            return SetVariantTraffic(variant=variant, share=share)
        case StartExperiment(experiment_id=experiment_id, variants=variants, shares=shares, challengers=challengers):
            # An experiment changes nothing in full use, so its target is its control.
            configurations = {name: target.patched(changes) for name, changes in challengers.items()}
            return BeginExperiment(
                experiment_id=experiment_id,
                shares=dict(zip(variants, shares, strict=True)),
                configurations={variants[0]: target, **configurations},
            )
        case ConcludeExperiment(experiment_id=experiment_id, winner=winner):
            return EndExperiment(experiment_id=experiment_id, winner=winner)
        case Rollback():
            return RestoreConfiguration(configuration=target)
        case CircuitBreak(duration_ms=duration_ms, share=share, refuge=refuge) if share < 1.0:
            return SetTraffic(weight=round(1.0 - share, 9), duration_ms=duration_ms, refuge=refuge)
        case CircuitBreak(duration_ms=duration_ms):
            return BreakRoute(duration_ms=duration_ms)
