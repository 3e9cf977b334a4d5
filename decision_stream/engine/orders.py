"""The actuator's order for every decision type: all seven have one (the seed had three, §8.2)."""

from ..model.actuation import (
    BeginExperiment,
    BreakRoute,
    EndExperiment,
    Order,
    RestoreConfiguration,
    SetVariantTraffic,
    UpdateConfiguration,
    UpdateParameters,
)
from ..model.configuration import Configuration
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

RAMPED = (ModelSwitch,)
"""Types that reach full traffic by a guarded ramp; the others take effect with one order."""


def order_for(decision: DecisionType, target: Configuration, weight: float) -> Order:
    """The order that carries out a decision, at this weight of traffic for those that ramp.

    >>> order_for(CircuitBreak(duration_ms=1000, reason="errors"), Configuration(model="m"), 1.0)
    BreakRoute(duration_ms=1000)
    """
    match decision:
        case ModelSwitch():
            return UpdateConfiguration(configuration=target, weight=weight)
        case ParameterAdjustment(parameters=parameters):
            return UpdateParameters(parameters={change.name: change.new for change in parameters})
        case PromptVariant(variant=variant, share=share):
            return SetVariantTraffic(variant=variant, share=share)
        case StartExperiment(experiment_id=experiment_id, variants=variants, shares=shares):
            return BeginExperiment(experiment_id=experiment_id, shares=dict(zip(variants, shares, strict=True)))
        case ConcludeExperiment(experiment_id=experiment_id, winner=winner):
            return EndExperiment(experiment_id=experiment_id, winner=winner)
        case Rollback():
            return RestoreConfiguration(configuration=target)
        case CircuitBreak(duration_ms=duration_ms):
            return BreakRoute(duration_ms=duration_ms)
