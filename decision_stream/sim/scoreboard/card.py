"""The scorecard: each measure with its mean and interval over seeds, and the bars that must be met."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import isfinite, sqrt

import numpy as np
from scipy.special import stdtrit  # type: ignore[import-untyped]

from .judging import Verdict
from .scenarios import ScenarioName
from .season import BASELINES, ENGINE, ORACLE, STRONGEST, Season

PLAYERS = (ENGINE, *BASELINES, "oracle, one choice", ORACLE)
DECIDING = frozenset({ENGINE, BASELINES[-1]})
"""Those with decisions to judge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Mean over seeds with its 95 % interval (Student's t); the interval is the point when there is one seed."""

    mean: float
    low: float
    high: float
    seeds: int


def estimated(values: Iterable[float]) -> Estimate | None:
    """Mean and interval of what is known; None when nothing is.

    >>> estimated([1.0, 2.0, 3.0])
    Estimate(mean=2.0, low=-0.484138, high=4.484138, seeds=3)
    """
    known = np.array([value for value in values if isfinite(value)])
    if not len(known):
        return None
    mean, reach = float(known.mean()), 0.0
    if len(known) > 1:
        reach = float(stdtrit(len(known) - 1, 0.975)) * float(known.std(ddof=1)) / sqrt(len(known))
    return Estimate(mean=round(mean, 6), low=round(mean - reach, 6), high=round(mean + reach, 6), seeds=len(known))


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A row: what is measured of a player in a seed, beside the others of the same seed; nan where it means nothing."""

    name: str
    unit: str
    of: Callable[[Verdict, dict[str, Verdict]], float]
    decides: bool = False
    lower_is_better: bool = False


def _per_request(column: str) -> Callable[[Verdict, dict[str, Verdict]], float]:
    return lambda it, _: getattr(it.account, column) / it.account.requests


def _per_hundred(count: str) -> Callable[[Verdict, dict[str, Verdict]], float]:
    return lambda it, _: 100.0 * it.counts[count] / it.scope_days


def _spent(it: Verdict) -> float:
    return it.account.cost_usd + it.mirrored_usd


def saved(it: Verdict, all_of: dict[str, Verdict]) -> float:
    """Share of the money that is saved against the strongest model; what mirrored requests cost is counted."""
    return 1.0 - _spent(it) / _spent(all_of[STRONGEST])


def quality_change(it: Verdict, all_of: dict[str, Verdict]) -> float:
    """Quality against the strongest model, in points."""
    start = all_of[STRONGEST].account
    return 100.0 * (it.account.value / it.account.requests - start.value / start.requests)


MEASURES = (
    Measure(name="worth of a request", unit="", of=_per_request("worth")),
    Measure(
        name="regret against the oracle, worth",
        unit="",
        of=lambda it, all_of: (all_of[ORACLE].account.worth - it.account.worth) / it.account.requests,
        lower_is_better=True,
    ),
    Measure(
        name="regret against the oracle, money",
        unit="$/scope-day",
        of=lambda it, all_of: (_spent(it) - _spent(all_of[ORACLE])) / it.scope_days,
        lower_is_better=True,
    ),
    Measure(
        name="paid for mirrored requests, in both rows about money",
        unit="$/scope-day",
        of=lambda it, _: it.mirrored_usd / it.scope_days,
        lower_is_better=True,
    ),
    Measure(name="utility without the price of lost quality", unit="", of=_per_request("utility")),
    Measure(name="money saved against the strongest", unit="%", of=lambda it, all_of: 100.0 * saved(it, all_of)),
    Measure(name="quality against the strongest", unit="points", of=quality_change),
    Measure(
        name="decisions",
        unit="/scope-day",
        of=lambda it, _: it.counts["decisions"] / it.scope_days,
        decides=True,
        lower_is_better=True,
    ),
    Measure(name="changes", unit="/scope-day", of=lambda it, _: it.counts["changes"] / it.scope_days, decides=True),
    Measure(
        name="false rollbacks and breaks",
        unit="/100 scope-days",
        of=_per_hundred("false_reversals"),
        decides=True,
        lower_is_better=True,
    ),
    Measure(
        name="false winners",
        unit="/100 scope-days",
        of=_per_hundred("false_winners"),
        decides=True,
        lower_is_better=True,
    ),
    Measure(
        name="wrong promotions",
        unit="/100 scope-days",
        of=_per_hundred("wrong_promotions"),
        decides=True,
        lower_is_better=True,
    ),
    Measure(
        name="wrong promotions, answers to incidents apart",
        unit="/100 scope-days",
        of=_per_hundred("wrong_promotions_unprovoked"),
        decides=True,
        lower_is_better=True,
    ),
    Measure(
        name="repeated events with an effect",
        unit="/100 scope-days",
        of=_per_hundred("repeated_with_effect"),
        decides=True,
        lower_is_better=True,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """Something that must be shown: what was found, and whether it is met; None where these seasons do not say."""

    name: str
    wanted: str
    found: str
    met: bool | None


class Scorecard:
    """All seasons of a run."""

    def __init__(self, seasons: list[Season]) -> None:
        self.seasons = sorted(seasons, key=lambda season: (list(ScenarioName).index(season.scenario), season.seed))

    @property
    def scenarios(self) -> list[ScenarioName]:
        """The scenarios played, in the order of their names' list."""
        return list(dict.fromkeys(season.scenario for season in self.seasons))

    def of(self, scenario: ScenarioName) -> list[Season]:
        """The seasons of a scenario, by seed."""
        return [season for season in self.seasons if season.scenario is scenario]

    def pooled(self, scenario: ScenarioName, player: str) -> Verdict:
        """All seeds together."""
        total = Verdict()
        for season in self.of(scenario):
            total.add(season.verdicts[player])
        return total

    def estimate(self, scenario: ScenarioName, player: str, measure: Measure) -> Estimate | None:
        """A measure of a player over the seeds; None for decisions of players that make none."""
        if measure.decides and player not in DECIDING:
            return None
        return estimated(measure.of(it.verdicts[player], it.verdicts) for it in self.of(scenario))

    def lead(self, scenario: ScenarioName, other: str) -> Estimate | None:
        """How much more a request is worth than under another player, seed by seed."""
        worth = MEASURES[0].of
        return estimated(
            worth(it.verdicts[ENGINE], it.verdicts) - worth(it.verdicts[other], it.verdicts) for it in self.of(scenario)
        )

    def bars(self) -> list[Bar]:
        """What must be shown, in the order of the promises."""
        return [
            self._false_winners(),
            self._placebo(),
            self._trap(),
            self._savings(),
            *self._leads(),
            self._distance(),
        ]

    def _false_winners(self) -> Bar:
        name, wanted = "false winners of A/A experiments", "at most 5 %"
        if ScenarioName.PLACEBO not in self.scenarios:
            return _unsaid(name, wanted)
        counts = self.pooled(ScenarioName.PLACEBO, ENGINE).counts
        share = counts["false_winners"] / max(1, counts["experiments"])
        found = f"{counts['false_winners']} of {counts['experiments']} ({share:.2%})"
        return Bar(name=name, wanted=wanted, found=found, met=share <= 0.05 if counts["experiments"] else None)

    def _placebo(self) -> Bar:
        name, wanted = "changes where every model is the same, winners of experiments included", "none"
        if ScenarioName.PLACEBO not in self.scenarios:
            return _unsaid(name, wanted)
        it = self.pooled(ScenarioName.PLACEBO, ENGINE)
        changes = it.counts["changes"]
        backs = it.counts["reversals"] + it.counts["undone_for_faults"]
        found = f"{changes} in {it.scope_days:.0f} scope-days, {backs} of them rollbacks and breaks"
        return Bar(name=name, wanted=wanted, found=found, met=changes == 0)

    def _trap(self) -> Bar:
        name = "requests exposed to a model that is 10 points worse than it seemed, median of its ramps"
        wanted = "less than 1 % of a day's"
        trapped = [it for scenario in self.scenarios for it in self.pooled(scenario, ENGINE).trapped]
        if not trapped:
            return _unsaid(name, wanted)
        exposed = np.array([it.exposed for it in trapped])
        middle, most = np.quantile(exposed, (0.5, 0.95)).tolist()
        kept = sum(not it.left for it in trapped)
        found = f"{middle:.2%} (95th percentile {most:.2%}) in {len(trapped)} ramps, {kept} not found out"
        return Bar(name=name, wanted=wanted, found=found, met=middle < 0.01)

    def _savings(self) -> Bar:
        name, wanted = "money saved where the world allows it", "at least 30 %, quality within 2 points"
        if ScenarioName.CALM not in self.scenarios:
            return _unsaid(name, wanted)
        allowing = [it.allowing for it in self.of(ScenarioName.CALM) if it.allowing]
        money = estimated(saved(it[ENGINE], it) for it in allowing)
        quality = estimated(quality_change(it[ENGINE], it) for it in allowing)
        if money is None or quality is None:
            return _unsaid(name, wanted)
        found = (
            f"{money.mean:.1%} [{money.low:.1%}, {money.high:.1%}] at {quality.mean:+.2f} points "
            f"[{quality.low:+.2f}, {quality.high:+.2f}]"
        )
        return Bar(name=name, wanted=wanted, found=found, met=money.mean >= 0.30 and quality.low > -2.0)

    def _leads(self) -> list[Bar]:
        found = []
        for player in BASELINES:
            name, wanted = f"worth of a request above: {player}", "above 0 with its interval"
            lead = self.lead(ScenarioName.STANDARD, player)
            if lead is None:
                found.append(_unsaid(name, wanted))
                continue
            told = f"{lead.mean:+.4f} [{lead.low:+.4f}, {lead.high:+.4f}]"
            found.append(Bar(name=name, wanted=wanted, found=told, met=lead.low > 0.0))
        return found

    def _distance(self) -> Bar:
        name, wanted = "distance to the oracle", "told"
        lead = self.lead(ScenarioName.STANDARD, ORACLE)
        if lead is None:
            return _unsaid(name, wanted)
        told = f"{lead.mean:+.4f} [{lead.low:+.4f}, {lead.high:+.4f}] of worth"
        start = self.lead(ScenarioName.STANDARD, STRONGEST)
        if start is not None and start.mean - lead.mean > 0.0:
            told += f"; {start.mean / (start.mean - lead.mean):.0%} of the way from the strongest model"
        return Bar(name=name, wanted=wanted, found=told, met=None)


def _unsaid(name: str, wanted: str) -> Bar:
    return Bar(name=name, wanted=wanted, found="not played", met=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """How a kind of incident was met: counts, and quantiles of minutes among those that were."""

    kind: str
    struck: int
    detected: int
    cleared: int
    detect_p50: float
    detect_p95: float
    clear_p50: float
    clear_p95: float
    exposed_p50: float


def speeds(verdict: Verdict) -> list[Speed]:
    """Speed by kind of incident, in the order of the kinds."""
    found = []
    for kind in sorted({it.incident.kind for it in verdict.answers}):
        answers = [it for it in verdict.answers if it.incident.kind is kind]
        seen = [float(it.detected_minutes) for it in answers if it.detected_minutes is not None]
        gone = [float(it.cleared_minutes) for it in answers if it.cleared_minutes is not None]
        found.append(
            Speed(
                kind=kind.value,
                struck=len(answers),
                detected=len(seen),
                cleared=len(gone),
                detect_p50=_quantile(seen, 0.5),
                detect_p95=_quantile(seen, 0.95),
                clear_p50=_quantile(gone, 0.5),
                clear_p95=_quantile(gone, 0.95),
                exposed_p50=_quantile([it.exposed for it in answers], 0.5),
            )
        )
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """A kind of stated interval: how many held the truth, of how many, and the mean of the levels they claimed."""

    kind: str
    held: int
    stated: int
    claimed: float


def coverage(scorecard: Scorecard) -> list[Coverage]:
    """The engine's intervals by kind, all scenarios together."""
    total = Verdict()
    for scenario in scorecard.scenarios:
        total.add(scorecard.pooled(scenario, ENGINE))
    return [
        Coverage(kind=kind, held=total.held[kind], stated=stated, claimed=total.claimed.get(kind, 0.0) / stated)
        for kind, stated in sorted(total.stated.items())
    ]


def off_policy_error(scorecard: Scorecard) -> tuple[float, int]:
    """Root mean square error of off-policy estimates of gains in reward, and how many there were."""
    errors = [error for season in scorecard.seasons for error in season.verdicts[ENGINE].off_policy]
    return (sqrt(sum(error * error for error in errors) / len(errors)) if errors else float("nan"), len(errors))


def _quantile(values: list[float], level: float) -> float:
    return float(np.quantile(values, level)) if values else float("nan")
