"""A/B tests of prompts: plan, start, watch at every insight, conclude (seed §4.1, with its test replaced).

The seed tested at a fixed level on every insight, which declares a difference in 28 to 53 % of experiments without
one. Here each experiment has a planned size, a bound that may be looked at always, and a share of alpha per challenger.
The winner reaches full traffic by a guarded ramp.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import NAMESPACE_URL, uuid5

from msgspec.structs import replace

from ..model.configuration import ConfigurationChanges, PromptChange
from ..model.decision import Alternative, ConcludeExperiment, Evidence, StartExperiment
from ..model.insight import Insight, Metric, Recommendation
from ..model.journal import Alert, Reason
from ..model.outcome import CONTROL
from ..model.policy import AbTestingPolicy, FixedAllocation, Policy, Weights
from ..model.state import Experiment, HotState
from ..stats.family import shared
from .comparison import QUALITY_ONLY, Judgement, evidence_of, impact_of, probability_better
from .confirmation import first_alpha, judged, must_confirm
from .experiment_plan import Plan, plan
from .protocol import Idea, Opinion, View, experiment_of, is_busy, silent
from .recommendations import TRY_PROMPT, recommended, refused, used
from .situation import may_explore

EXPERIMENT_NAMESPACE = uuid5(NAMESPACE_URL, "decision-stream/experiment")
SLOWER = 3.0
"""How many times the pairs of fixed shares are planned where shares follow outcomes (docs/decisions/0004)."""


@dataclass(frozen=True, slots=True)
class AbTesting:
    """Starts one experiment at a time on a scope and judges it at every insight, whatever else is going on."""

    name: str = "ab_testing"
    complete: bool = True

    def priority(self, policy: Policy) -> int:
        """The policy's number, 100 by default."""
        return policy.ab_testing.priority

    def is_enabled(self, policy: Policy) -> bool:
        """Whether the policy has it on."""
        return policy.ab_testing.enabled

    def observe(self, hot: HotState, insight: Insight, policy: Policy) -> HotState:
        """Nothing to learn from insights: experiments are measured by outcomes, arm by arm."""
        return hot

    def propose(self, view: View) -> Opinion:
        """The end of the running experiment when it may be judged, else the start of one when there is one to start."""
        running = experiment_of(view.state.cold)
        if running is not None:
            return self._judge(running, view) if running.strategy == self.name else silent(self.name, "experiment_lock")
        return self._start(view)

    def _judge(self, experiment: Experiment, view: View) -> Opinion:
        rules = view.policy.ab_testing
        found = judged(experiment, view.policy)
        if not found.over or (found.winner is not None and must_confirm(experiment, view.policy)):
            return silent(self.name, "experiment_running", found.detail)
        idea = conclusion(experiment, found, view, rules.min_effect)
        if found.code == "sample_ratio_mismatch":
            alert = Alert(code=found.code, detail=f"{experiment.id}: {found.detail}", severity="warning")
            return Opinion(ideas=(idea,), alerts=(alert,))
        return Opinion(ideas=(idea,))

    def _start(self, view: View) -> Opinion:
        asked = recommended(view, TRY_PROMPT) if view.insight.recommendations else {}
        names = _untried(view, asked)
        if asked:
            return self._traced(view, asked, names)
        return self._begin(view, names)

    def _traced(self, view: View, asked: dict[str, Recommendation], names: list[str]) -> Opinion:
        """The opinion with the trace of what the analyzer recommends."""
        opinion = self._begin(view, names)
        (idea,) = opinion.ideas or (None,)
        taken = idea.decision.challengers if idea and isinstance(idea.decision, StartExperiment) else {}
        reasons = list(opinion.reasons)
        for name, told in asked.items():
            if idea is not None and name in taken:
                trace, evidence = used(self.name, told)
                idea = replace(idea, evidence=(*idea.evidence, evidence))
                reasons.append(trace)
            else:
                why = opinion.reasons[0].code if name in names and opinion.reasons else "in use, tried or buried"
                reasons.append(refused(self.name, told, why if not taken else "others go first"))
        return replace(opinion, ideas=(idea,) if idea else (), reasons=tuple(reasons))

    def _begin(self, view: View, names: list[str]) -> Opinion:
        rules, cold = view.policy.ab_testing, view.state.cold
        if not names:
            return silent(self.name, "no_candidates")
        if not may_explore(view):
            return silent(self.name, "no_opportunity", "the analyzer says that there is nothing to gain")
        if view.state.hot.windows < rules.min_windows or view.is_broken:
            return silent(self.name, "not_stable", f"{view.state.hot.windows} windows seen")
        if is_busy(cold):
            return silent(self.name, "scope_busy")
        challengers = names[: rules.max_challengers]
        shares = _shares(rules, len(challengers))
        allocation = _allocation(rules)
        slower = 1.0 if allocation == "fixed" else SLOWER
        alpha = first_alpha(rules.alpha, allocation, cold.ledger, view.policy)
        planned = plan(
            view.insight,
            view.state.hot.live,
            QUALITY_ONLY,
            effect=rules.min_effect,
            alpha=shared(alpha, len(challengers)),
            power=rules.power,
            shares=shares,
            longest_ms=rules.max_duration_ms,
            least=float(rules.min_sample_size),
            longer=slower,
        )
        if planned is None:
            return silent(self.name, "no_measurements")
        if not planned.fits:
            detail = (
                f"{planned.pairs:.0f} pairs take {planned.hours:.0f} h; in time only {planned.detectable:.1%} is seen"
            )
            return Opinion(
                reasons=(
                    Reason(
                        source=self.name,
                        code="underpowered",
                        detail=detail,
                        value=planned.detectable,
                        limit=rules.min_effect,
                    ),
                )
            )
        changes = {
            name: ConfigurationChanges(prompt=PromptChange(old=view.configuration.prompt, new=name))
            for name in challengers
        }
        idea = start(view, self.name, changes, shares, alpha, planned, rules.min_effect, allocation)
        return Opinion(ideas=(idea,))


def start(
    view: View,
    strategy: str,
    challengers: dict[str, ConfigurationChanges],
    shares: tuple[float, ...],
    alpha: float,
    planned: Plan,
    effect: float,
    allocation: str = "fixed",
) -> Idea:
    """The idea to begin an experiment with these challengers against the configuration in use."""
    identity = f"{view.state.scope}|{strategy}|{view.insight.id}|{'|'.join(challengers)}"
    bound_share = shared(alpha, len(challengers))
    return Idea(
        decision=StartExperiment(
            experiment_id=str(uuid5(EXPERIMENT_NAMESPACE, identity)),
            variants=(CONTROL, *challengers),
            shares=shares,
            reason=f"{', '.join(challengers)} against the configuration in use",
            challengers=challengers,
            alpha=alpha,
            planned_pairs=planned.pairs,
            allocation=allocation,
        ),
        evidence=(
            Evidence(
                method="experiment_plan",
                metric=Metric.QUALITY,
                samples=round(planned.pairs),
                threshold=effect,
                error_budget=alpha,
                detail=(
                    f"{planned.pairs:.0f} pairs find a relative change of {effect:.1%} at alpha {bound_share:.4g} per "
                    f"challenger; about {planned.hours:.1f} h"
                ),
            ),
        ),
        would_flip="too little traffic, or another change under way",
    )


def conclusion(
    experiment: Experiment, found: Judgement, view: View, prior_sd: float, weights: Weights = QUALITY_ONLY
) -> Idea:
    """The idea to end an experiment as judged; a winner brings its change, predicted effect and probability."""
    evidence = tuple(evidence_of(standing, experiment, weights) for standing in found.standings)
    if not evidence:
        evidence = (Evidence(method="sample_ratio", statistic=experiment.mismatch, detail=found.detail),)
    alternatives = tuple(
        Alternative(what=standing.name, code="not_the_winner", value=standing.gain.estimate)
        for standing in found.standings
        if found.winner is None or standing.name != found.winner.name
    )
    winner = found.winner
    if winner is None:
        return Idea(
            decision=ConcludeExperiment(
                experiment_id=experiment.id, winner=None, reason=f"{found.code}: {found.detail}"
            ),
            evidence=evidence,
            alternatives=alternatives,
            would_flip="a challenger beyond its bound",
        )
    probability = probability_better(winner, prior_sd)
    treatment, control = experiment.samples[winner.name], experiment.samples[CONTROL]
    return Idea(
        decision=ConcludeExperiment(
            experiment_id=experiment.id,
            winner=winner.name,
            reason=f"{winner.name} is better: score {winner.score:.2f} beyond {winner.bound:.2f}, {found.detail}",
        ),
        changes=experiment.challengers[winner.name],
        impact=impact_of(
            control, treatment, max(prior_sd, 1e-6), None if experiment.allocation == "fixed" else winner.gain
        ),
        confidence=round(probability, 12),
        evidence=evidence,
        alternatives=alternatives,
        would_flip=f"a score below {winner.bound:.2f}",
    )


def _untried(view: View, asked: Iterable[str]) -> list[str]:
    """Prompts offered to this scope, to all, or asked for, in that order, without those in use, tried or buried."""
    cold, model = view.state.cold, view.configuration.model
    variants = view.policy.ab_testing.variants
    if not (cold.offered or variants or asked):
        return []
    return [
        name
        for name in dict.fromkeys((*cold.offered, *variants, *asked))
        if name != view.configuration.prompt
        and f"{model}:{name}" not in cold.tried
        and not ((stone := cold.tombstones.get(f"prompt={name}")) is not None and view.at_ms < stone.until_ms)
    ]


def _shares(rules: AbTestingPolicy, challengers: int) -> tuple[float, ...]:
    """The control's share as configured, the rest evenly among the others; where shares follow outcomes, all alike."""
    allocation = rules.allocation_strategy
    if isinstance(allocation, FixedAllocation):
        control = allocation.weights[0] / sum(allocation.weights)
    else:
        control = 1.0 / (challengers + 1)
    each = round((1.0 - control) / challengers, 9)
    return (round(1.0 - each * challengers, 9), *(each for _ in range(challengers)))


def _allocation(rules: AbTestingPolicy) -> str:
    """The rule's name in the policy file."""
    return str(type(rules.allocation_strategy).__struct_config__.tag)
