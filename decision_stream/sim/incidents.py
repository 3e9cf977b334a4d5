"""What goes wrong in the simulated world, when, where, and what a good engine answers."""

from dataclasses import dataclass
from enum import StrEnum


class IncidentKind(StrEnum):
    """The kinds of incidents; a placebo is a label on pure noise.

    The first five befall a model, the next two the route whatever serves it, the last four what is told of it.
    """

    QUALITY_REGRESSION = "quality_regression"
    QUALITY_DRIFT = "quality_drift"
    LATENCY_SPIKE = "latency_spike"
    OUTAGE = "outage"
    PRICE_CHANGE = "price_change"
    MIX_SHIFT = "mix_shift"
    PLACEBO = "placebo"
    JUDGE_BIAS = "judge_bias"
    METRIC_LOSS = "metric_loss"
    DISORDER = "disorder"
    ACTUATOR_FAULTS = "actuator_faults"


HARMFUL = frozenset(
    {
        IncidentKind.QUALITY_REGRESSION,
        IncidentKind.QUALITY_DRIFT,
        IncidentKind.LATENCY_SPIKE,
        IncidentKind.OUTAGE,
        IncidentKind.PRICE_CHANGE,
    }
)
"""Kinds that an engine should answer; the others it should leave alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """Something that happens to one model on one scope between two minutes.

    `amount` is points of quality lost, a factor on latency, or a factor on price. `good_answers` are the kinds of
    decision that are right; an empty set means that nothing may be decided.
    """

    name: str
    kind: IncidentKind
    scope: str
    model: str
    start_minute: int
    end_minute: int
    amount: float
    good_answers: frozenset[str]

    def strikes(self, scope: str, model: str, minute: int) -> bool:
        """Whether it affects this model on this scope at this minute."""
        return scope == self.scope and model == self.model and self.start_minute <= minute < self.end_minute
