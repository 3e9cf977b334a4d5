"""Which models are worth exploring: those that may be switched to, and how likely each gains what a switch must."""

from __future__ import annotations

from collections.abc import Mapping
from math import log, sqrt

from ..model.configuration import Configuration, ConfigurationChanges, ModelChange
from ..model.journal import Reason
from ..model.metrics import ModelEstimate
from ..model.outcome import CONTROL
from ..model.policy import ReinforcementPolicy
from ..stats import normal
from ..stats.empirical_bernstein import DifferenceEvidence
from ..stats.family import shared
from . import bandit as bandits
from .allowance import least_share
from .estimates import estimate_in_use
from .models import known_models
from .protocol import View
from .reward import expected_reward

SOURCE = "reinforcement"


def change_to(configuration: Configuration, model: str) -> ConfigurationChanges:
    """The change that serves a configuration with another model."""
    return ConfigurationChanges(model=ModelChange(old=configuration.model, new=model))


def arm_of(configuration: Configuration, model: str) -> str:
    """The bandit's arm of a model: the id of the configuration with it."""
    return configuration.patched(change_to(configuration, model)).id


def candidates(view: View, rules: ReinforcementPolicy) -> tuple[dict[str, float], tuple[Reason, ...]]:
    """Models that could be switched to with their chance of a gain, and why others could not.

    To explore what constraints would refuse is for nothing.
    """
    known = known_models(view.policy, view.state.cold, view.at_ms, view.state.hot.live)
    current = estimate_in_use(view.state.hot.live, view.configuration.model)
    offered: dict[str, float] = {}
    refused: list[Reason] = []
    for model in sorted(known.keys() - {view.configuration.model, CONTROL}):
        stone = view.state.cold.tombstones.get(f"model={model}")
        if stone is not None and view.at_ms < stone.until_ms:
            refused.append(Reason(source=SOURCE, code="buried", detail=model))
        elif is_disproven(view, model, rules):
            refused.append(Reason(source=SOURCE, code="proven_not_better", detail=model))
        elif (reason := _infeasible(known[model], current, view)) is not None:
            refused.append(reason)
        else:
            offered[model] = _chance(view, model, known, current, rules)
    return offered, tuple(refused)


def chance_of_gain(view: View, model: str, rules: ReinforcementPolicy) -> float:
    """Probability that a model gains the least gain over the one in use: by what is said of both, and by the evidence.

    Over all contexts alike: what an arm may be worth at another hour is no reason to go on for ever.
    """
    return _chance(
        view,
        model,
        known_models(view.policy, view.state.cold, view.at_ms, view.state.hot.live),
        estimate_in_use(view.state.hot.live, view.configuration.model),
        rules,
    )


def claim_alpha(rules: ReinforcementPolicy) -> float:
    """The share of the error budget for the claim about one arm: as many claims as a scope remembers arms."""
    return shared(rules.error_budget, bandits.MAX_ARMS)


def is_proven(evidence: DifferenceEvidence, rules: ReinforcementPolicy) -> bool:
    """Whether an arm's gain is above the least gain at every look, from enough effective requests."""
    enough = evidence.effective_size >= max(1, rules.min_effective_samples)
    return enough and evidence.log_evidence(rules.min_gain) >= -log(claim_alpha(rules))


def is_disproven(view: View, model: str, rules: ReinforcementPolicy) -> bool:
    """Whether a model was proven not to gain the least gain over the configuration in use."""
    known = _evidence(view, model)
    return known is not None and known.log_evidence_below(rules.min_gain) >= -log(claim_alpha(rules))


def _chance(
    view: View,
    model: str,
    known: Mapping[str, ModelEstimate],
    current: ModelEstimate | None,
    rules: ReinforcementPolicy,
) -> float:
    mean, precision = 0.0, 0.0
    said = known.get(model)
    if said is not None and current is not None:
        spread = bandits.prior_deviation(said, rules) ** 2 + bandits.prior_deviation(current, rules) ** 2
        mean, precision = expected_reward(said, rules) - expected_reward(current, rules), 1.0 / spread
    evidence = _evidence(view, model)
    found = evidence.difference() if evidence else None
    if found is not None:
        total = precision + 1.0 / found.variance
        mean, precision = (mean * precision + found.estimate / found.variance) / total, total
    # A model of which nothing is said is worth a try.
    return normal.lower((mean - rules.min_gain) * sqrt(precision)) if precision > 0.0 else 0.5


def _evidence(view: View, model: str) -> DifferenceEvidence | None:
    """What was found of a model against the configuration in use."""
    bandit = view.state.cold.bandit
    if not bandit.evidence or bandit.reference != view.configuration.id:
        return None
    return bandit.evidence.get(arm_of(view.configuration, model))


def _infeasible(estimate: ModelEstimate, current: ModelEstimate | None, view: View) -> Reason | None:
    """Whether constraints on a switch forbid it, by the price list and by what was measured well enough."""
    policy = view.policy
    rules, safety = policy.pareto, policy.safety
    largest_usd = rules.max_cost_threshold_usd
    slowest_ms = min(rules.max_latency_threshold_ms, policy.threshold_based.performance.max_latency_p95_ms)
    floor = max(rules.min_quality_threshold, policy.threshold_based.performance.min_quality_score)
    if current is not None:
        largest_usd = min(largest_usd, current.cost_usd * (1.0 + safety.max_cost_increase))
        slowest_ms = min(slowest_ms, current.latency_p95_ms * (1.0 + safety.max_latency_increase))
        floor = max(floor, current.quality * least_share(view.state.cold, rules))
    if estimate.cost_usd > largest_usd:
        return _refusal("too_expensive", estimate, estimate.cost_usd, largest_usd)
    if estimate.samples >= rules.min_samples and estimate.quality < floor:
        return _refusal("quality_too_low", estimate, estimate.quality, floor)
    if estimate.samples >= rules.min_samples and estimate.latency_p95_ms > slowest_ms:
        return _refusal("too_slow", estimate, estimate.latency_p95_ms, slowest_ms)
    return None


def _refusal(code: str, estimate: ModelEstimate, value: float, limit: float) -> Reason:
    return Reason(source=SOURCE, code=code, detail=estimate.model, value=value, limit=limit)
