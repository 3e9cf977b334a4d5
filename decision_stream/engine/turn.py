"""The working copy of one step: state that is being changed and the account of it. It never outlives the step."""

from collections.abc import Mapping
from types import MappingProxyType

from msgspec.structs import replace

from .. import ENGINE_VERSION
from ..model.actuation import Directive, Order
from ..model.configuration import Configuration, ConfigurationChanges
from ..model.decision import Alternative, Check, Decision, DecisionType, Evidence, PredictedImpact, Proposal, Risk
from ..model.effect import Effects, Subject
from ..model.journal import Alert, FrontierPoint, Learning, Reason, Stage, Transition, Verdict
from ..model.knowledge import CatalogEntry, Sighting, Signal
from ..model.lifecycle import DecisionState
from ..model.policy import Policy
from ..model.state import ClosedDecision, ColdState, HotState, LiveDecision, ScopeState
from ..strategies.apart import apart
from .identity import derived_id
from .lifecycle import OVER, check_move

CLOSED_KEPT = 20
SEEN_KEPT = 64
NO_CHANGES = ConfigurationChanges()
NO_PREDICTION = PredictedImpact()


class Turn:
    """Collects the changes of one step.

    `at_ms` is engine time: it never runs backwards, so a late event is judged as if it came now.
    """

    # What most steps leave empty belongs to the class until it is changed.
    actor: str | None = None
    _outputs: tuple[Proposal | Directive, ...] = ()
    _entries: tuple[CatalogEntry, ...] = ()
    _reasons: tuple[Reason, ...] = ()
    _transitions: tuple[Transition, ...] = ()
    _alerts: tuple[Alert, ...] = ()
    _learnings: tuple[Learning, ...] = ()
    _frontier: tuple[FrontierPoint, ...] = ()
    _about: Mapping[str, Subject] = MappingProxyType({})

    def __init__(self, state: ScopeState, event_id: str, event_at_ms: int, policy: Policy, trace: str = "") -> None:
        hot = state.hot
        at_ms = hot.at_ms
        if event_at_ms > at_ms:
            at_ms = event_at_ms
            hot = replace(hot, at_ms=at_ms)
        self.scope = state.scope
        self.event_id = event_id
        self.policy = policy
        self.trace = trace
        self.at_ms = at_ms
        self._before = state
        self.hot: HotState = hot
        self.cold: ColdState = state.cold
        # An aggregate may have hundreds of them.
        self._signals: list[Sighting | Signal] = []

    @property
    def configuration(self) -> Configuration | None:
        """The configuration in full use; None for a scope whose configuration was never told."""
        return self.cold.configuration

    @property
    def state(self) -> ScopeState:
        """The state as changed so far; the state before the step itself when nothing was changed."""
        if self.hot is self._before.hot and self.cold is self._before.cold:
            return self._before
        return ScopeState(scope=self.scope, hot=self.hot, cold=self.cold)

    def update(self, **changes: object) -> None:
        """Change fields of the cold state."""
        self.cold = replace(self.cold, **changes)

    def refuse(self, source: str, code: str, detail: str = "", value: float | None = None, limit: float | None = None):
        """Record why something was not done."""
        self._reasons += (Reason(source=source, code=code, detail=detail, value=value, limit=limit),)

    def explain(self, reasons: tuple[Reason, ...]) -> None:
        """Record reasons given by someone else."""
        self._reasons += reasons

    def alert(self, code: str, detail: str, severity: str = "warning") -> None:
        """Tell humans."""
        self._alerts += (Alert(code=code, detail=detail, severity=severity),)

    def alerts(self, alerts: tuple[Alert, ...]) -> None:
        """Pass on alerts of a strategy."""
        self._alerts += alerts

    def learned(self, what: str, before: float | None, after: float | None, decision_id: str | None = None) -> None:
        """Record what an outcome changed, and the decision it is credited to where there is one."""
        self._learnings += (Learning(what=what, before=before, after=after, decision_id=decision_id),)

    def picture(self, frontier: tuple[FrontierPoint, ...]) -> None:
        """Publish how the candidates stand."""
        self._frontier = frontier

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """The reasons given so far."""
        return self._reasons

    def emit(self, output: Proposal | Directive) -> None:
        """Send a proposal or directive when the step is done."""
        self._outputs += (output,)

    def signal(self, message: Sighting | Signal) -> None:
        """Tell an aggregate, or a scope, when the step is done."""
        self._signals.append(message)

    def publish(self, entry: CatalogEntry) -> None:
        """Publish an entry of the catalogue when the step is done."""
        self._entries += (entry,)

    def has_seen(self, event_id: str) -> bool:
        """Whether an outcome or command of this id was taken in before."""
        return event_id in self.cold.seen

    def see(self, event_id: str) -> None:
        """Remember an outcome or command; the oldest is forgotten."""
        self.update(seen=(*self.cold.seen, event_id)[-SEEN_KEPT:])

    def live(self, decision_id: str) -> LiveDecision | None:
        """The decision of this id if it is not over."""
        return next((live for live in self.cold.live if live.decision.id == decision_id), None)

    def concern(self, decision: Decision) -> None:
        """Note that the event is about this decision."""
        subject = Subject(decision.id, decision.strategy, decision.kind, decision.confidence, decision.trace)
        self._about = {**self._about, decision.id: subject}

    def begin(self, live: LiveDecision, transitions: tuple[Transition, ...]) -> None:
        """Take up a new decision that has passed these transitions."""
        self._transitions += transitions
        self.concern(live.decision)
        self.update(live=(*self.cold.live, live))

    def note(self, transition: Transition, subject: Subject) -> None:
        """Record a transition of a decision that is not kept among the live ones."""
        self._about = {**self._about, subject.id: subject}
        self._transitions += (transition,)

    def put(self, live: LiveDecision) -> LiveDecision:
        """Replace a live decision by its changed self."""
        self.update(live=tuple(live if old.decision.id == live.decision.id else old for old in self.cold.live))
        return live

    def move(self, live: LiveDecision, to: DecisionState, reason: str, deadline_ms: int | None = None) -> LiveDecision:
        """Move a live decision; one that is over is taken off the live ones and remembered as closed.

        `deadline_ms` is required for a state that is not over.
        """
        check_move(live.state, to)
        self.concern(live.decision)
        self._transitions += (
            Transition(
                decision_id=live.decision.id, from_state=live.state, to_state=to, reason=reason, at_ms=self.at_ms
            ),
        )
        if to in OVER:
            moved = replace(live, state=to, since_ms=self.at_ms)
            self._close(moved)
            return moved
        assert deadline_ms is not None, f"state {to} needs a deadline"
        return self.put(replace(live, state=to, since_ms=self.at_ms, deadline_ms=deadline_ms))

    def order(self, live: LiveDecision, order: Order) -> LiveDecision:
        """Send the next order of a live decision to the actuator."""
        directive = Directive(
            id=derived_id(live.decision.id, live.step),
            scope=self.scope,
            at_ms=self.at_ms,
            sequence=live.decision.sequence,
            step=live.step,
            order=order,
            decision=live.decision,
        )
        self.emit(directive)
        return self.put(replace(live, step=live.step + 1))

    def decide(
        self,
        *,
        id: str,
        strategy: str,
        decision: DecisionType,
        target: Configuration,
        risk: Risk,
        insight_id: str,
        proposal_id: str,
        changes: ConfigurationChanges = NO_CHANGES,
        impact: PredictedImpact = NO_PREDICTION,
        said: PredictedImpact | None = None,
        confidence: float | None = None,
        evidence: tuple[Evidence, ...] = (),
        checks: tuple[Check, ...] = (),
        alternatives: tuple[Alternative, ...] = (),
        would_flip: str = "",
        trace: str = "",
    ) -> Decision:
        """Make a decision record with the scope's next sequence number."""
        assert self.configuration is not None, "a scope without configuration decides nothing"
        sequence = self.cold.decision_sequence + 1
        self.update(decision_sequence=sequence)
        return Decision(
            id=id,
            scope=self.scope,
            sequence=sequence,
            at_ms=self.at_ms,
            strategy=strategy,
            decision=decision,
            changes=changes,
            impact=impact,
            said=said,
            confidence=confidence,
            risk=risk,
            evidence=evidence,
            checks=checks,
            alternatives=alternatives,
            insight_id=insight_id,
            proposal_id=proposal_id,
            from_configuration_id=self.configuration.id,
            to_configuration_id=target.id,
            expires_at_ms=self.at_ms + self.policy.engine.decision_timeout_ms,
            policy_hash=self.policy.hash,
            engine_version=ENGINE_VERSION,
            would_flip=would_flip,
            trace=trace or self.trace,
        )

    def target_of(self, decision: Decision) -> Configuration:
        """The configuration in use with the facets of this decision replaced, and no others."""
        assert self.configuration is not None, "a decision belongs to a configured scope"
        return self.configuration.patched(decision.changes)

    def effects(self, stage: Stage, verdict: Verdict) -> Effects:
        """The account of the step."""
        return Effects(
            stage=stage,
            verdict=verdict,
            outputs=self._outputs,
            signals=tuple(self._signals),
            entries=self._entries,
            reasons=self._reasons,
            transitions=self._transitions,
            alerts=self._alerts,
            learnings=self._learnings,
            frontier=self._frontier,
            actor=self.actor,
            about=tuple(self._about.values()),
        )

    def _close(self, live: LiveDecision) -> None:
        decision = live.decision
        closed = ClosedDecision(
            id=decision.id,
            kind=decision.kind,
            strategy=decision.strategy,
            state=live.state,
            decided_at_ms=decision.at_ms,
            closed_at_ms=self.at_ms,
            from_configuration_id=decision.from_configuration_id,
            to_configuration_id=decision.to_configuration_id,
        )
        experiment = self.cold.experiment
        if experiment is not None and experiment.decision_id == decision.id:
            self.hot = replace(self.hot, live=apart(self.hot.live, experiment, self.at_ms))
            self.update(experiment=None)
        counters = self.cold.counters
        self.update(
            live=tuple(other for other in self.cold.live if other.decision.id != decision.id),
            closed=(*self.cold.closed, closed)[-CLOSED_KEPT:],
            counters=replace(
                counters,
                by_state=_increased(counters.by_state, live.state.value),
                by_strategy=_increased(counters.by_strategy, decision.strategy),
            ),
        )


def _increased(counts: dict[str, int], key: str) -> dict[str, int]:
    return dict(sorted({**counts, key: counts.get(key, 0) + 1}.items()))
