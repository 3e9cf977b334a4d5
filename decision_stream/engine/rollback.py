"""Going back: to the configuration before a change, or to the last one known to be good."""

from msgspec.structs import replace

from ..model.configuration import Configuration, changes_between
from ..model.decision import Alternative, Check, Decision, Evidence, Rollback
from ..model.effect import Subject
from ..model.journal import Transition
from ..model.lifecycle import DecisionState
from ..model.state import Alarm, ClosedDecision, ConfigurationVersion, Live, LiveDecision, Watch
from ..strategies.company import parted
from ..strategies.limits import QUALITY
from . import experiments, ledger, recovery
from .ending import ended, taken_back
from .execution import execute
from .identity import derived_id
from .lifecycle import MOVES
from .risk import SAFETY_RISK
from .tombstones import bury
from .turn import Turn


def roll_back(
    turn: Turn,
    *,
    target: Configuration,
    reverts: str | None,
    reason: str,
    strategy: str,
    cause_id: str,
    evidence: tuple[Evidence, ...] = (),
    checks: tuple[Check, ...] = (),
    proposal_id: str | None = None,
    would_flip: str = "",
    alternatives: tuple[Alternative, ...] = (),
) -> LiveDecision:
    """Decide and order a rollback; what it reverts starts rolling back, what waits is superseded."""
    assert turn.configuration is not None
    identifier = proposal_id or derived_id(turn.scope, turn.event_id, strategy, "rollback")
    reverted = turn.live(reverts) if reverts is not None else None
    decision = turn.decide(
        id=derived_id(identifier, "decision"),
        strategy=strategy,
        decision=Rollback(target_configuration_id=target.id, reverts=reverts, reason=reason),
        target=target,
        changes=changes_between(turn.configuration, target),
        risk=SAFETY_RISK,
        insight_id=cause_id,
        proposal_id=identifier,
        evidence=evidence,
        checks=checks,
        alternatives=alternatives,
        # Whatever has no trace of its own, such as a deadline, is told in that of the change it undoes.
        trace=turn.trace or (reverted.decision.trace if reverted is not None else ""),
        would_flip=would_flip or _what_flips(evidence, strategy),
    )
    yield_to_safety(turn, decision, reason)
    return execute(turn, decision, target)


def _what_flips(evidence: tuple[Evidence, ...], strategy: str) -> str:
    """What would have to be otherwise for no rollback, where whoever asks does not say."""
    bounds = [
        f"{it.metric or it.method} at or below {it.threshold:.4g} instead of {it.statistic:.4g}"
        for it in evidence
        if it.statistic is not None and it.threshold is not None
    ]
    if bounds:
        return "; ".join(bounds)
    return "another word of the operator" if strategy == "operator" else "an actuator that answers in time and in full"


def yield_to_safety(turn: Turn, safety: Decision, reason: str) -> None:
    """Take every other decision of the scope out of the way of a safety decision.

    What waits or was not yet acknowledged is superseded; what serves traffic rolls back, since the safety decision's
    order takes its traffic away.
    """
    reverts = safety.decision.reverts if isinstance(safety.decision, Rollback) else None
    if reverts is None or all(not live.decision.yields for live in turn.cold.live if live.decision.id == reverts):
        experiments.stop_exploring(turn, f"it gives way to {safety.kind} {safety.id}")
    deadline_ms = turn.at_ms + turn.policy.engine.decision_timeout_ms
    for live in turn.cold.live:
        if live.decision.id == safety.id or isinstance(live.decision.decision, Rollback):
            continue
        if live.state in (DecisionState.AWAITING_APPROVAL, DecisionState.APPROVED):
            turn.move(live, DecisionState.SUPERSEDED, f"{safety.kind} {safety.id}: {reason}")
        elif live.state is not DecisionState.ROLLING_BACK:
            moved = turn.move(live, DecisionState.ROLLING_BACK, reason, deadline_ms)
            turn.put(replace(moved, reverted_by=safety.id))
    if isinstance(safety.decision, Rollback) and safety.decision.reverts is not None:
        _reopen(turn, safety.decision.reverts, DecisionState.ROLLING_BACK, reason)


def restored(turn: Turn, rollback: Decision, target: Configuration) -> None:
    """The actuator serves the target again: learn from the failure and close what was reverted."""
    assert isinstance(rollback.decision, Rollback)
    assert turn.configuration is not None
    # Where what is undone never was in full use, the measurements are of the target itself.
    is_same = target == turn.configuration
    bury(turn, changes_between(target, turn.configuration))
    for live in turn.cold.live:
        if live.reverted_by == rollback.id and live.state is DecisionState.ROLLING_BACK:
            bury(turn, live.decision.changes)
            ended(turn, turn.move(live, DecisionState.ROLLED_BACK, rollback.decision.reason))
    if rollback.decision.reverts is not None:
        _reopen(turn, rollback.decision.reverts, DecisionState.ROLLED_BACK, rollback.decision.reason)
    turn.update(
        configuration=target,
        history=_history_after(turn, rollback.decision.reverts, target),
        changed_at_ms=turn.at_ms,
        route_broken_until_ms=0,
    )
    ledger.settled(turn)
    forget_measurements(turn, keep_baselines=is_same)
    recovery.expected(turn, rollback)


def _history_after(turn: Turn, reverted: str | None, target: Configuration) -> tuple[ConfigurationVersion, ...]:
    """The versions that lead to the target: without those undone, and later ones without the facets undone."""
    history = turn.cold.history
    place = next((place for place, version in enumerate(history) if version.decision_id == reverted is not None), None)
    if place is not None and 0 < place < len(history) - 1:
        undone = changes_between(history[place].configuration, history[place - 1].configuration)
        later = (replace(it, configuration=it.configuration.patched(undone)) for it in history[place + 1 :])
        return (*history[:place], *later)
    places = [place for place, version in enumerate(history) if version.configuration.id == target.id]
    if places:
        return history[: places[-1] + 1]
    # The policy's safe configuration: nobody's change, so that what is wrong next is not blamed on it.
    version = ConfigurationVersion(configuration=target, since_ms=turn.at_ms, healthy=True)
    return (*history, version)[-(turn.policy.safety.max_rollback_depth + 1) :]


def gave_way(turn: Turn, breaking: Decision) -> None:
    """Close what gave way to a break of the route: its order took the traffic of every change with it."""
    for live in turn.cold.live:
        if live.reverted_by == breaking.id and live.state is DecisionState.ROLLING_BACK:
            ended(turn, turn.move(live, DecisionState.ROLLED_BACK, f"gave way to {breaking.kind} {breaking.id}"))


def break_failed(turn: Turn, breaking: Decision, reason: str) -> None:
    """The actuator did not break the route: tell a human, and take back by order what should have given way."""
    turn.alert("circuit_break_failed", f"{breaking.id}: {reason}", "critical")
    yielding = [live for live in turn.cold.live if live.reverted_by == breaking.id]
    if not yielding:
        return
    assert turn.configuration is not None
    rollback = roll_back(
        turn,
        target=turn.configuration,
        reverts=yielding[0].decision.id,
        reason=f"{breaking.kind} {breaking.id} failed: {reason}",
        strategy=breaking.strategy,
        cause_id=turn.event_id,
        evidence=breaking.evidence,
    )
    for live in yielding:
        turn.put(replace(live, reverted_by=rollback.decision.id, deadline_ms=rollback.deadline_ms))


def rollback_failed(turn: Turn, rollback: LiveDecision, reason: str) -> None:
    """The actuator did not restore the target: nothing automatic is left, so call a human."""
    turn.alert("rollback_failed", f"{rollback.decision.id}: {reason}", severity="critical")
    for live in turn.cold.live:
        if live.reverted_by == rollback.decision.id:
            ended(turn, turn.move(live, DecisionState.ROLLBACK_FAILED, reason))
    if isinstance(rollback.decision.decision, Rollback) and rollback.decision.decision.reverts is not None:
        _reopen(turn, rollback.decision.decision.reverts, DecisionState.ROLLBACK_FAILED, reason)


def forget_measurements(turn: Turn, *, keep_baselines: bool = False, quality: Alarm | None = None) -> None:
    """Start measuring anew: what was seen under another configuration says nothing about this one.

    After a break of the route, or the undoing of what a part of the traffic saw, the configuration is the same as
    before, so the baselines stay and only the alarms start over. `quality` is the alarm of quality where a ramp told
    what becomes of it.
    """
    hot = turn.hot
    alarms = {
        name: replace(alarm, statistics=(), firing_windows=0) if keep_baselines else Alarm()
        for name, alarm in hot.alarms.items()
    }
    if quality is not None:
        alarms[QUALITY] = quality
    turn.hot = replace(
        hot,
        live=hot.live if keep_baselines else Live(),
        watches={name: Watch() for name in hot.watches},
        alarms=alarms,
        drift=b"",
        drift_pending=(),
        company=parted(hot.company, is_same=keep_baselines),
    )


def _reopen(turn: Turn, decision_id: str, to: DecisionState, reason: str) -> None:
    """Move a decision that was completed before; its deadline is that of the rollback that undoes it."""
    closed = next((closed for closed in turn.cold.closed if closed.id == decision_id), None)
    if closed is None or to not in MOVES[closed.state]:
        return
    moved = Transition(decision_id=closed.id, from_state=closed.state, to_state=to, reason=reason, at_ms=turn.at_ms)
    turn.note(moved, Subject(closed.id, closed.strategy, closed.kind))
    if to is DecisionState.ROLLED_BACK:
        taken_back(turn, closed)
    turn.update(
        closed=tuple(_with_state(entry, to) if entry.id == decision_id else entry for entry in turn.cold.closed)
    )


def _with_state(closed: ClosedDecision, state: DecisionState) -> ClosedDecision:
    return replace(closed, state=state)
