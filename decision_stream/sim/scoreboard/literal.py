"""The specification taken at its word, as a player: what the engine would be without its statistics and guards.

A fixed z test looked at on every report (alpha .05, at least 100 scores an arm), constant confidences (.85 for a
model, 1 for safety, .6 for an experiment), limits on single windows, a canary in steps of five minutes of which the
first alone is watched, no memory of what failed. Where it says nothing, the most obvious reading is taken: raw scales
divided by their limits, any broken limit is high, the last other configuration is the last known good. An experiment
would never pass its own confidence rule (.6 against .8) and is let through. The bandit and the search of parameters
are left out: no listing says how they meet a route. Nothing repeated or late is recognised.
"""

from math import erfc, sqrt
from uuid import NAMESPACE_URL, uuid5

from ...model.actuation import (
    BeginExperiment,
    BreakRoute,
    Directive,
    EndExperiment,
    Order,
    RestoreConfiguration,
    UpdateConfiguration,
)
from ...model.command import Command, Offer
from ...model.configuration import Configuration, ConfigurationChanges, ModelChange, PromptChange
from ...model.decision import (
    CircuitBreak,
    ConcludeExperiment,
    Decision,
    DecisionType,
    ModelSwitch,
    PredictedImpact,
    Risk,
    RiskLevel,
    Rollback,
    StartExperiment,
)
from ...model.event import Event
from ...model.insight import Insight
from ...model.metrics import ArmSample, ModelEstimate
from ...model.outcome import CONTROL, Outcome, OutcomeStatus
from ...model.policy import DAY_MS, MINUTE_MS, Limits, SafetyPolicy, Weights

ALPHA, MIN_SAMPLES = 0.05, 100
CANARY, INCREMENT, STEP_MS = 0.05, 0.15, 5 * MINUTE_MS
COOLDOWN_MS = 5 * MINUTE_MS
BREAK_MS = 5 * MINUTE_MS
MAX_COST_USD, MAX_LATENCY_MS = 1.0, 5_000.0
NAMESPACE = uuid5(NAMESPACE_URL, "decision-stream/literal")
NO_RISK = Risk(
    level=RiskLevel.LOW, score=0.0, exposure=0.0, worst_case=0.0, reversibility=1.0, novelty=0.0
)  # fmt: skip


class Literal:
    """Use as a brain."""

    def __init__(self, scope: str) -> None:
        self._scope = scope
        self._sequence = 0
        self._configuration: Configuration | None = None
        self._before: Configuration | None = None
        self._changed_ms = 0
        self._optimised_ms = 0
        self._broken_until_ms = 0
        self._at_ms = 0
        # The canary: its decision, candidate, weight, last step, and the window before it.
        self._canary: tuple[Decision, Configuration, float, int, Insight] | None = None
        self._experiment: tuple[Decision, dict[str, Configuration]] | None = None
        self._samples: dict[str, ArmSample] = {}
        self._offered: list[str] = []
        self._orders = 0

    def tell(self, event: Event) -> list[Directive]:
        """Take in an event; the orders that follow from it."""
        self._at_ms = event.at_ms
        match event:
            case Insight():
                return self._insight(event)
            case Outcome(status=OutcomeStatus.MEASURED):
                return self._measured(event)
            case Outcome(status=OutcomeStatus.FAILED | OutcomeStatus.PARTIAL_SUCCESS):
                self._canary = self._experiment = None
            case Command(instruction=Offer(variants=variants)):
                self._offered += variants
        return []

    def _insight(self, insight: Insight) -> list[Directive]:
        if self._configuration is None:
            self._configuration = insight.configuration
        assert self._configuration is not None
        if insight.at_ms < self._broken_until_ms:
            return []
        if self._is_broken(insight):
            # A rollback needs a configuration to return to; without one the whole decision is an error.
            return self._roll_back("a limit is broken") if self._before is not None or self._canary else []
        if insight.anomalies:
            return self._break("anomaly")
        if self._canary is not None:
            return self._watch(insight)
        if self._experiment is not None or self._at_ms - self._changed_ms < COOLDOWN_MS:
            return []
        if self._offered:
            return self._start(self._offered.pop(0))
        if self._at_ms - self._optimised_ms > DAY_MS:
            return self._optimise(insight)
        return []

    def _is_broken(self, insight: Insight) -> bool:
        limits = Limits()
        return (
            insight.performance.error_rate > limits.max_error_rate
            or insight.performance.latency_p95_ms > limits.max_latency_p95_ms
            or insight.quality.score < limits.min_quality_score
            or insight.cost.per_request_usd > limits.max_cost_per_request_usd
        )

    def _optimise(self, insight: Insight) -> list[Directive]:
        """The best weighted score of all that is known; a day later again."""
        if not insight.candidates:
            return []
        assert self._configuration is not None
        self._optimised_ms = self._at_ms
        present = _score(insight.quality.score, insight.cost.per_request_usd, insight.performance.latency_p95_ms)
        best = max(insight.candidates, key=lambda it: (_of(it), it.model))
        if _of(best) <= present or not _within(best, insight):
            return []
        target = Configuration(
            model=best.model, prompt=self._configuration.prompt, parameters=self._configuration.parameters
        )
        kind = ModelSwitch(from_model=self._configuration.model, to_model=best.model, reason="Pareto-optimal")
        changes = ConfigurationChanges(model=ModelChange(old=self._configuration.model, new=best.model))
        return self._ramp(kind, target, changes, 0.85, insight)

    def _ramp(
        self,
        kind: DecisionType,
        target: Configuration,
        changes: ConfigurationChanges,
        confidence: float,
        insight: Insight,
    ) -> list[Directive]:
        decision = self._decide(kind, "pareto", confidence, target, changes)
        self._canary = (decision, target, CANARY, self._at_ms, insight)
        return [self._order(decision, UpdateConfiguration(configuration=target, weight=CANARY), 0)]

    def _watch(self, insight: Insight) -> list[Directive]:
        assert self._canary is not None
        decision, target, weight, since_ms, before = self._canary
        if self._at_ms - since_ms < STEP_MS:
            return []
        # Five minutes after the start, one window against the one before it; never again.
        if weight == CANARY and _worse(insight, before):
            return self._roll_back("degradation detected")
        step = round((weight - CANARY) / INCREMENT) + 1
        weight = min(1.0, round(weight + INCREMENT, 9))
        if weight >= 1.0:
            self._canary = None
            self._adopt(target)
        else:
            self._canary = (decision, target, weight, self._at_ms, before)
        return [self._order(decision, UpdateConfiguration(configuration=target, weight=weight), step)]

    def _adopt(self, target: Configuration) -> None:
        self._before, self._configuration = self._configuration, target
        self._changed_ms = self._at_ms

    def _start(self, prompt: str) -> list[Directive]:
        assert self._configuration is not None
        if prompt == self._configuration.prompt:
            return []
        challenger = Configuration(
            model=self._configuration.model, prompt=prompt, parameters=self._configuration.parameters
        )
        name = str(uuid5(NAMESPACE, f"{self._scope}|{prompt}|{self._at_ms}"))
        changes = ConfigurationChanges(prompt=PromptChange(old=self._configuration.prompt, new=prompt))
        kind = StartExperiment(
            experiment_id=name, variants=(CONTROL, prompt), shares=(0.5, 0.5), challengers={prompt: changes}
        )
        decision = self._decide(kind, "ab_testing", 0.6, self._configuration)
        arms = {CONTROL: self._configuration, prompt: challenger}
        self._experiment, self._samples = (decision, arms), {arm: ArmSample() for arm in arms}
        order = BeginExperiment(experiment_id=name, shares={CONTROL: 0.5, prompt: 0.5}, configurations=arms)
        return [self._order(decision, order, 0)]

    def _measured(self, outcome: Outcome) -> list[Directive]:
        if self._experiment is None or outcome.decision_id != self._experiment[0].id:
            return []
        decision, arms = self._experiment
        self._samples = {arm: seen.merge(outcome.arms.get(arm, ArmSample())) for arm, seen in self._samples.items()}
        prompt = next(arm for arm in arms if arm != CONTROL)
        control, challenger = self._samples[CONTROL].quality, self._samples[prompt].quality
        if min(control.count, challenger.count) < MIN_SAMPLES:
            return []
        error = sqrt(control.variance / control.count + challenger.variance / challenger.count)
        z = (challenger.mean - control.mean) / error if error > 0.0 else 0.0
        p_value = erfc(abs(z) / sqrt(2.0))
        over = p_value < ALPHA or self._at_ms - decision.at_ms > 7 * DAY_MS
        if not over:
            return []
        self._experiment = None
        name = decision.decision.experiment_id if isinstance(decision.decision, StartExperiment) else ""
        wins = p_value < ALPHA and z > 0.0
        kind = ConcludeExperiment(experiment_id=name, winner=prompt if wins else None, reason=f"p = {p_value:.3f}")
        target = arms[prompt] if wins else arms[CONTROL]
        changes = ConfigurationChanges(prompt=PromptChange(old=arms[CONTROL].prompt, new=prompt) if wins else None)
        conclusion = self._decide(kind, "ab_testing", 1.0 - p_value, target, changes)
        if not wins:
            return [self._order(conclusion, EndExperiment(experiment_id=name, winner=None), 0)]
        # The winner goes to all traffic at once.
        self._adopt(target)
        return [self._order(conclusion, UpdateConfiguration(configuration=target, weight=1.0), 0)]

    def _roll_back(self, reason: str) -> list[Directive]:
        assert self._configuration is not None
        reverts = self._canary[0].id if self._canary is not None else None
        target = self._configuration if self._canary is not None else self._before
        assert target is not None
        kind = Rollback(target_configuration_id=target.id, reverts=reverts, reason=reason)
        decision = self._decide(kind, "threshold_based", 1.0, target)
        self._canary = self._experiment = None
        self._before, self._configuration, self._changed_ms = None, target, self._at_ms
        return [self._order(decision, RestoreConfiguration(configuration=target), 0)]

    def _break(self, reason: str) -> list[Directive]:
        assert self._configuration is not None
        kind = CircuitBreak(duration_ms=BREAK_MS, reason=reason)
        decision = self._decide(kind, "threshold_based", 1.0, self._configuration)
        self._canary = self._experiment = None
        self._broken_until_ms = self._at_ms + BREAK_MS
        return [self._order(decision, BreakRoute(duration_ms=BREAK_MS), 0)]

    def _decide(
        self,
        kind: DecisionType,
        strategy: str,
        confidence: float,
        target: Configuration,
        changes: ConfigurationChanges | None = None,
    ) -> Decision:
        assert self._configuration is not None
        self._sequence += 1
        return Decision(
            id=str(uuid5(NAMESPACE, f"{self._scope}|{self._sequence}")),
            scope=self._scope,
            sequence=self._sequence,
            at_ms=self._at_ms,
            strategy=strategy,
            decision=kind,
            changes=changes or ConfigurationChanges(),
            impact=PredictedImpact(),
            confidence=confidence,
            risk=NO_RISK,
            evidence=(),
            checks=(),
            alternatives=(),
            insight_id="",
            proposal_id="",
            from_configuration_id=self._configuration.id,
            to_configuration_id=target.id,
            expires_at_ms=self._at_ms + DAY_MS,
            policy_hash="literal",
            engine_version="literal",
        )

    def _order(self, decision: Decision, order: Order, step: int) -> Directive:
        self._orders += 1
        return Directive(
            id=f"{decision.id}:{step}:{self._orders}",
            scope=self._scope,
            at_ms=self._at_ms,
            sequence=decision.sequence,
            step=step,
            order=order,
            decision=decision,
        )


def _of(estimate: ModelEstimate) -> float:
    return _score(estimate.quality, estimate.cost_usd, estimate.latency_p95_ms)


def _score(quality: float, cost_usd: float, latency_p95_ms: float) -> float:
    weights = Weights()
    return (
        weights.quality * quality
        + weights.cost * (1.0 - cost_usd / MAX_COST_USD)
        + weights.latency * (1.0 - latency_p95_ms / MAX_LATENCY_MS)
    )


def _within(candidate: ModelEstimate, insight: Insight) -> bool:
    """The constraints on the means."""
    safety = SafetyPolicy()
    return (
        candidate.quality >= insight.quality.score * (1.0 - safety.max_quality_degradation)
        and candidate.cost_usd <= insight.cost.per_request_usd * (1.0 + safety.max_cost_increase)
        and candidate.latency_p95_ms <= insight.performance.latency_p95_ms * (1.0 + safety.max_latency_increase)
    )


def _worse(after: Insight, before: Insight) -> bool:
    """One window against another, by the constraints."""
    safety = SafetyPolicy()
    return (
        after.quality.score < before.quality.score * (1.0 - safety.max_quality_degradation)
        or after.cost.per_request_usd > before.cost.per_request_usd * (1.0 + safety.max_cost_increase)
        or after.performance.latency_p95_ms > before.performance.latency_p95_ms * (1.0 + safety.max_latency_increase)
    )
