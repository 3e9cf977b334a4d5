"""The way of a change to full traffic: steps with a concurrent control, guarded at every report.

A breach of a guard rolls back at once. A step is left when its time is over, enough requests were seen, no guard is
near a breach, and harm that the guards cannot rule out would be within the margins at the next weight; otherwise it
holds. At full weight there is no control left, so the change bakes under the watch of the safety strategy's alarms
until its time is over.
"""

from msgspec.structs import replace

from ..model.decision import Evidence
from ..model.lifecycle import DecisionState
from ..model.metrics import ArmSample
from ..model.outcome import CONTROL, TREATMENT, Outcome
from ..model.state import LiveDecision, Ramp
from ..stats.difference import BURN_IN
from .guard import Reading, closed, judge_ramp
from .orders import order_for
from .rollback import roll_back
from .turn import Turn


def acknowledged(turn: Turn, live: LiveDecision) -> LiveDecision:
    """The actuator serves the step's weight; the clock of the step starts."""
    assert live.ramp is not None
    ramp = replace(live.ramp, acknowledged=True, step_at_ms=turn.at_ms, step_requests=0)
    # A held ramp keeps the deadline of its pause.
    held = live.state is DecisionState.PAUSED
    return turn.put(replace(live, ramp=ramp, deadline_ms=live.deadline_ms if held else deadline_of(turn, ramp)))


def deadline_of(turn: Turn, ramp: Ramp) -> int:
    """When a running ramp must have moved on: its order acknowledged, its bake over, or the whole of it done."""
    rules = turn.policy.ramp
    if not ramp.acknowledged:
        return turn.at_ms + turn.policy.engine.decision_timeout_ms
    if ramp.weight >= 1.0:
        return turn.at_ms + rules.bake_ms
    return max(ramp.started_at_ms + rules.max_duration_ms, turn.at_ms)


def measured(turn: Turn, live: LiveDecision, outcome: Outcome) -> None:
    """Take in a window of both arms, judge the guards, and hold, step up or roll back. A held ramp never steps up."""
    assert live.ramp is not None
    live, readings = _taken_in(turn, live, live.ramp, outcome)
    assert live.ramp is not None
    breached = [reading for reading in readings if reading.breached]
    if breached:
        _roll_back(turn, live, breached)
    elif live.state is DecisionState.MONITORING and _may_step(turn, live.ramp, readings):
        _step_up(turn, live, live.ramp)


def _taken_in(turn: Turn, live: LiveDecision, ramp: Ramp, outcome: Outcome) -> tuple[LiveDecision, list[Reading]]:
    treatment = outcome.arms.get(TREATMENT, ArmSample())
    control = outcome.arms.get(CONTROL, ArmSample())
    ramp = replace(ramp, step_requests=ramp.step_requests + treatment.requests)
    # Without a concurrent control a comparison would blame the change for the time of day.
    if control.requests and treatment.requests:
        ramp = replace(
            ramp,
            treatment=ramp.treatment.merge(treatment),
            control=ramp.control.merge(control),
            step_treatment=ramp.step_treatment.merge(treatment),
            step_control=ramp.step_control.merge(control),
        )
    live = turn.put(replace(live, ramp=ramp))
    readings = judge_ramp(ramp, live.decision.impact, turn.policy)
    turn.learned("ramp_requests", float(ramp.treatment.requests - treatment.requests), float(ramp.treatment.requests))
    return live, readings


def _may_step(turn: Turn, ramp: Ramp, readings: list[Reading]) -> bool:
    rules = turn.policy.ramp
    return (
        ramp.acknowledged
        and ramp.weight < 1.0
        and turn.at_ms - ramp.step_at_ms >= rules.step_ms
        and ramp.step_requests >= rules.min_requests_per_step
        and not any(reading.suspicious or not reading.allows(_next_weight(turn, ramp)) for reading in readings)
        and not _is_blind(turn, ramp)
    )


def _is_blind(turn: Turn, ramp: Ramp) -> bool:
    """Whether quality is scored on this scope, and too little of it was seen in the ramp for the guard to speak."""
    scored = turn.hot.live.quality_samples > 0.0
    seen = min(ramp.treatment.quality.count, ramp.control.quality.count)
    # A unit of each block goes into its mean.
    return scored and seen < BURN_IN + ramp.step


def _next_weight(turn: Turn, ramp: Ramp) -> float:
    return min(1.0, round(ramp.weight + turn.policy.ramp.increment, 9))


def _step_up(turn: Turn, live: LiveDecision, ramp: Ramp) -> None:
    weight = _next_weight(turn, ramp)
    ramp = replace(
        ramp,
        step=ramp.step + 1,
        weight=weight,
        acknowledged=False,
        step_treatment=ArmSample(),
        step_control=ArmSample(),
        blocks=closed(ramp.step_treatment, ramp.step_control, ramp.blocks),
    )
    live = turn.put(replace(live, ramp=ramp, deadline_ms=deadline_of(turn, ramp)))
    turn.order(live, order_for(live.decision.decision, turn.target_of(live.decision), weight))


def _roll_back(turn: Turn, live: LiveDecision, breached: list[Reading]) -> None:
    assert turn.configuration is not None
    evidence: tuple[Evidence, ...] = tuple(reading.evidence for reading in breached)
    metrics = ", ".join(reading.metric for reading in breached)
    roll_back(
        turn,
        target=turn.configuration,
        reverts=live.decision.id,
        reason=f"guard breached at weight {live.ramp.weight if live.ramp else 0.0:g}: {metrics}",
        strategy="ramp_guard",
        cause_id=turn.event_id,
        evidence=evidence,
    )
