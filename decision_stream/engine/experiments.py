"""Experiments as the engine runs them: begun when the actuator serves them, counted, watched for harm, ended.

Who may win is the business of `strategies/comparison.py`. Harm is not left to the next insight: every report is judged
by the guards of a ramp, and a challenger that is proven harmful ends the experiment at once.
"""

from msgspec.structs import replace

from ..model.actuation import EndExperiment, UpdateAllocation
from ..model.configuration import ConfigurationChanges
from ..model.decision import ConcludeExperiment, Decision, StartExperiment
from ..model.lifecycle import DecisionState
from ..model.metrics import ArmSample
from ..model.outcome import CONTROL, Outcome
from ..model.state import Experiment, LiveDecision, Trial
from ..stats.sample_ratio import SampleRatio
from ..strategies.comparison import compare, objective_of
from ..strategies.confirmation import confirming, judged, must_confirm
from . import allocation
from .ending import ended
from .guard import NOTHING_PROMISED, Reading, judge
from .tombstones import bury
from .turn import Turn

MAX_TRIED = 100
MAX_TRIALS = 60


def longest_ms(turn: Turn, strategy: str) -> int:
    """How long an experiment of this strategy may run."""
    policy = turn.policy
    match strategy:
        case "adaptive_parameters":
            return policy.ramp.max_duration_ms
        case allocation.EXPLORATION:
            return policy.reinforcement.max_duration_ms
        case _:
            return policy.ab_testing.max_duration_ms


def begin(turn: Turn, decision: Decision) -> None:
    """The actuator serves the experiment: it exists from now on (not from its proposal, which may be refused)."""
    start = decision.decision
    assert isinstance(start, StartExperiment)
    # An exploration names no winner, so that it is not counted where false winners are paid for.
    number = turn.cold.experiments_begun + (not start.yields)
    experiment = Experiment(
        id=start.experiment_id,
        decision_id=decision.id,
        strategy=decision.strategy,
        number=number,
        shares=dict(zip(start.variants, start.shares, strict=True)),
        challengers=start.challengers,
        alpha=start.alpha,
        planned_pairs=start.planned_pairs,
        started_at_ms=turn.at_ms,
        samples={name: ArmSample() for name in start.variants},
    )
    experiment = allocation.begun(turn, experiment, start)
    if experiment.allocation != "fixed" and not experiment.yields:
        experiment = replace(experiment, test=turn.cold.ledger.experiments + 1)
        turn.update(ledger=turn.cold.ledger.begun())
    turn.update(experiment=experiment, experiments_begun=number)
    turn.learned("experiment_begun", None, float(number))


def measured(turn: Turn, live: LiveDecision, outcome: Outcome) -> None:
    """Add a window of all arms, and stop at once when a challenger is proven harmful."""
    experiment = turn.cold.experiment
    if experiment is None or experiment.decision_id != live.decision.id:
        turn.refuse("learner", "no_effect", "its experiment is not running")
        return
    strangers = sorted(outcome.arms.keys() - experiment.shares.keys())
    if strangers:
        turn.refuse("learner", "unknown_arm", ", ".join(strangers))
        return
    if outcome.step < experiment.step:
        turn.refuse("learner", "unknown_step", "it was served before the second test began")
        return
    period = allocation.period_of(turn, experiment, outcome) if experiment.periods else None
    if experiment.periods and period is None:
        return
    before = experiment
    samples = {name: sample.merge(outcome.arms.get(name, ArmSample())) for name, sample in before.samples.items()}
    experiment = replace(before, samples=samples)
    experiment = _counted(experiment) if period is None else allocation.counted(experiment, period, outcome)
    requests = [sum(sample.requests for sample in one.samples.values()) for one in (before, experiment)]
    turn.learned("experiment_requests", float(requests[0]), float(requests[1]))
    for name in sorted(experiment.challengers):
        experiment, readings = _judged(turn, experiment, outcome, name)
        turn.update(experiment=experiment)
        breached = [reading.metric.value for reading in readings if reading.breached]
        if breached:
            bury(turn, experiment.challengers[name])
            turn.alert("experiment_harm", f"{experiment.id}: {name} is worse in {', '.join(breached)}")
            stop(turn, live, f"{name} is proven worse in {', '.join(breached)}")
            return
    if period is None:
        _look_again(turn, live, experiment)
        return
    if experiment.strategy == allocation.EXPLORATION:
        allocation.learn_rewards(turn, before, period, outcome)
    else:
        turn.update(experiment=allocation.proven(experiment, before, outcome, turn.policy.ab_testing.min_share))
    allocation.draw(turn, live)


def _look_again(turn: Turn, live: LiveDecision, experiment: Experiment) -> None:
    """A challenger that wins the first test goes into the second, evenly beside the control, with sums of nothing."""
    if not must_confirm(experiment, turn.policy):
        return
    winner = judged(experiment, turn.policy).winner
    if winner is None:
        return
    ledger = turn.cold.ledger
    again = confirming(experiment, winner, ledger, turn.policy, live.step)
    turn.update(experiment=again, ledger=ledger.begun())
    turn.learned("experiment_screened", None, winner.gain.estimate, live.decision.id)
    live = turn.put(replace(live, deadline_ms=turn.at_ms + longest_ms(turn, experiment.strategy)))
    turn.order(live, UpdateAllocation(experiment_id=experiment.id, shares=again.shares))


def _counted(experiment: Experiment) -> Experiment:
    """Do units arrive in the shares, which are the same for the whole experiment?"""
    served = {name: share for name, share in experiment.shares.items() if share > 0.0}
    units = tuple(float(experiment.samples[name].requests) for name in served)
    ratio = SampleRatio(weights=tuple(served.values()), counts=units)
    return replace(experiment, mismatch=max(experiment.mismatch, ratio.evidence()))


def _judged(turn: Turn, experiment: Experiment, outcome: Outcome, name: str) -> tuple[Experiment, list[Reading]]:
    if experiment.periods:
        return allocation.judged(turn, experiment, outcome, name)
    samples = experiment.samples
    return experiment, judge(samples[name], samples[CONTROL], NOTHING_PROMISED, turn.policy)


def stop(turn: Turn, live: LiveDecision, reason: str, *, tried: bool = True) -> None:
    """Serve the control again and close the experiment without a winner.

    What was `tried` is not tried again; an experiment that a human cut short was not.
    """
    experiment = turn.cold.experiment
    live = turn.order(live, EndExperiment(experiment_id=_experiment_id(live), winner=None))
    if tried:
        _remember(turn, experiment)
    ended(turn, turn.move(live, DecisionState.COMPLETED, reason))


def stop_exploring(turn: Turn, reason: str) -> None:
    """End an exploration, in whatever state it is: it claims nothing and gives way to everything."""
    for live in turn.cold.live:
        if not live.decision.yields:
            continue
        match live.state:
            case DecisionState.MONITORING:
                stop(turn, live, reason)
            case DecisionState.EXECUTING:
                live = turn.order(live, EndExperiment(experiment_id=_experiment_id(live), winner=None))
                turn.move(live, DecisionState.SUPERSEDED, reason)
            case DecisionState.AWAITING_APPROVAL | DecisionState.APPROVED:
                turn.move(live, DecisionState.SUPERSEDED, reason)


def make_way(turn: Turn, decision: Decision) -> None:
    """Before a decision is carried out, end what it replaces.

    A conclusion closes its experiment; with a winner the split is ended first. Any other decision ends an exploration.
    """
    conclusion, experiment = decision.decision, turn.cold.experiment
    if not isinstance(conclusion, ConcludeExperiment):
        if not decision.yields:
            stop_exploring(turn, f"it gives way to {decision.kind} {decision.id}")
        return
    if experiment is None:
        return
    live = turn.live(experiment.decision_id)
    if live is None or experiment.id != conclusion.experiment_id:
        return
    if conclusion.winner is not None:
        live = turn.order(live, EndExperiment(experiment_id=experiment.id, winner=conclusion.winner))
        if experiment.test:
            turn.update(ledger=turn.cold.ledger.discovered(experiment.test))
    _remember(turn, experiment)
    ended(turn, turn.move(live, DecisionState.COMPLETED, conclusion.reason or "concluded"))


def adopted(turn: Turn, changes: ConfigurationChanges) -> None:
    """A change is in full use now: gains of past trials are against it from here on.

    Under another model or prompt they say nothing. When tuned parameters were adopted, their own gain is taken from
    every trial, and the values before become a trial that is worse by it.
    """
    if changes.model or changes.prompt:
        turn.update(trials=())
        return
    new = _numbers(changes)
    found = next((trial for trial in reversed(turn.cold.trials) if trial.parameters == new), None)
    if found is None:
        return
    trials = [replace(trial, gain=trial.gain - found.gain) for trial in turn.cold.trials]
    old = {change.name: float(change.old) for change in changes.parameters if isinstance(change.old, int | float)}
    if old.keys() == new.keys():
        trials.append(Trial(parameters=old, gain=-found.gain, error=found.error, at_ms=turn.at_ms))
    turn.update(trials=tuple(trials)[-MAX_TRIALS:])


def tried_key(model: str, variant: str) -> str:
    """What a tried variant is remembered by: under another model it may be tried again."""
    return f"{model}:{variant}"


def _remember(turn: Turn, experiment: Experiment | None) -> None:
    """What was tried is not tried again; a trial of parameters is a point the search learns from."""
    if experiment is None:
        return
    assert turn.configuration is not None
    model = turn.configuration.model
    if experiment.strategy == allocation.EXPLORATION:
        turn.update(
            bandit=replace(turn.cold.bandit, explored_at_ms=turn.at_ms, fruitless=turn.cold.bandit.fruitless + 1)
        )
        return
    if experiment.strategy != "adaptive_parameters":
        tried = [tried_key(model, name) for name in experiment.challengers]
        turn.update(tried=(*(key for key in turn.cold.tried if key not in tried), *tried)[-MAX_TRIED:])
        return
    turn.update(tuned_at_ms=turn.at_ms)
    for changes, name in ((changes, name) for name, changes in experiment.challengers.items()):
        found = compare(experiment.samples[CONTROL], experiment.samples[name], objective_of(turn.policy))
        if found is not None:
            trial = Trial(
                parameters=_numbers(changes), gain=found.estimate, error=found.standard_error, at_ms=turn.at_ms
            )
            turn.update(trials=(*turn.cold.trials, trial)[-MAX_TRIALS:])
            turn.learned("trial_gain", None, found.estimate)


def _numbers(changes: ConfigurationChanges) -> dict[str, float]:
    return {change.name: float(change.new) for change in changes.parameters if isinstance(change.new, int | float)}


def _experiment_id(live: LiveDecision) -> str:
    start = live.decision.decision
    assert isinstance(start, StartExperiment)
    return start.experiment_id
