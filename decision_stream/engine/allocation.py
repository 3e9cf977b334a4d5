"""Experiments whose shares follow outcomes: each report belongs to the shares it was served under, then they change.

A report carries the step of its order. It is credited once, to the period of that step, with the propensities and the
context of then, however late it comes; what comes after the period was forgotten is lost, and not bad. New shares are
one more order of the same decision, as the steps of a ramp are.
"""

from __future__ import annotations

from struct import iter_unpack, pack, unpack

from msgspec.structs import replace

from ..model.actuation import UpdateAllocation
from ..model.configuration import Configuration
from ..model.decision import Decision, StartExperiment
from ..model.insight import Metric
from ..model.metrics import ArmSample, ModelEstimate
from ..model.outcome import CONTROL, Outcome
from ..model.policy import DAY_MS
from ..model.state import Bandit, Experiment, LiveDecision, Period
from ..stats.blocks import Blocks
from ..stats.empirical_bernstein import DifferenceEvidence, Part
from ..stats.sample_ratio import SampleRatio
from ..strategies import bandit as bandits
from ..strategies import context as features
from ..strategies.allocation import next_shares
from ..strategies.estimates import estimate_in_use
from ..strategies.models import known_models
from ..strategies.reward import parts_of, reward_of
from . import guard
from .turn import Turn

MAX_PERIODS = 12
EXPLORATION = "reinforcement"
_WORTH_AN_ORDER = 0.01
"""Shares of an A/B experiment that move by less are left as they are."""
_METRICS = tuple(metric.value for metric in Metric)
_CLOSED = ("blocks", "count_c", "count_t", "within_c", "within_t", "weight", "weighted", "load_c", "load_t")


def arms_of(experiment: Experiment) -> tuple[str, ...]:
    """The arms in the order of a period's shares: the control, then the others by name."""
    return (CONTROL, *sorted(experiment.challengers))


def begun(turn: Turn, experiment: Experiment, start: StartExperiment) -> Experiment:
    """The experiment with its first period; the bandit takes up an exploration's arms with what is said of them.

    An experiment on fixed shares is left as it is.
    """
    if start.allocation == "fixed":
        return experiment
    shares = tuple(experiment.shares[name] for name in arms_of(experiment))
    context = b""
    if experiment.strategy == EXPLORATION:
        rules = turn.policy.reinforcement
        context = _packed([start.context[name] for name in features.names(rules) if name in start.context])
        ids = configurations(turn, experiment)
        bandit = bandits.compared_with(bandits.prepared(turn.cold.bandit, rules), ids[CONTROL].id)
        turn.update(bandit=bandits.primed(bandit, priors(turn, ids), rules))
    first = Period(step=0, at_ms=turn.at_ms, shares=shares, context=context)
    return replace(experiment, allocation=start.allocation, most=start.most, yields=start.yields, periods=(first,))


def period_of(turn: Turn, experiment: Experiment, outcome: Outcome) -> Period | None:
    """The period that a report belongs to; None, with the reason told, for one that is lost."""
    late_ms = turn.at_ms - outcome.at_ms
    limit_ms = turn.policy.reinforcement.reward_timeout_ms
    if experiment.yields and late_ms > limit_ms:
        turn.refuse("learner", "reward_too_late", outcome.id, float(late_ms), float(limit_ms))
        return None
    found = next((period for period in experiment.periods if period.step == outcome.step), None)
    if found is None:
        turn.refuse("learner", "unknown_step", f"the shares of step {outcome.step} are not remembered")
    return found


def counted(experiment: Experiment, period: Period, outcome: Outcome) -> Experiment:
    """With the units of a report: do they arrive in the shares of their own period?"""
    reported = [float(outcome.arms.get(name, ArmSample()).requests) for name in arms_of(experiment)]
    before = period.units or (0.0,) * len(reported)
    period = replace(period, units=tuple(a + b for a, b in zip(before, reported, strict=True)))
    periods = tuple(period if old.step == period.step else old for old in experiment.periods)
    evidence = experiment.mismatch_before + sum(_mismatch(one) for one in periods)
    return replace(experiment, periods=periods, mismatch=max(experiment.mismatch, evidence))


def judged(turn: Turn, experiment: Experiment, outcome: Outcome, name: str) -> tuple[Experiment, list[guard.Reading]]:
    """Readings of a challenger's guards, each report being a block of its own, and the experiment that remembers it."""
    treatment, control = outcome.arms.get(name, ArmSample()), outcome.arms.get(CONTROL, ArmSample())
    if not (treatment.requests and control.requests):
        return experiment, []
    blocks = _blocks(experiment.blocks.get(name, b""))
    readings = guard.judge(treatment, control, guard.NOTHING_PROMISED, turn.policy, blocks)
    kept = _packed_blocks(guard.closed(treatment, control, blocks))
    return replace(experiment, blocks={**experiment.blocks, name: kept}), readings


def proven(experiment: Experiment, before: Experiment, outcome: Outcome, least: float) -> Experiment:
    """With a report's evidence on each challenger's quality; `before` is the experiment without the report."""
    scored = sum(arm.quality.count for arm in outcome.arms.values())
    control = outcome.arms.get(CONTROL, ArmSample()).quality
    evidence = dict(experiment.evidence)
    for name in sorted(experiment.challengers):
        part = Part(
            weight=1.0,
            control=control,
            treatment=outcome.arms.get(name, ArmSample()).quality,
            control_before=before.samples[CONTROL].quality,
            treatment_before=before.samples[name].quality,
        )
        evidence[name] = evidence.get(name, DifferenceEvidence()).apply([part], scored * least)
    return replace(experiment, evidence=evidence)


def learn_rewards(turn: Turn, before: Experiment, period: Period, outcome: Outcome) -> None:
    """Credit a report of an exploration to its arms, in the context their shares were drawn for."""
    rules = turn.policy.reinforcement
    context = _unpacked(period.context)
    if len(context) != len(features.names(rules)):
        turn.refuse("learner", "features_changed", "the policy asks for other features than the shares were drawn for")
        return
    ids = configurations(turn, before)
    bandit = bandits.compared_with(bandits.prepared(turn.cold.bandit, rules), ids[CONTROL].id)
    for name in arms_of(before):
        found = reward_of(outcome.arms.get(name, ArmSample()), rules)
        if found is None:
            turn.refuse("learner", "reward_lost", f"{name} has no scored request in this report")
            continue
        bandit = _credited(turn, bandit, name, ids[name].id, context, found)
    control = outcome.arms.get(CONTROL, ArmSample())
    scored = sum(arm.quality.count for arm in outcome.arms.values())
    reference = scored * rules.exploration_rate / len(before.challengers)
    evidence = dict(bandit.evidence)
    for name in sorted(before.challengers):
        treatment = outcome.arms.get(name, ArmSample())
        parts = parts_of(control, treatment, before.samples[CONTROL], before.samples[name], rules)
        known = evidence.get(ids[name].id, DifferenceEvidence())
        evidence[ids[name].id] = known.apply(parts, reference)
    # An arm that is no longer remembered has no evidence to keep either.
    evidence = {arm: known for arm, known in sorted(evidence.items()) if arm in bandit.arms}
    turn.update(bandit=_charged(turn, replace(bandit, evidence=evidence), outcome))


def draw(turn: Turn, live: LiveDecision) -> None:
    """Order new shares when it is time; those of an exploration come from the bandit, in the context of now."""
    experiment = turn.cold.experiment
    assert experiment is not None
    is_exploration = experiment.strategy == EXPLORATION
    newest = experiment.periods[-1]
    policy = turn.policy
    wait_ms = policy.reinforcement.update_interval_ms if is_exploration else policy.ab_testing.allocation_interval_ms
    if turn.at_ms - newest.at_ms < wait_ms:
        return
    context: tuple[float, ...] = ()
    shares: tuple[float, ...] | None
    if is_exploration:
        found = features.context_at(turn.hot, turn.at_ms, policy.reinforcement)
        if found is None:
            return
        context = found
        shares = _explored(turn, experiment, context)
    else:
        rules = policy.ab_testing
        shares = next_shares(rules.allocation_strategy, experiment.samples, arms_of(experiment), rules.min_share)
        if shares is None or max(abs(a - b) for a, b in zip(shares, newest.shares, strict=True)) < _WORTH_AN_ORDER:
            return
    period = Period(step=live.step, at_ms=turn.at_ms, shares=shares, context=_packed(context))
    told = dict(zip(features.names(policy.reinforcement), (round(value, 6) for value in context), strict=False))
    by_arm = dict(zip(arms_of(experiment), shares, strict=True))
    turn.order(live, UpdateAllocation(experiment_id=experiment.id, shares=by_arm, context=told))
    experiment = replace(experiment, shares=by_arm)
    turn.update(experiment=_extended(turn, experiment, period))


def configurations(turn: Turn, experiment: Experiment) -> dict[str, Configuration]:
    """What each arm is served with, by its name."""
    assert turn.configuration is not None
    challengers = {name: turn.configuration.patched(changes) for name, changes in experiment.challengers.items()}
    return {CONTROL: turn.configuration, **challengers}


def priors(turn: Turn, served: dict[str, Configuration]) -> dict[str, ModelEstimate]:
    """What is said of the model of each arm, by the arm's configuration id."""
    known = known_models(turn.policy, turn.cold, turn.at_ms, turn.hot.live)
    found = {one.id: known[one.model] for one in served.values() if one.model in known}
    in_use = estimate_in_use(turn.hot.live, served[CONTROL].model)
    return found if in_use is None else {**found, served[CONTROL].id: in_use}


def _explored(turn: Turn, experiment: Experiment, context: tuple[float, ...]) -> tuple[float, ...]:
    """Shares by the bandit. While spending runs ahead of the budget, a dearer arm must be worth its money."""
    rules = turn.policy.reinforcement
    bandit = bandits.prepared(turn.cold.bandit, rules)
    pace = features.pace_of(turn.hot, rules)
    price = max(0.0, bandit.price + rules.learning_rate * ((pace or 0.0) - 1.0))
    bandit = replace(bandit, price=min(price, 10.0))
    turn.update(bandit=bandit)
    costs = {name: sample.cost_usd.mean for name, sample in experiment.samples.items() if sample.cost_usd.count}
    base = costs.get(CONTROL, 0.0)
    penalties = [
        bandit.price * (costs.get(name, base) / base - 1.0) if base > 0.0 else 0.0 for name in arms_of(experiment)
    ]
    ids = configurations(turn, experiment)
    return bandits.shares(bandit, context, [ids[name].id for name in arms_of(experiment)], rules, penalties)


def _credited(
    turn: Turn,
    bandit: Bandit,
    name: str,
    arm: str,
    context: tuple[float, ...],
    found: tuple[float, float],
) -> Bandit:
    rules = turn.policy.reinforcement
    reward, weight = found
    before = bandits.believed(bandit, context, (arm,), rules).means[0]
    bandit, changed = bandits.learnt(bandit, arm, context, reward, weight, rules)
    turn.learned(f"arm:{name}", before, bandits.believed(bandit, context, (arm,), rules).means[0])
    if changed:
        turn.alert("arm_changed", f"{name} no longer earns what it did; what was known of it is forgotten", "info")
    return bandit


def _charged(turn: Turn, bandit: Bandit, outcome: Outcome) -> Bandit:
    """What the report's challengers cost beyond what the configuration in use would have, by day."""
    control = outcome.arms.get(CONTROL, ArmSample()).cost_usd
    if not control.count:
        return bandit
    extra = sum(
        arm.requests * max(0.0, arm.cost_usd.mean - control.mean)
        for name, arm in sorted(outcome.arms.items())
        if name != CONTROL
    )
    day = turn.at_ms // DAY_MS
    spent = extra if day != bandit.spent_day else bandit.spent_usd + extra
    return replace(bandit, spent_usd=spent, spent_day=day)


def _extended(turn: Turn, experiment: Experiment, period: Period) -> Experiment:
    """With one more period; the oldest is dropped, and counts as the policy says when nothing was heard of it."""
    periods = (*experiment.periods, period)
    if len(periods) <= MAX_PERIODS:
        return replace(experiment, periods=periods)
    dropped, kept = periods[0], periods[1:]
    if experiment.strategy == EXPLORATION and not any(dropped.units):
        _default(turn, experiment, dropped)
    return replace(experiment, periods=kept, mismatch_before=experiment.mismatch_before + _mismatch(dropped))


def _default(turn: Turn, experiment: Experiment, period: Period) -> None:
    rules = turn.policy.reinforcement
    turn.refuse("learner", "rewards_lost", f"nothing was reported of the shares of step {period.step}")
    context = _unpacked(period.context)
    if rules.default_reward is None or len(context) != len(features.names(rules)):
        return
    ids = configurations(turn, experiment)
    bandit = bandits.prepared(turn.cold.bandit, rules)
    for name, share in zip(arms_of(experiment), period.shares, strict=True):
        if share > 0.0:
            bandit, _ = bandits.learnt(bandit, ids[name].id, context, rules.default_reward, share, rules)
    turn.update(bandit=bandit)


def _mismatch(period: Period) -> float:
    if not any(period.units):
        return 0.0
    return SampleRatio(weights=period.shares, counts=period.units).evidence()


def _packed_blocks(blocks: dict[str, Blocks]) -> bytes:
    """Closed blocks of every metric: nine numbers each, against four hundred bytes with the names of their fields."""
    return b"".join(pack("<3q6d", *(getattr(blocks[metric], name) for name in _CLOSED)) for metric in _METRICS)


def _blocks(packed: bytes) -> dict[str, Blocks]:
    found = (dict(zip(_CLOSED, values, strict=True)) for values in iter_unpack("<3q6d", packed))
    return {metric: Blocks(**values) for metric, values in zip(_METRICS, found, strict=False)}


def _packed(values: list[float] | tuple[float, ...]) -> bytes:
    return pack(f"<{len(values)}d", *values)


def _unpacked(context: bytes) -> tuple[float, ...]:
    return unpack(f"<{len(context) // 8}d", context)


def is_adaptive(decision: Decision) -> bool:
    """Whether a decision starts an experiment whose shares follow outcomes."""
    return isinstance(decision.decision, StartExperiment) and decision.decision.allocation != "fixed"
