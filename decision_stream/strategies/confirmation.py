"""Before a challenger is called a winner: it must win once more, on data that did not choose it.

A scope that tries one thing after another finds a winner sooner or later, whether there is one or not. So the first win
is only a reason to look again: the sums start anew, control and candidate share the traffic evenly, and the alpha of
this second test comes from the scope's purse (LORD++, stats/false_discovery.py). Few tests draw on the purse, so that
it stays full enough for real gains; of all that a scope ever adopts a share of at most `ab_testing.alpha` is false on
average, and a scope where nothing makes a difference adopts anything with a chance of at most `ab_testing.idle_alpha`,
in all its life.
"""

from __future__ import annotations

from msgspec.structs import replace

from ..model.metrics import ArmSample
from ..model.outcome import CONTROL
from ..model.policy import Policy, Weights
from ..model.state import Experiment
from ..stats import planning
from ..stats.false_discovery import Ledger
from .comparison import QUALITY_ONLY, Judgement, Standing, judgement, objective_of

TUNING = "adaptive_parameters"
SCREENING = 4.0
"""How many times its alpha the first test may spend: it only chooses what is tested."""
FUTILE_FROM = 0.25
"""Share of the second test's plan from which a candidate that is no better than the control is given up."""
LEAST_SAMPLES = 100
"""Scored requests in every arm before a trial of parameters says anything."""


def weights_of(experiment: Experiment, policy: Policy) -> Weights:
    """What its challengers are judged by."""
    return objective_of(policy) if experiment.strategy == TUNING else QUALITY_ONLY


def judged(experiment: Experiment, policy: Policy) -> Judgement:
    """Where an experiment stands in the test it is in, the first or the second."""
    rules = policy.ab_testing
    is_trial = experiment.strategy == TUNING
    found = judgement(
        experiment,
        weights_of(experiment, policy),
        min_samples=LEAST_SAMPLES if is_trial else rules.min_sample_size,
        early=is_trial or rules.early_stopping,
    )
    if experiment.candidate and not found.over and found.standings:
        standing = found.standings[0]
        if standing.fraction >= FUTILE_FROM and standing.gain.estimate <= 0.0:
            return replace(found, over=True, code="not_confirmed")
    return found


def must_confirm(experiment: Experiment, policy: Policy) -> bool:
    """Whether a win would be the first of two; under shares that follow outcomes the purse pays for the only test."""
    return policy.ab_testing.online_fdr and experiment.allocation == "fixed" and not experiment.candidate


def first_alpha(alpha: float, allocation: str, ledger: Ledger, policy: Policy) -> float:
    """What an experiment that is begun now may spend in its first or only test, where a strategy has this alpha."""
    if not policy.ab_testing.online_fdr:
        return alpha
    return min(0.5, SCREENING * alpha) if allocation == "fixed" else _from_purse(alpha, ledger, policy)


def confirming(experiment: Experiment, winner: Standing, ledger: Ledger, policy: Policy, step: int) -> Experiment:
    """The experiment in its second test, at an even split of candidate and control that is ordered as `step`.

    It is planned for the least gain that is worth finding: what made it a candidate is larger than the truth.
    """
    strategy_alpha = policy.adaptive_parameters.alpha if experiment.strategy == TUNING else policy.ab_testing.alpha
    alpha = _from_purse(strategy_alpha, ledger, policy)
    unit_variance = winner.gain.variance * winner.gain.pairs
    pairs = planning.pairs_needed(policy.ab_testing.min_effect, unit_variance, alpha, policy.ab_testing.power)
    shares = dict.fromkeys(experiment.shares, 0.0) | {CONTROL: 0.5, winner.name: 0.5}
    return replace(
        experiment,
        candidate=winner.name,
        test=ledger.experiments + 1,
        step=step,
        alpha=alpha,
        planned_pairs=pairs,
        shares=shares,
        samples={name: ArmSample() for name in experiment.samples},
    )


def _from_purse(alpha: float, ledger: Ledger, policy: Policy) -> float:
    return min(alpha, ledger.level(alpha, policy.ab_testing.idle_alpha))


def least_effect(experiment: Experiment, policy: Policy) -> float:
    """The relative gain that experiments of this strategy are planned for."""
    if experiment.strategy == TUNING:
        return max(policy.adaptive_parameters.min_improvement, 0.01)
    return policy.ab_testing.min_effect
