"""A stored scope as others may see it: plain values for JSON, with what the sums say."""

from typing import Any

from msgspec import Struct, to_builtins

from ..engine.guard import judge_ramp
from ..model.metrics import ArmSample
from ..model.outcome import CONTROL
from ..model.policy import Policy
from ..model.state import ColdState, Experiment, LiveDecision
from ..stats import reflection, sample_ratio
from ..stats.pareto import front
from ..strategies.comparison import MISMATCH_LEVEL, alpha_each, compare
from ..strategies.confirmation import judged
from ..strategies.estimates import estimate_in_use
from ..strategies.models import known_models
from ..stream.record import StoredScope


def scope_view(stored: StoredScope, policy: Policy) -> dict[str, Any]:
    """All that operators may want to know of a scope now."""
    hot, cold = stored.state.hot, stored.state.cold
    return {
        "scope": stored.state.scope,
        "at_ms": hot.at_ms,
        "events": stored.sequence,
        "configuration": configuration_view(cold),
        "live": _named(hot.live) if hot.live.weight else None,
        "autonomy": (cold.autonomy or policy.safety.autonomy).value,
        "pinned_by": cold.pinned_by,
        "breaker": breaker_view(cold),
        "alarms": sorted(
            [name for name, watch in hot.watches.items() if watch.firing]
            + [name for name, alarm in hot.alarms.items() if alarm.firing_windows]
        ),
        "experiment": experiment_view(cold.experiment, policy) if cold.experiment else None,
        "ramps": [ramp_view(live, policy) for live in cold.live if live.ramp is not None],
        "live_decisions": [
            {
                "id": live.decision.id,
                "kind": live.decision.kind,
                "strategy": live.decision.strategy,
                "state": live.state.value,
                "since_ms": live.since_ms,
                "deadline_ms": live.deadline_ms,
            }
            for live in cold.live
        ],
        "offered_variants": list(cold.offered),
        "tombstones": {change: to_builtins(it) for change, it in sorted(cold.tombstones.items())},
        "recovery": to_builtins(cold.recovery),
        "counters": to_builtins(cold.counters),
        "trials": [_named(trial) for trial in cold.trials],
    }


def _named(value: Struct) -> dict[str, Any]:
    """The fields by name, also of what is stored as a list."""
    return {name: to_builtins(getattr(value, name)) for name in value.__struct_fields__}


def configuration_view(cold: ColdState) -> dict[str, Any]:
    """The configuration in use, since when, and those before it, newest first."""
    now = cold.configuration
    history = [
        {
            "id": version.configuration.id,
            "configuration": to_builtins(version.configuration),
            "since_ms": version.since_ms,
            "decision_id": version.decision_id,
            "healthy": version.healthy,
        }
        for version in reversed(cold.history)
    ]
    return {
        "id": now.id if now else None,
        "configuration": to_builtins(now) if now else None,
        "changed_at_ms": cold.changed_at_ms,
        "history": history,
    }


def breaker_view(cold: ColdState) -> dict[str, Any]:
    """The pause of optimisation, of all scopes, and of the route."""
    breaker, pause = cold.breaker, cold.knowledge.pause
    return {
        "state": breaker.state.value,
        "until_ms": breaker.until_ms or None,
        "opens": breaker.opens,
        "probe_id": breaker.probe_id,
        "fleet_pause": to_builtins(pause) if pause else None,
        "route_broken_until_ms": cold.route_broken_until_ms or None,
    }


def experiment_view(experiment: Experiment, policy: Policy) -> dict[str, Any]:
    """A running experiment: its plan, the sums and means of its arms, who stands where, and why it is not over yet."""
    found = judged(experiment, policy)
    alpha = alpha_each(experiment)
    comparisons = {}
    for it in found.standings:
        reach = reflection.interval(it.gain, experiment.planned_pairs, alpha)
        comparisons[it.name] = {
            "gain": it.gain.estimate,
            "interval": {"low": reach.low, "high": reach.high, "level": reach.level},
            "score": it.score,
            "bound": it.bound,
            "fraction": it.fraction,
        }
    chance = sample_ratio.p_value(experiment.mismatch)
    return {
        "id": experiment.decision_id,
        "experiment_id": experiment.id,
        "strategy": experiment.strategy,
        "number": experiment.number,
        "candidate": experiment.candidate or None,
        "started_at_ms": experiment.started_at_ms,
        "alpha": experiment.alpha,
        "planned_pairs": experiment.planned_pairs,
        "shares": experiment.shares,
        "challengers": to_builtins(experiment.challengers),
        "arms": {name: arm_view(sample) for name, sample in experiment.samples.items()},
        "comparisons": comparisons,
        "sample_ratio": {"p_value": chance, "mismatch": chance <= MISMATCH_LEVEL, "level": MISMATCH_LEVEL},
        "status": {"over": found.over, "code": found.code, "detail": found.detail},
    }


def ramp_view(live: LiveDecision, policy: Policy) -> dict[str, Any]:
    """A ramp: its weight, the sums of both arms, and what each guard reads."""
    ramp = live.ramp
    assert ramp is not None
    readings = judge_ramp(ramp, live.decision.impact, policy)
    gain = compare(ramp.control, ramp.treatment, policy.pareto.weights)
    return {
        "id": live.decision.id,
        "step": ramp.step,
        "weight": ramp.weight,
        "started_at_ms": ramp.started_at_ms,
        "step_at_ms": ramp.step_at_ms,
        "arms": {CONTROL: arm_view(ramp.control), "treatment": arm_view(ramp.treatment)},
        "gain": None if gain is None else {"estimate": gain.estimate, "standard_error": gain.standard_error},
        "guards": [
            {
                "metric": reading.metric.value,
                "breached": reading.breached,
                "suspicious": reading.suspicious,
                "score": reading.evidence.statistic,
                "bound": reading.evidence.threshold,
                "interval": to_builtins(reading.evidence.interval),
            }
            for reading in readings
        ],
    }


def arm_view(sample: ArmSample) -> dict[str, Any]:
    """Means with the number of observations behind them; None where nothing was observed."""
    told: dict[str, Any] = {"requests": sample.requests, "errors": sample.errors, "slow": sample.slow}
    for name in ("quality", "cost_usd", "latency_ms"):
        moments = getattr(sample, name)
        told[name] = {"samples": moments.count, "mean": moments.mean} if moments.count else None
    return told


def frontier_view(stored: StoredScope, policy: Policy) -> dict[str, Any]:
    """What is known of each model on the scope, and which of them no other beats in everything by their means."""
    hot, cold = stored.state.hot, stored.state.cold
    known = dict(known_models(policy, cold, hot.at_ms, hot.live))
    if cold.configuration and (in_use := estimate_in_use(hot.live, cold.configuration.model)):
        known[in_use.model] = in_use
    estimates = [known[name] for name in sorted(known)]
    rows = [(it.quality, it.cost_usd, it.latency_p95_ms) for it in estimates]
    best = set(front(rows, ("max", "min", "min"))) if rows else set()
    configuration = cold.configuration
    return {
        "scope": stored.state.scope,
        "in_use": configuration.model if configuration else None,
        "models": [{**to_builtins(it), "on_front": place in best} for place, it in enumerate(estimates)],
    }
