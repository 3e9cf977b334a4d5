"""Which models are worth exploring: those that may be switched to, and how likely each gains what a switch must."""

from __future__ import annotations

from math import log, sqrt

from msgspec import Struct

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
_PROMISED = "promised"


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
    current = _in_use(view, rules)
    limits, stones = _limits(current, view), view.state.cold.tombstones
    offered: dict[str, float] = {}
    refused: list[Reason] = []
    for model in sorted(known.keys() - {view.configuration.model, CONTROL}):
        said, evidence = known[model], _evidence(view, model)
        if stones and (stone := stones.get(f"model={model}")) is not None and view.at_ms < stone.until_ms:
            refused.append(Reason(source=SOURCE, code="buried", detail=model))
        elif _disproves(evidence, rules):
            refused.append(Reason(source=SOURCE, code="proven_not_better", detail=model))
        elif (reason := _infeasible(said, limits)) is not None:
            refused.append(reason)
        else:
            offered[model] = _chance(said, evidence, current, rules)
    return offered, tuple(refused)


def chance_of_gain(view: View, model: str, rules: ReinforcementPolicy) -> float:
    """Probability that a model gains the least gain over the one in use: by what is said of both, and by the evidence.

    Over all contexts alike: what an arm may be worth at another hour is no reason to go on for ever.
    """
    known = known_models(view.policy, view.state.cold, view.at_ms, view.state.hot.live)
    return _chance(known.get(model), _evidence(view, model), _in_use(view, rules), rules)


def claim_alpha(rules: ReinforcementPolicy) -> float:
    """The share of the error budget for the claim about one arm: as many claims as a scope remembers arms."""
    return shared(rules.error_budget, bandits.MAX_ARMS)


def is_proven(evidence: DifferenceEvidence, rules: ReinforcementPolicy) -> bool:
    """Whether an arm's gain is above the least gain at every look, from enough effective requests."""
    enough = evidence.effective_size >= max(1, rules.min_effective_samples)
    return enough and evidence.log_evidence(rules.min_gain) >= -log(claim_alpha(rules))


def is_disproven(view: View, model: str, rules: ReinforcementPolicy) -> bool:
    """Whether a model was proven not to gain the least gain over the configuration in use."""
    return _disproves(_evidence(view, model), rules)


def _disproves(evidence: DifferenceEvidence | None, rules: ReinforcementPolicy) -> bool:
    return evidence is not None and evidence.log_evidence_below(rules.min_gain) >= -log(claim_alpha(rules))


class _InUse(Struct, frozen=True, gc=False):
    """The model in use: what was measured of it, what it earns, and the variance of that."""

    estimate: ModelEstimate
    reward: float
    variance: float


def _in_use(view: View, rules: ReinforcementPolicy) -> _InUse | None:
    estimate = estimate_in_use(view.state.hot.live, view.configuration.model)
    if estimate is None:
        return None
    return _InUse(estimate, expected_reward(estimate, rules), bandits.prior_deviation(estimate, rules) ** 2)


def _promised(said: ModelEstimate, rules: ReinforcementPolicy) -> tuple[float, float]:
    """Expected reward and its variance, remembered beside the estimate, which outlives many insights."""
    known = said.__dict__.get(_PROMISED)
    if known is None or known[0] is not rules:
        promise = expected_reward(said, rules), bandits.prior_deviation(said, rules) ** 2
        known = said.__dict__[_PROMISED] = (rules, promise)
    return known[1]


def _chance(
    said: ModelEstimate | None,
    evidence: DifferenceEvidence | None,
    current: _InUse | None,
    rules: ReinforcementPolicy,
) -> float:
    mean, precision = 0.0, 0.0
    if said is not None and current is not None:
        reward, variance = _promised(said, rules)
        mean, precision = reward - current.reward, 1.0 / (variance + current.variance)
    found = evidence.difference() if evidence else None
    if found is not None:
        total = precision + 1.0 / found.variance
        mean, precision = (mean * precision + found.estimate / found.variance) / total, total
    # A model of which nothing is said is worth a try.
    return normal.lower((mean - rules.min_gain) * sqrt(precision)) if precision > 0.0 else 0.5


def _evidence(view: View, model: str) -> DifferenceEvidence | None:
    """What was found of a model against the configuration in use; None before it was ever explored."""
    bandit = view.state.cold.bandit
    if not bandit.evidence or bandit.reference != view.configuration.id:
        return None
    return bandit.evidence.get(arm_of(view.configuration, model))


class _Limits(Struct, frozen=True, gc=False):
    """What a switch may lead to; quality and latency only where they were measured on enough requests."""

    cost_usd: float
    latency_ms: float
    quality: float
    samples: int


def _limits(current: _InUse | None, view: View) -> _Limits:
    policy = view.policy
    rules, safety = policy.pareto, policy.safety
    largest_usd = rules.max_cost_threshold_usd
    slowest_ms = min(rules.max_latency_threshold_ms, policy.threshold_based.performance.max_latency_p95_ms)
    floor = max(rules.min_quality_threshold, policy.threshold_based.performance.min_quality_score)
    if current is not None:
        now = current.estimate
        largest_usd = min(largest_usd, now.cost_usd * (1.0 + safety.max_cost_increase))
        slowest_ms = min(slowest_ms, now.latency_p95_ms * (1.0 + safety.max_latency_increase))
        floor = max(floor, now.quality * least_share(view.state.cold, rules))
    return _Limits(largest_usd, slowest_ms, floor, rules.min_samples)


def _infeasible(estimate: ModelEstimate, limits: _Limits) -> Reason | None:
    """Whether constraints on a switch forbid it, by the price list and by what was measured well enough."""
    if estimate.cost_usd > limits.cost_usd:
        return _refusal("too_expensive", estimate, estimate.cost_usd, limits.cost_usd)
    if estimate.samples >= limits.samples and estimate.quality < limits.quality:
        return _refusal("quality_too_low", estimate, estimate.quality, limits.quality)
    if estimate.samples >= limits.samples and estimate.latency_p95_ms > limits.latency_ms:
        return _refusal("too_slow", estimate, estimate.latency_p95_ms, limits.latency_ms)
    return None


def _refusal(code: str, estimate: ModelEstimate, value: float, limit: float) -> Reason:
    return Reason(source=SOURCE, code=code, detail=estimate.model, value=value, limit=limit)
