"""The truth of one route: what every configuration would earn and cost in every slot of time, and samples of it.

Everything is a vector over slots of five minutes, worked out once for a configuration when it is first asked for.
"""

from dataclasses import dataclass, replace
from functools import cache
from math import erf, exp, log, pi, sqrt

import numpy as np
from scipy.special import ndtr  # type: ignore[import-untyped]

from ...model.configuration import Configuration
from ...model.metrics import ArmSample
from ...model.policy import Policy
from ..catalog import ATLAS, MODELS
from ..incidents import Incident, IncidentKind
from ..policy import SLOW_MS
from ..world import COST_SPREAD, ERROR_RATE, P95_SCORE, QUALITY_SPREAD, log_sigma
from .chance import WIDTH, Chance, count, generator, moments, positive
from .scenario import BEST, DAY_MINUTES, Route, Scenario
from .surface import by_task
from .worth import shortfall, utility

SLOT_MINUTES = 5
START = Configuration(model=ATLAS.name)
"""Every route begins with the strongest model, as teams do."""
TAIL_SHARE, TAIL_FACTOR = 0.01, 4.0
"""So many requests take so many times as long: the tail is heavier than the log-normal body."""
QUEUE = 0.3
"""Waiting time at half of the capacity, as a share of the time of serving."""
CAPACITY = 2.2
"""What can be served at once, over the usual peak: queues grow when a surge comes near to it."""


@dataclass(frozen=True, slots=True, eq=False)
class Figures:
    """A configuration on the route, slot by slot; each array has shape (slots,).

    `quality` is of answers that arrive, `value` counts a failed request as an answer of no quality, `seen` is what a
    perfect measurement of scores would show. `utility` is the engine's objective on the truth, `worth` the same less
    the price of quality below the floor.
    """

    quality: np.ndarray
    value: np.ndarray
    seen: np.ndarray
    cost_usd: np.ndarray
    p50_ms: np.ndarray
    p95_ms: np.ndarray
    p99_ms: np.ndarray
    errors: np.ndarray
    slow: np.ndarray
    utility: np.ndarray
    worth: np.ndarray
    mean_ms: np.ndarray
    scored: np.ndarray


SEEN, COST, P50, P95, P99, ERRORS, SLOW, MEAN_MS, SCORED = range(9)
"""Places in a row of figures."""


class RouteWorld:
    """One route under a scenario; also what the simulated actuator asks for requests and samples."""

    def __init__(self, scenario: Scenario, route: Route, policy: Policy) -> None:
        self.scenario = scenario
        self.policy = policy
        self.slots = scenario.minutes // SLOT_MINUTES
        self.minutes = scenario.minutes
        self.chance = Chance(scenario.seed, scenario.name, route.name)
        self._figures: dict[tuple[str, bool], Figures] = {}
        self._rows: dict[str, list[list[float]]] = {}
        minute = np.arange(self.slots) * SLOT_MINUTES
        self._load = _load(minute, generator(scenario.seed, route.name, "bursts"))
        self.arrivals = _arrivals(route, self._load, generator(scenario.seed, route.name, "arrivals"))
        self.route = route
        self._mix = self._mixed(minute)
        # The least quality that is allowed in each slot: that of the first configuration without its incidents, less
        # what the policy lets a cheaper model lose.
        self.floor = np.zeros(self.slots)
        self.floor = (1.0 - policy.pareto.max_quality_loss) * self._worked_out(START, False).value
        self.route = replace(route, incidents=tuple(self._aimed(incident) for incident in route.incidents))
        self._figures.clear()
        self.scopes = {route.name: self.route}

    @property
    def scope(self) -> str:
        """The route's name."""
        return self.route.name

    def figures(self, configuration: Configuration, troubled: bool = True) -> Figures:
        """What a configuration would do in every slot; without the incidents that befall models if not `troubled`."""
        key = (configuration.id, troubled)
        known = self._figures.get(key)
        if known is None:
            known = self._figures[key] = self._worked_out(configuration, troubled)
        return known

    def row(self, configuration: Configuration, slot: int) -> list[float]:
        """The figures of a slot in the order of the places above; scores come late, those of the slot before."""
        rows = self._rows.get(configuration.id)
        if rows is None:
            it = self.figures(configuration)
            late, scored = (np.concatenate([column[:1], column[:-1]]) for column in (it.seen, it.scored))
            columns = (late, it.cost_usd, it.p50_ms, it.p95_ms, it.p99_ms, it.errors, it.slow, it.mean_ms, scored)
            rows = self._rows[configuration.id] = np.column_stack(columns).tolist()
        return rows[min(slot, self.slots - 1)]

    def worth(self, configuration: Configuration) -> np.ndarray:
        """Worth in every slot, for whoever compares hundreds of configurations: nothing is kept."""
        return self._worked_out(configuration, True).worth

    def requests(self, scope: str, minute: int) -> int:
        """How many requests arrive in a minute."""
        return max(1, round(float(self.arrivals[min(minute // SLOT_MINUTES, self.slots - 1)]) / SLOT_MINUTES))

    def sample(
        self, scope: str, configuration: Configuration, minute: int, requests: int, purpose: str, slow_ms: float
    ) -> ArmSample:
        """What serving these requests so shows in a minute."""
        return self.drawn(
            self.row(configuration, minute // SLOT_MINUTES), requests, self.chance.row(purpose, minute % self.minutes)
        )

    def drawn(self, row: list[float], requests: int, normals: list[float]) -> ArmSample:
        """Sums over so many requests, from figures and normal numbers."""
        # Rounded by chance: an arm of a few requests a minute would else never be scored.
        scored = int(requests * self.route.scored_share * row[SCORED] + 0.5 + 0.5 * erf(normals[0] / sqrt(2.0)))
        return ArmSample(
            requests=requests,
            errors=count(requests, row[ERRORS], normals[0]),
            slow=count(requests, row[SLOW], normals[1]),
            quality=moments(scored, row[SEEN], QUALITY_SPREAD, normals[2], normals[3], top=1.0),
            cost_usd=positive(requests, row[COST], COST_VARIATION, normals[4], normals[5]),
            latency_ms=positive(requests, row[MEAN_MS], _variation(row), normals[6], normals[7]),
        )

    def mirrored(self, configuration: Configuration, slot: int, requests: int) -> ArmSample:
        """What mirrored requests show of a configuration that does not serve: a trap looks better than it is."""
        row = list(self.row(configuration, slot))
        row[SEEN] = min(0.99, row[SEEN] + self.route.traps.get(configuration.model, 0.0))
        row[SCORED] = 1.0 / self.route.scored_share
        return self.drawn(row, requests, self.chance.row(f"mirror:{configuration.model}", slot * SLOT_MINUTES, 5))

    def active(self, kind: IncidentKind, minute: int) -> bool:
        """Whether an incident of this kind is under way."""
        return any(it.kind is kind and it.start_minute <= minute < it.end_minute for it in self.route.incidents)

    def _aimed(self, incident: Incident) -> Incident:
        """An incident of a model befalls the one that serves the route best when it begins."""
        if incident.model != BEST:
            return incident
        slot = incident.start_minute // SLOT_MINUTES
        best = max(sorted(MODELS), key=lambda name: self.figures(Configuration(model=name), troubled=False).worth[slot])
        return replace(incident, model=best, name=f"{incident.name} of {best}")

    def _mixed(self, minute: np.ndarray) -> np.ndarray:
        """Shares of the tasks, shape (slots, tasks): they follow the day, and a shift of the mix brings hard tasks."""
        night = (0.5 + 0.5 * np.cos(2.0 * pi * minute / DAY_MINUTES))[:, None]
        mix: np.ndarray = np.array(self.route.mix) * (1.0 - night) + np.array(self.route.night_mix) * night
        for incident in self.route.incidents:
            if incident.kind is IncidentKind.MIX_SHIFT:
                within = self._within(incident)
                hard = np.array([0.0, 0.0, 0.3, 0.7])
                mix[within] = (1.0 - incident.amount) * mix[within] + incident.amount * hard
        return mix

    def _within(self, incident: Incident) -> slice:
        return slice(incident.start_minute // SLOT_MINUTES, incident.end_minute // SLOT_MINUTES)

    def _worked_out(self, configuration: Configuration, troubled: bool) -> Figures:
        name = ATLAS.name if self.route.flat else configuration.model
        served = Configuration(model=name, prompt=configuration.prompt, parameters=configuration.parameters)
        tasks = by_task(served, self.route.skill, self.route.flat)
        quality = self._mix @ tasks.quality - self.route.traps.get(configuration.model, 0.0)
        cost_usd = self._mix @ tasks.cost_usd
        slowness = self._mix @ tasks.slowness
        busy = np.minimum(self._load / CAPACITY, 0.85)
        slowness = slowness * (1.0 + QUEUE * busy / (1.0 - busy))
        errors = np.full(self.slots, ERROR_RATE)
        bias, scored = np.zeros(self.slots), np.ones(self.slots)
        for incident in self.route.incidents:
            within = self._within(incident)
            # What befalls a model is left out for the untroubled; what befalls the route and its judge is not.
            if incident.model and not (troubled and incident.model == configuration.model):
                continue
            match incident.kind:
                case IncidentKind.QUALITY_REGRESSION:
                    quality[within] -= incident.amount
                case IncidentKind.QUALITY_DRIFT:
                    quality[within] -= incident.amount * np.linspace(0.0, 1.0, len(quality[within]))
                case IncidentKind.PRICE_CHANGE:
                    cost_usd[within] *= incident.amount
                case IncidentKind.LATENCY_SPIKE:
                    slowness[within] *= incident.amount
                case IncidentKind.OUTAGE:
                    errors[within] = incident.amount
                    slowness[within] *= 2.0
                case IncidentKind.JUDGE_BIAS:
                    bias[within] -= incident.amount
                case IncidentKind.METRIC_LOSS:
                    scored[within] = 0.0
        return self._figured(name, quality, cost_usd, slowness, errors, bias, scored)

    def _figured(
        self,
        model: str,
        quality: np.ndarray,
        cost_usd: np.ndarray,
        slowness: np.ndarray,
        errors: np.ndarray,
        bias: np.ndarray,
        scored: np.ndarray,
    ) -> Figures:
        kind = MODELS[model]
        sigma = log_sigma(kind.latency_mean_ms, kind.latency_p95_ms)
        p50_ms = kind.latency_mean_ms / exp(sigma * sigma / 2.0) * slowness
        p95_ms, p99_ms = p50_ms * _quantile(0.95, sigma), p50_ms * _quantile(0.99, sigma)
        slow = _above(np.log(SLOW_MS / p50_ms), sigma)
        mean_ms = p50_ms * exp(sigma * sigma / 2.0) * (1.0 + TAIL_SHARE * (TAIL_FACTOR - 1.0))
        value = quality * (1.0 - errors)
        seen = np.clip(quality + bias, 0.01, 0.99)
        rules = self.policy.pareto
        total = utility(value, cost_usd, p95_ms, rules)
        return Figures(
            quality=quality,
            value=value,
            seen=seen,
            cost_usd=cost_usd,
            p50_ms=p50_ms,
            p95_ms=p95_ms,
            p99_ms=p99_ms,
            errors=errors,
            slow=slow,
            utility=total,
            worth=total - shortfall(value, self.floor, rules),
            mean_ms=mean_ms,
            scored=scored,
        )


COST_VARIATION = sqrt(exp(COST_SPREAD**2) - 1.0)
assert WIDTH >= 8, "a sample takes eight numbers"


def _variation(row: list[float]) -> float:
    """Deviation over mean of a log-normal time with these quantiles: models differ in their tails."""
    sigma = log(row[P95] / row[P50]) / P95_SCORE
    return sqrt(exp(sigma * sigma) - 1.0)


def _load(minute: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Share of the usual peak: quiet at night and at the weekend, with bursts that last an hour or so."""
    daily = 0.65 - 0.35 * np.cos(2.0 * pi * minute / DAY_MINUTES)
    weekly = np.where(minute // DAY_MINUTES % 7 >= 5, 0.6, 1.0)
    hours = int(minute[-1]) // 60 + 1
    burst = np.repeat(draw.gamma(25.0, 1.0 / 25.0, hours), 60 // SLOT_MINUTES)[: len(minute)]
    surge = np.repeat(1.0 + 0.8 * (draw.random(hours) < 0.01), 60 // SLOT_MINUTES)[: len(minute)]
    load: np.ndarray = daily * weekly * burst * surge
    return load


def _arrivals(route: Route, load: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Requests of each slot."""
    found: np.ndarray = np.maximum(SLOT_MINUTES, draw.poisson(route.requests_per_minute * SLOT_MINUTES * load))
    return found.astype(float)


def _above(distance: np.ndarray, sigma: float) -> np.ndarray:
    """Share of requests beyond the median by this distance of logarithms."""
    tail = ndtr(-(distance - log(TAIL_FACTOR)) / sigma)
    found: np.ndarray = (1.0 - TAIL_SHARE) * ndtr(-distance / sigma) + TAIL_SHARE * tail
    return found


@cache
def _quantile(level: float, sigma: float) -> float:
    """Quantile of the mixture of body and tail over the body's median, by bisection on the logarithm."""
    low, high = 0.0, 10.0 * sigma + log(TAIL_FACTOR)
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if float(_above(np.array(middle), sigma)) > 1.0 - level else (low, middle)
    return exp(low)
