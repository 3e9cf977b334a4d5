"""Reinforcement: a contextual bandit over models explores on a thin slice, and switches on evidence (seed §4.2).

The engine decides per window and the actuator serves requests, so the randomised policy is a split of the traffic: its
shares are the propensities, known exactly and logged with every order. The seed switched the route to whatever arm was
ahead; here the slice learns, and the route is switched when "always this arm" is proven better than the configuration
in use by more than the least gain, by an off-policy bound that holds at every look. Then the switch is ramped as any.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from uuid import NAMESPACE_URL, uuid5

from msgspec.structs import replace

from ..model.decision import (
    Alternative,
    ConcludeExperiment,
    Evidence,
    Interval,
    ModelSwitch,
    PredictedImpact,
    StartExperiment,
)
from ..model.insight import Insight
from ..model.journal import Alert, Reason
from ..model.outcome import CONTROL
from ..model.policy import DAY_MS, HOUR_MS, Policy, ReinforcementPolicy
from ..model.state import Bandit, Experiment, HotState
from ..stats import sample_ratio, stopped
from ..stats.difference import BURN_IN
from ..stats.empirical_bernstein import DifferenceEvidence
from . import bandit as bandits
from . import context as features
from . import prospects
from .comparison import MISMATCH_LEVEL, impact_of
from .estimates import estimate_in_use, estimate_of_arm, impact_of_switch
from .models import known_models
from .protocol import Idea, Opinion, View, is_busy, silent

EXPERIMENT_NAMESPACE = uuid5(NAMESPACE_URL, "decision-stream/exploration")
_LOOK_EVERY = 5
"""Windows between looks for something to explore: an arm's odds do not turn within one."""
_USUAL_GAIN = 0.1
"""How much arms usually differ in reward (standard deviation), by which the estimate at the stop is shrunk."""
_USUAL_CHANGE = 0.25
"""How much arms usually differ in a metric, as a share of it."""


@dataclass(frozen=True, slots=True)
class Reinforcement:
    """Begins explorations, watches them, ends them, and proposes what they prove."""

    name: str = "reinforcement"
    complete: bool = True

    def priority(self, policy: Policy) -> int:
        """The policy's number, 80 by default."""
        return policy.reinforcement.priority

    def is_enabled(self, policy: Policy) -> bool:
        """Whether the policy has it on."""
        return policy.reinforcement.enabled

    def observe(self, hot: HotState, insight: Insight, policy: Policy) -> HotState:
        """The window's features, for the next draw of shares."""
        return replace(hot, context=features.packed(hot, insight, policy.reinforcement))

    def propose(self, view: View) -> Opinion:
        """A switch that is proven, the end of an exploration that has nothing to learn, or the start of one."""
        running = view.state.cold.experiment
        if running is None:
            return self._start(view)
        if running.strategy != self.name:
            return silent(self.name, "experiment_lock")
        return self._judge(running, view)

    def _start(self, view: View) -> Opinion:
        rules, cold = view.policy.reinforcement, view.state.cold
        obstacle = _obstacle(view, rules)
        if obstacle is not None:
            return Opinion(reasons=(obstacle,))
        offered, refused = prospects.candidates(view, rules)
        if not offered:
            return Opinion(reasons=(_reason("no_candidates"), *refused))
        chosen = _likeliest(offered, rules)
        chance = max(offered.values())
        # Twice what ends one, so that an exploration does not end at its first report.
        if chance < 2.0 * rules.futility:
            reason = _reason("nothing_to_learn", ", ".join(chosen), chance, 2.0 * rules.futility)
            return Opinion(reasons=(reason, *refused))
        context = features.context_at(view.state.hot, view.at_ms, rules)
        if context is None:
            return silent(self.name, "no_measurements")
        bandit = _primed(view, chosen, rules)
        ids = [view.configuration.id, *(prospects.arm_of(view.configuration, model) for model in chosen)]
        beliefs = bandits.believed(bandit, context, ids, rules)
        shares = bandits.shares(bandit, context, ids, rules)
        expected = _scored_per_hour(view.insight) * min(shares[1:]) * rules.max_duration_ms / HOUR_MS
        if expected < rules.min_effective_samples:
            detail = f"scored requests of the rarest arm in {rules.max_duration_ms / HOUR_MS:g} h"
            return Opinion(reasons=(_reason("underpowered", detail, expected, rules.min_effective_samples),))
        identity = f"{cold.decision_sequence}|{view.state.scope}|{view.insight.id}|{'|'.join(chosen)}"
        evidence = Evidence(
            method="exploration_plan",
            samples=round(expected),
            statistic=chance,
            threshold=2.0 * rules.futility,
            error_budget=rules.error_budget,
            detail=(
                f"probability that an arm is better by {rules.min_gain:g}; on {1.0 - shares[0]:.1%} of the traffic a "
                f"request may lose {beliefs.worst_loss:.3f} of reward at worst"
            ),
        )
        idea = Idea(
            decision=StartExperiment(
                experiment_id=str(uuid5(EXPERIMENT_NAMESPACE, identity)),
                variants=(CONTROL, *chosen),
                shares=shares,
                reason=f"exploring {', '.join(chosen)} on a slice of the traffic",
                challengers={model: prospects.change_to(view.configuration, model) for model in chosen},
                alpha=rules.error_budget,
                planned_pairs=float(max(1, rules.min_effective_samples)),
                allocation=rules.algorithm,
                most=rules.exploration_rate,
                yields=True,
                context=dict(zip(features.names(rules), (round(value, 6) for value in context), strict=True)),
            ),
            evidence=(evidence,),
            alternatives=tuple(
                Alternative(what=model, code="not_among_the_likeliest") for model in offered if model not in chosen
            ),
            would_flip="a route that is not steady, or another change",
        )
        return Opinion(ideas=(idea,), reasons=refused)

    def _judge(self, experiment: Experiment, view: View) -> Opinion:
        rules, bandit = view.policy.reinforcement, view.state.cold.bandit
        arms = {name: prospects.arm_of(view.configuration, name) for name in sorted(experiment.challengers)}
        alpha = prospects.claim_alpha(rules)
        known = {name: bandit.evidence.get(arm, DifferenceEvidence()) for name, arm in arms.items()}
        astray = sample_ratio.p_value(experiment.mismatch) <= MISMATCH_LEVEL
        found = {name: known[name] for name in known if prospects.is_proven(known[name], rules)}
        if found and not astray:
            best = max(sorted(found), key=lambda name: found[name].lower(alpha))
            return Opinion(ideas=(self._switch(best, arms[best], known, experiment, view),))
        ending = self._ending(arms, view, rules)
        if astray:
            ending = "sample_ratio_mismatch", "units do not arrive in the ordered shares"
        if ending is not None:
            code, detail = ending
            idea = Idea(
                decision=ConcludeExperiment(experiment_id=experiment.id, winner=None, reason=f"{code}: {detail}"),
                evidence=tuple(_bound(name, known[name], experiment, rules) for name in known)
                or (Evidence(method="off_policy_bound"),),
                would_flip=f"a lower bound of the gain above {rules.min_gain:g}",
            )
            alert = Alert(code=code, detail=f"{experiment.id}: {detail}", severity="warning")
            return Opinion(ideas=(idea,), alerts=(alert,) if astray else ())
        return Opinion(reasons=tuple(_lacking(name, known[name], rules) for name in known))

    def _ending(self, arms: dict[str, str], view: View, rules: ReinforcementPolicy) -> tuple[str, str] | None:
        """Why the exploration should end without a switch; None while it may still teach something."""
        if view.insight.stability <= rules.min_stability or view.is_broken:
            return "not_stable", f"stability {view.insight.stability:g}"
        if _spent_today(view) >= rules.exploration_budget_usd:
            return "exploration_budget_spent", f"{_spent_today(view):.2f} USD today"
        if all(prospects.is_disproven(view, name, rules) for name in arms):
            return "proven_not_better", f"no arm gains {rules.min_gain:g}"
        chance = max(prospects.chance_of_gain(view, name, rules) for name in arms)
        if chance < rules.futility:
            return "nothing_to_learn", f"no arm is better by {rules.min_gain:g}, but for a chance of {chance:.1%}"
        return None

    def _switch(
        self, model: str, arm: str, known: dict[str, DifferenceEvidence], experiment: Experiment, view: View
    ) -> Idea:
        rules, bandit = view.policy.reinforcement, view.state.cold.bandit
        found = known[model].difference()
        assert found is not None, "what is proven has an estimate"
        bound = _bound(model, known[model], experiment, rules)
        context = features.context_at(view.state.hot, view.at_ms, rules)
        evidence = [bound]
        if context is not None and bandit.shape == bandits.shape_of(rules):
            terms = bandits.contributions(bandit, context, arm, view.configuration.id, rules)
            terms = {name: round(value, 9) for name, value in terms.items()}
            evidence.append(
                Evidence(
                    method="linear_contributions",
                    statistic=round(sum(terms.values()), 9),
                    detail=f"predicted gain of {model} in reward now, as the sum of its terms",
                    contributions=terms,
                )
            )
        assert bound.interval is not None
        return Idea(
            decision=ModelSwitch(
                from_model=view.configuration.model,
                to_model=model,
                reason=(
                    f"{model} earns {found.estimate:+.3f} of reward, proven above {bound.interval.low:+.3f} at every "
                    f"look, from {known[model].effective_size:.0f} effective requests"
                ),
            ),
            changes=prospects.change_to(view.configuration, model),
            impact=_impact(experiment, model, view.configuration.model),
            confidence=round(stopped.shrunken(found, _USUAL_GAIN).above(), 12),
            evidence=tuple(evidence),
            alternatives=tuple(
                Alternative(what=other, code="gain_not_proven", value=estimate.estimate)
                for other, evidence_of in known.items()
                if other != model and (estimate := evidence_of.difference()) is not None
            ),
            would_flip=f"a lower bound of the gain below {rules.min_gain:g} instead of {bound.interval.low:.4f}",
        )


def _impact(experiment: Experiment, model: str, in_use: str) -> PredictedImpact:
    """What the arms show; of latency the 95th percentile, for models differ in their tails."""
    control, arm = experiment.samples[CONTROL], experiment.samples[model]
    impact = impact_of(control, arm, _USUAL_CHANGE)
    if impact.latency is None or min(control.quality.count, arm.quality.count) < BURN_IN:
        return impact
    tails = impact_of_switch(estimate_of_arm(in_use, control), estimate_of_arm(model, arm))
    return replace(impact, latency=tails.latency)


def _obstacle(view: View, rules: ReinforcementPolicy) -> Reason | None:
    """What forbids to explore now, cheapest to find out first."""
    cold, hot, insight = view.state.cold, view.state.hot, view.insight
    if is_busy(cold) or cold.live:
        return _reason("scope_busy")
    if cold.pinned_by is not None:
        return _reason("pinned")
    if hot.windows < rules.min_windows or view.is_broken:
        return _reason("not_stable", f"{hot.windows} windows seen", hot.windows, rules.min_windows)
    if insight.stability <= rules.min_stability:
        return _reason("not_stable", "", insight.stability, rules.min_stability)
    if insight.hints.feedback_available is False or not insight.quality.samples:
        return _reason("no_feedback")
    rested_ms, rest_ms = view.at_ms - max(cold.bandit.explored_at_ms, cold.changed_at_ms or 0), _rest_ms(view, rules)
    if rested_ms < rest_ms:
        return _reason("explored_recently", "", rested_ms, rest_ms)
    if _spent_today(view) >= rules.exploration_budget_usd:
        return _reason("exploration_budget_spent", "", cold.bandit.spent_usd, rules.exploration_budget_usd)
    if hot.windows % _LOOK_EVERY:
        return _BETWEEN_LOOKS
    return None


def _rest_ms(view: View, rules: ReinforcementPolicy) -> int:
    """The policy's rest, twice as long for each exploration in a row that proved nothing, at most a day."""
    bandit = view.state.cold.bandit
    if bandit.reference != view.configuration.id or not bandit.fruitless:
        return rules.rest_ms
    return max(rules.rest_ms, min(rules.rest_ms * 2 ** min(bandit.fruitless - 1, 20), DAY_MS))


def _likeliest(offered: dict[str, float], rules: ReinforcementPolicy) -> tuple[str, ...]:
    """As many models as the slice has room for, those with the best chances of a gain, by name."""
    room = max(1, int(rules.exploration_rate / bandits.LEAST_SHARE) - 1)
    return tuple(sorted(sorted(offered, key=lambda model: (-offered[model], model))[: min(rules.max_arms, room)]))


def _primed(view: View, chosen: tuple[str, ...], rules: ReinforcementPolicy) -> Bandit:
    """The bandit with what is said of the models that are new to it."""
    known = known_models(view.policy, view.state.cold, view.at_ms, view.state.hot.live)
    said = {prospects.arm_of(view.configuration, model): known[model] for model in chosen}
    current = estimate_in_use(view.state.hot.live, view.configuration.model)
    if current is not None:
        said[view.configuration.id] = current
    return bandits.primed(bandits.prepared(view.state.cold.bandit, rules), said, rules)


def _bound(name: str, known: DifferenceEvidence, experiment: Experiment, rules: ReinforcementPolicy) -> Evidence:
    """The off-policy bound of "always this arm" against the configuration in use, with what it rests on."""
    alpha = prospects.claim_alpha(rules)
    found = known.difference()
    order = (CONTROL, *sorted(experiment.challengers))
    chances = [period.shares[order.index(name)] for period in experiment.periods]
    return Evidence(
        method="off_policy_bound",
        samples=known.units,
        statistic=found.estimate if found else None,
        threshold=rules.min_gain,
        interval=Interval(low=known.lower(alpha), high=known.upper(alpha), level=1.0 - 2.0 * alpha),
        error_budget=rules.error_budget,
        detail=(
            f"gain in reward of always {name}: {known.units} requests in {known.blocks} reports, effective size "
            f"{known.effective_size:.0f}, propensities {min(chances, default=0.0):.4f} to "
            f"{max(chances, default=0.0):.4f}; each bound holds at every look at {alpha:.3g}"
        ),
    )


def _lacking(name: str, known: DifferenceEvidence, rules: ReinforcementPolicy) -> Reason:
    """Why a switch to an arm is refused so far: how much is known, and what is missing."""
    found = known.difference()
    if found is None or known.effective_size < rules.min_effective_samples:
        detail = f"{name}: effective requests"
        return _reason("too_little_data", detail, known.effective_size, rules.min_effective_samples)
    seen, needed = known.log_evidence(rules.min_gain), -log(prospects.claim_alpha(rules))
    detail = (
        f"{name}: effective size {known.effective_size:.0f}, log evidence {seen:.2f} of {needed:.2f} for a gain above "
        f"the limit"
    )
    return _reason("gain_not_proven", detail, found.estimate, rules.min_gain)


def _spent_today(view: View) -> float:
    bandit = view.state.cold.bandit
    return bandit.spent_usd if view.at_ms // DAY_MS == bandit.spent_day else 0.0


def _scored_per_hour(insight: Insight) -> float:
    return insight.quality.samples * HOUR_MS / insight.window_ms


def _reason(code: str, detail: str = "", value: float | None = None, limit: float | None = None) -> Reason:
    return Reason(source="reinforcement", code=code, detail=detail, value=value, limit=limit)


_BETWEEN_LOOKS = _reason("between_looks")
