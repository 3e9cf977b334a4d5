"""Tuning of parameters: one trial at a time on a small share of the traffic, chosen by a safe search (seed §4.4).

The seed set new values for all traffic at once, from a design that knows no objective. Here a trial is an experiment
against the configuration in use: harm ends it, what it showed is kept as a trial, and only a proven gain is adopted,
by a guarded ramp.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

from msgspec.structs import replace

from ..model.configuration import ConfigurationChanges, ParameterChange, ParameterValue
from ..model.insight import Insight, Recommendation
from ..model.outcome import CONTROL
from ..model.policy import DAY_MS, Policy, TunedParameter
from ..model.state import Experiment, HotState
from ..stats.search.space import Dimension, Space
from .ab_testing import conclusion, start
from .allowance import least_share
from .comparison import QUALITY_ONLY, compare, objective_of
from .confirmation import LEAST_SAMPLES, first_alpha, judged, least_effect, must_confirm
from .experiment_plan import plan
from .protocol import Opinion, View, experiment_of, is_busy, silent
from .recommendations import SET_PARAMETER, recommended, refused, used
from .situation import may_explore, performance_suboptimal

TRIAL = "trial"
PATIENCE = 8
"""Trials since the last change that follow each other at the usual pace; after them the rest doubles with each."""
LONGEST_REST_MS = DAY_MS
ONE_SIDED = 1.645
"""Normal quantile at 95 %."""
_USUAL_SPREAD = 0.1
"""How much the objective usually varies over the tuned space, as a share of its value (standard deviation)."""


@dataclass(frozen=True, slots=True)
class AdaptiveParameters:
    """Tries one setting after another; adopts what is proven better by the policy's least improvement."""

    name: str = "adaptive_parameters"
    complete: bool = True

    def priority(self, policy: Policy) -> int:
        """The policy's number, 70 by default."""
        return policy.adaptive_parameters.priority

    def is_enabled(self, policy: Policy) -> bool:
        """Whether the policy has it on."""
        return policy.adaptive_parameters.enabled

    def observe(self, hot: HotState, insight: Insight, policy: Policy) -> HotState:
        """Nothing to learn from insights: trials are measured by outcomes."""
        return hot

    def propose(self, view: View) -> Opinion:
        """The end of the running trial when it may be judged, else the next trial when it is time."""
        running = experiment_of(view.state.cold)
        if running is not None:
            return self._judge(running, view) if running.strategy == self.name else silent(self.name, "experiment_lock")
        opinion = self._try(view)
        if not view.insight.recommendations:
            return opinion
        asked = recommended(view, SET_PARAMETER)
        return self._traced(opinion, asked, view) if asked else opinion

    def _traced(self, opinion: Opinion, asked: dict[str, Recommendation], view: View) -> Opinion:
        """The opinion with the trace of what the analyzer recommends."""
        first = _recommended_setting(view)
        reasons = list(opinion.reasons)
        ideas = opinion.ideas
        for what, told in asked.items():
            if ideas and first is not None and what == first[0]:
                trace, evidence = used(self.name, told)
                ideas = tuple(replace(idea, evidence=(*idea.evidence, evidence)) for idea in ideas)
                reasons.append(trace)
            else:
                why = "not tuned, beyond its bounds, tried, or not the first"
                reasons.append(refused(self.name, told, opinion.reasons[0].code if opinion.reasons else why))
        return replace(opinion, ideas=ideas, reasons=tuple(reasons))

    def _judge(self, experiment: Experiment, view: View) -> Opinion:
        found = judged(experiment, view.policy)
        if not found.over or (found.winner is not None and must_confirm(experiment, view.policy)):
            return silent(self.name, "experiment_running", found.detail)
        if found.winner is not None and not _keeps_quality(experiment, found.winner.name, view):
            detail = f"{found.winner.name} gains, and may give up more quality than is left to give"
            found = replace(found, code="quality_not_kept", detail=detail, winner=None)
        usual = least_effect(experiment, view.policy)
        return Opinion(ideas=(conclusion(experiment, found, view, usual, objective_of(view.policy)),))

    def _try(self, view: View) -> Opinion:
        rules, cold, hot = view.policy.adaptive_parameters, view.state.cold, view.state.hot
        if not rules.parameters:
            return silent(self.name, "no_parameters", "adaptive_parameters.parameters names none")
        if not may_explore(view):
            return silent(self.name, "no_opportunity", "the analyzer says that there is nothing to gain")
        since_ms = view.at_ms - max(cold.tuned_at_ms, cold.changed_at_ms or 0)
        rests = since_ms < rules.update_interval_ms or since_ms < _rest_ms(view)
        if rests and not performance_suboptimal(view):
            return silent(self.name, "tuned_recently")
        if hot.windows < view.policy.ab_testing.min_windows or view.is_broken:
            return silent(self.name, "not_stable", f"{hot.windows} windows seen")
        if is_busy(cold):
            return silent(self.name, "scope_busy")
        shares = (round(1.0 - rules.trial_share, 9), rules.trial_share)
        alpha = first_alpha(rules.alpha, "fixed", cold.ledger, view.policy)
        planned = plan(
            view.insight,
            hot.live,
            objective_of(view.policy),
            effect=max(rules.min_improvement, 0.01),
            alpha=alpha,
            power=view.policy.ab_testing.power,
            shares=shares,
            longest_ms=view.policy.ramp.max_duration_ms,
            least=float(LEAST_SAMPLES),
        )
        if planned is None:
            return silent(self.name, "no_measurements")
        if planned.pairs > rules.trial_pairs or not planned.fits:
            detail = f"{planned.pairs:.0f} pairs in {planned.hours:.1f} h are needed, {rules.trial_pairs} are allowed"
            return silent(self.name, "underpowered", detail)
        changes = _next_setting(view)
        if changes is None:
            return silent(self.name, "nothing_safe_to_try")
        idea = start(view, self.name, {TRIAL: changes}, shares, alpha, planned, rules.min_improvement)
        return Opinion(ideas=(idea,))


def _rest_ms(view: View) -> int:
    """How long to wait after a trial or a change: the usual while there is much to learn, then ever longer.

    A trial costs a tenth of the traffic; after several in a row without a gain, the next one's chances are small.
    """
    usual_ms, changed_at_ms = view.policy.adaptive_parameters.update_interval_ms, view.state.cold.changed_at_ms or 0
    fruitless = sum(trial.at_ms > changed_at_ms for trial in view.state.cold.trials) - PATIENCE
    return usual_ms if fruitless <= 0 else max(usual_ms, min(usual_ms * 2 ** min(fruitless, 20), LONGEST_REST_MS))


def _keeps_quality(experiment: Experiment, name: str, view: View) -> bool:
    """Whether the lower end of a 90 % interval of the quality is not below what the policy lets all changes lose."""
    quality = compare(experiment.samples[CONTROL], experiment.samples[name], QUALITY_ONLY)
    least = least_share(view.state.cold, view.policy.pareto) - 1.0
    return quality is not None and quality.estimate - ONE_SIDED * quality.standard_error >= least


def _next_setting(view: View) -> ConfigurationChanges | None:
    """The safe search's next point, as a change of the configuration in use; None when nothing is safe and new."""
    # numpy's linear algebra is loaded only by those who tune.
    from ..stats.search.safe import Settings, Trial, propose

    rules, trials = view.policy.adaptive_parameters, view.state.cold.trials
    tuned = rules.parameters
    space = Space(
        tuple(
            Dimension(
                name=it.name, low=it.low, high=it.high, scale="log" if it.log else "linear", is_integer=it.integer
            )
            for it in tuned
        )
    )
    current = tuple(_value(it, view.configuration.parameters) for it in tuned)
    names = {it.name for it in tuned}
    settings = Settings(start=current, tolerance=rules.max_loss, amplitude=_USUAL_SPREAD)
    # Trials are gains over the configuration in use, which has therefore none, for certain.
    reference = [Trial(values=current, outcome=0.0, variance=1e-8)] * settings.references
    observed = [
        Trial(
            values=tuple(it.parameters[one.name] for one in tuned), outcome=it.gain, variance=max(it.error, 1e-4) ** 2
        )
        for it in trials
        if it.parameters.keys() == names
    ]
    asked = _recommended_setting(view)
    if asked is not None:
        return _change_to(view, asked[1], "recommended by the analyzer")
    if rules.search_strategy == "latin_hypercube":
        planned = _designed(view, space, [trial.values for trial in observed])
        if planned is not None:
            return _change_to(view, planned, "the next point of a Latin hypercube")
    found = propose((*reference, *observed), space, settings, _chance(view))
    if found.values == current:
        return None
    return _change_to(view, found.values, f"predicted gain {found.gain:+.3f} ± {found.gain_sd:.3f}")


def _recommended_setting(view: View) -> tuple[str, tuple[float, ...]] | None:
    """The first recommended value within its bounds that was not tried, with the other parameters as they are."""
    tuned = view.policy.adaptive_parameters.parameters
    current = {it.name: _value(it, view.configuration.parameters) for it in tuned}
    tried = [trial.parameters for trial in view.state.cold.trials]
    for what in recommended(view, SET_PARAMETER):
        name, _, text = what.partition("=")
        parameter = next((it for it in tuned if it.name == name), None)
        try:
            value = round(float(text), 4)
        except ValueError:
            continue
        if parameter is None or not parameter.low <= value <= parameter.high or value == current[name]:
            continue
        setting = {**current, name: float(int(value)) if parameter.integer else value}
        if setting not in tried:
            return what, tuple(setting.values())
    return None


def _designed(view: View, space: Space, tried: list[tuple[float, ...]]) -> tuple[float, ...] | None:
    """The first point of the scope's design that was not tried; None when the design is used up.

    The design depends on scope and parameters alone, so that it is the same at every look.
    """
    import numpy as np

    from ..stats.search.design import latin_hypercube

    rules = view.policy.adaptive_parameters
    count, axes = rules.design_points, len(space)
    if len(tried) >= count:
        return None
    draws = [
        [[_uniform(f"{view.state.scope}|{kind}|{row}|{axis}") for axis in range(axes)] for row in range(count)]
        for kind in ("order", "jitter")
    ]
    for point in latin_hypercube(np.array(draws[0]), np.array(draws[1])):
        values = tuple(round(value, 4) for value in space.from_unit([float(it) for it in point]))
        if values not in tried:
            return values
    return None


def _change_to(view: View, values: tuple[float, ...], reason: str) -> ConfigurationChanges:
    tuned = view.policy.adaptive_parameters.parameters
    changed = tuple(
        ParameterChange(
            name=it.name,
            old=view.configuration.parameters.get(it.name),
            new=int(value) if it.integer else round(float(value), 4),
            reason=reason,
        )
        for it, value in zip(tuned, values, strict=True)
    )
    return ConfigurationChanges(parameters=changed)


def _value(tuned: TunedParameter, parameters: dict[str, ParameterValue]) -> float:
    value = parameters.get(tuned.name, tuned.default)
    return float(value) if isinstance(value, int | float) else tuned.default


def _chance(view: View) -> float:
    """A uniform number in [0, 1) derived from the event, so that replay weighs the same points."""
    return _uniform(f"{view.state.scope}|{view.insight.id}|search")


def _uniform(key: str) -> float:
    digest = blake2b(key.encode(), digest_size=6).digest()
    return int.from_bytes(digest, "big") / 2.0**48
