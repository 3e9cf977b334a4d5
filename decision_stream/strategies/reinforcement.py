"""Reinforcement: a contextual bandit over models explores on a thin slice, and switches on evidence (seed §4.2).

The engine decides per window and the actuator serves requests, so the randomised policy is a split of the traffic: its
shares are the propensities, known exactly and logged with every order. The seed switched the route to whatever arm was
ahead; here the slice learns, and the route is switched when "always this arm" is proven better than the configuration
in use by more than the least gain, by an off-policy bound that holds at every look. Then the switch is ramped as any.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log, sqrt
from uuid import NAMESPACE_URL, uuid5

from msgspec.structs import replace

from ..model.configuration import Configuration, ConfigurationChanges, ModelChange
from ..model.decision import Alternative, ConcludeExperiment, Evidence, Interval, ModelSwitch, StartExperiment
from ..model.insight import Insight
from ..model.journal import Reason
from ..model.metrics import ModelEstimate
from ..model.outcome import CONTROL
from ..model.policy import DAY_MS, HOUR_MS, Policy, ReinforcementPolicy
from ..model.state import Bandit, Experiment, HotState
from ..stats import normal, stopped
from ..stats.empirical_bernstein import DifferenceEvidence
from ..stats.family import shared
from . import bandit as bandits
from . import context as features
from .comparison import impact_of
from .pareto import estimate_in_use
from .protocol import Idea, Opinion, View, is_busy
from .reward import expected_reward

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
            return _silent("experiment_lock")
        return self._judge(running, view)

    def _start(self, view: View) -> Opinion:
        rules, cold = view.policy.reinforcement, view.state.cold
        obstacle = _obstacle(view, rules)
        if obstacle is not None:
            return Opinion(reasons=(obstacle,))
        candidates, refused = _candidates(view, rules)
        if not candidates:
            return Opinion(reasons=(_reason("no_candidates"), *refused))
        context = features.context_at(view.state.hot, view.at_ms, rules)
        if context is None:
            return _silent("no_measurements")
        bandit, chosen = _chosen(view, candidates, context, rules)
        ids = [view.configuration.id, *(_with_model(view.configuration, model).id for model in chosen)]
        beliefs = bandits.believed(bandit, context, ids, rules)
        chance = max(_chance_of_gain(view, model, rules) for model in chosen)
        # Twice what ends one, so that an exploration does not end at its first report.
        if chance < 2.0 * rules.futility:
            reason = _reason("nothing_to_learn", f"{', '.join(chosen)}", chance, 2.0 * rules.futility)
            return Opinion(reasons=(reason, *refused))
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
                challengers={model: _change(view.configuration, model) for model in chosen},
                alpha=rules.error_budget,
                planned_pairs=float(max(1, rules.min_effective_samples)),
                allocation=rules.algorithm,
                most=rules.exploration_rate,
                yields=True,
                context=dict(zip(features.names(rules), (round(value, 6) for value in context), strict=True)),
            ),
            evidence=(evidence,),
            alternatives=tuple(
                Alternative(what=model, code="not_among_the_likeliest") for model in candidates if model not in chosen
            ),
            would_flip="a route that is not steady, or another change",
        )
        return Opinion(ideas=(idea,), reasons=refused)

    def _judge(self, experiment: Experiment, view: View) -> Opinion:
        rules, bandit = view.policy.reinforcement, view.state.cold.bandit
        arms = {name: _with_model(view.configuration, name).id for name in sorted(experiment.challengers)}
        alpha = claim_alpha(rules)
        known = {name: bandit.evidence.get(arm, DifferenceEvidence()) for name, arm in arms.items()}
        found = {name: known[name] for name in known if is_proven(known[name], rules)}
        if found:
            best = max(sorted(found), key=lambda name: found[name].lower(alpha))
            return Opinion(ideas=(self._switch(best, arms[best], known, experiment, view),))
        ending = self._ending(experiment, arms, view, rules)
        if ending is not None:
            code, detail = ending
            idea = Idea(
                decision=ConcludeExperiment(experiment_id=experiment.id, winner=None, reason=f"{code}: {detail}"),
                evidence=tuple(_bound(name, known[name], experiment, rules) for name in known)
                or (Evidence(method="off_policy_bound"),),
                would_flip=f"a lower bound of the gain above {rules.min_gain:g}",
            )
            return Opinion(ideas=(idea,))
        return Opinion(reasons=tuple(_lacking(name, known[name], rules) for name in known))

    def _ending(
        self, experiment: Experiment, arms: dict[str, str], view: View, rules: ReinforcementPolicy
    ) -> tuple[str, str] | None:
        """Why the exploration should end without a switch; None while it may still teach something."""
        if view.insight.stability <= rules.min_stability or any(w.firing for w in view.state.hot.watches.values()):
            return "not_stable", f"stability {view.insight.stability:g}"
        if _spent_today(view) >= rules.exploration_budget_usd:
            return "exploration_budget_spent", f"{_spent_today(view):.2f} USD today"
        if all(_is_disproven(view, name, rules) for name in arms):
            return "proven_not_better", f"no arm gains {rules.min_gain:g}"
        chance = max(_chance_of_gain(view, name, rules) for name in arms)
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
            changes=_change(view.configuration, model),
            impact=impact_of(experiment.samples[CONTROL], experiment.samples[model], _USUAL_CHANGE),
            confidence=round(stopped.shrunken(found, _USUAL_GAIN).above(), 12),
            evidence=tuple(evidence),
            alternatives=tuple(
                Alternative(what=other, code="gain_not_proven", value=estimate.estimate)
                for other, evidence_of in known.items()
                if other != model and (estimate := evidence_of.difference()) is not None
            ),
            would_flip=f"a lower bound of the gain below {rules.min_gain:g} instead of {bound.interval.low:.4f}",
        )


def claim_alpha(rules: ReinforcementPolicy) -> float:
    """The share of the error budget for the claim about one arm: as many claims as a scope remembers arms."""
    return shared(rules.error_budget, bandits.MAX_ARMS)


def _is_disproven(view: View, model: str, rules: ReinforcementPolicy) -> bool:
    """Whether a model was proven not to gain the least gain over the configuration in use."""
    bandit = view.state.cold.bandit
    known = bandit.evidence.get(_with_model(view.configuration, model).id)
    if known is None or bandit.reference != view.configuration.id:
        return False
    return known.log_evidence_below(rules.min_gain) >= -log(claim_alpha(rules))


def _chance_of_gain(view: View, model: str, rules: ReinforcementPolicy) -> float:
    """Probability that a model gains the least gain over the one in use: by what is said of both, and by the evidence.

    Over all contexts alike: what an arm may be worth at another hour is no reason to go on for ever.
    """
    known = {one.model: one for one in view.policy.catalog} | view.state.cold.estimates
    mean, precision = 0.0, 0.0
    said, current = known.get(model), estimate_in_use(view.state.hot.live, view.configuration.model)
    if said is not None and current is not None:
        spread = bandits.prior_deviation(said, rules) ** 2 + bandits.prior_deviation(current, rules) ** 2
        mean, precision = expected_reward(said, rules) - expected_reward(current, rules), 1.0 / spread
    bandit = view.state.cold.bandit
    if bandit.reference == view.configuration.id:
        evidence = bandit.evidence.get(_with_model(view.configuration, model).id, DifferenceEvidence())
        found = evidence.difference()
        if found is not None:
            total = precision + 1.0 / found.variance
            mean, precision = (mean * precision + found.estimate / found.variance) / total, total
    # A model of which nothing is said is worth a try.
    return normal.lower((mean - rules.min_gain) * sqrt(precision)) if precision > 0.0 else 0.5


def is_proven(evidence: DifferenceEvidence, rules: ReinforcementPolicy) -> bool:
    """Whether an arm's gain is above the least gain at every look, from enough effective requests."""
    enough = evidence.effective_size >= max(1, rules.min_effective_samples)
    return enough and evidence.log_evidence(rules.min_gain) >= -log(claim_alpha(rules))


def _obstacle(view: View, rules: ReinforcementPolicy) -> Reason | None:
    """What forbids to explore now, cheapest to find out first."""
    cold, hot, insight = view.state.cold, view.state.hot, view.insight
    if is_busy(cold) or cold.live:
        return _reason("scope_busy")
    if cold.pinned_by is not None:
        return _reason("pinned")
    if hot.windows < rules.min_windows or any(watch.firing for watch in hot.watches.values()):
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
        return _reason("between_looks")
    return None


def _rest_ms(view: View, rules: ReinforcementPolicy) -> int:
    """The policy's rest, twice as long for each exploration in a row that proved nothing, at most a day."""
    bandit = view.state.cold.bandit
    if bandit.reference != view.configuration.id or not bandit.fruitless:
        return rules.rest_ms
    return max(rules.rest_ms, min(rules.rest_ms * 2 ** min(bandit.fruitless - 1, 20), DAY_MS))


def _candidates(view: View, rules: ReinforcementPolicy) -> tuple[tuple[str, ...], tuple[Reason, ...]]:
    """Models that could be switched to, by name, and why others could not: then exploring them is for nothing."""
    known = {one.model: one for one in view.policy.catalog} | view.state.cold.estimates
    current = estimate_in_use(view.state.hot.live, view.configuration.model)
    offered: list[str] = []
    refused: list[Reason] = []
    for model in sorted(known):
        if model in (view.configuration.model, CONTROL):
            continue
        stone = view.state.cold.tombstones.get(f"model={model}")
        if stone is not None and view.at_ms < stone.until_ms:
            refused.append(_reason("buried", model))
            continue
        if _is_disproven(view, model, rules):
            refused.append(_reason("proven_not_better", model))
            continue
        reason = _infeasible(known[model], current, view.policy)
        if reason is None:
            offered.append(model)
        else:
            refused.append(reason)
    return tuple(offered), tuple(refused)


def _infeasible(estimate: ModelEstimate, current: ModelEstimate | None, policy: Policy) -> Reason | None:
    """Whether constraints on a switch forbid it, by the price list and by what was measured well enough."""
    rules, safety, model = policy.pareto, policy.safety, estimate.model
    largest_usd = rules.max_cost_threshold_usd
    slowest_ms = min(rules.max_latency_threshold_ms, policy.threshold_based.performance.max_latency_p95_ms)
    floor = max(rules.min_quality_threshold, policy.threshold_based.performance.min_quality_score)
    if current is not None:
        largest_usd = min(largest_usd, current.cost_usd * (1.0 + safety.max_cost_increase))
        slowest_ms = min(slowest_ms, current.latency_p95_ms * (1.0 + safety.max_latency_increase))
        floor = max(floor, current.quality * (1.0 - rules.max_quality_loss))
    if estimate.cost_usd > largest_usd:
        return _reason("too_expensive", model, estimate.cost_usd, largest_usd)
    if estimate.samples >= rules.min_samples and estimate.quality < floor:
        return _reason("quality_too_low", model, estimate.quality, floor)
    if estimate.samples >= rules.min_samples and estimate.latency_p95_ms > slowest_ms:
        return _reason("too_slow", model, estimate.latency_p95_ms, slowest_ms)
    return None


def _chosen(
    view: View, candidates: tuple[str, ...], context: tuple[float, ...], rules: ReinforcementPolicy
) -> tuple[Bandit, tuple[str, ...]]:
    """The bandit with what is said of new arms, and the likeliest models, by name."""
    known = {one.model: one for one in view.policy.catalog} | view.state.cold.estimates
    arms = {model: _with_model(view.configuration, model).id for model in candidates}
    said = {arms[model]: known[model] for model in candidates}
    current = estimate_in_use(view.state.hot.live, view.configuration.model)
    if current is not None:
        said[view.configuration.id] = current
    bandit = bandits.primed(bandits.prepared(view.state.cold.bandit, rules), said, rules)
    beliefs = bandits.believed(bandit, context, tuple(arms.values()), rules)
    reach = {
        model: mean + deviation for model, mean, deviation in zip(arms, beliefs.means, beliefs.deviations, strict=True)
    }
    room = max(1, int(rules.exploration_rate / bandits.LEAST_SHARE))
    likeliest = sorted(candidates, key=lambda model: (-reach[model], model))[: min(rules.max_arms, room)]
    return bandit, tuple(sorted(likeliest))


def _bound(name: str, known: DifferenceEvidence, experiment: Experiment, rules: ReinforcementPolicy) -> Evidence:
    """The off-policy bound of "always this arm" against the configuration in use, with what it rests on."""
    alpha = claim_alpha(rules)
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
    seen, needed = known.log_evidence(rules.min_gain), -log(claim_alpha(rules))
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


def _with_model(configuration: Configuration, model: str) -> Configuration:
    return configuration.patched(_change(configuration, model))


def _change(configuration: Configuration, model: str) -> ConfigurationChanges:
    return ConfigurationChanges(model=ModelChange(old=configuration.model, new=model))


def _silent(code: str, detail: str = "") -> Opinion:
    return Opinion(reasons=(_reason(code, detail),))


def _reason(code: str, detail: str = "", value: float | None = None, limit: float | None = None) -> Reason:
    return Reason(source="reinforcement", code=code, detail=detail, value=value, limit=limit)
