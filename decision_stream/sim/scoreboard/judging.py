"""A run against the truth: mistakes, speed of answers, exposure to harm, and whether stated intervals held."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from ...model.configuration import Configuration
from ...model.decision import ConcludeExperiment, Evidence, Interval, ModelSwitch, Rollback, StartExperiment
from ...strategies.comparison import QUALITY_ONLY, objective_of
from ..incidents import HARMFUL, Incident, IncidentKind
from .play import Adopted, Made, Played
from .timeline import Account, Accountant, Timeline
from .world import SLOT_MINUTES, Figures, RouteWorld

SLOTS_A_DAY = 288
AFTERMATH_MINUTES = 60
"""For so long after an incident an answer to it is no false alarm, and may still come."""
TOLERANCE = 0.002
"""Differences of worth below this are none: a change that costs no more is no mistake."""
REVERSALS = ("rollback", "circuit_break")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What became of a harmful incident that struck the model in use.

    Minutes from its start to the first decision about it, and until the model had no traffic; None where that never
    happened while it lasted. `exposed` is the requests it served meanwhile, as a share of a day's.
    """

    incident: Incident
    detected_minutes: int | None
    cleared_minutes: int | None
    exposed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Trapped:
    """A switch to a model that is worse than it seemed: requests it served, as a share of a day's, and for how long.

    `left` is False when it still served at the end.
    """

    exposed: float
    minutes: int
    left: bool


@dataclass(slots=True, kw_only=True)
class Verdict:
    """What a player did on one route; sums of routes are sums of the fields."""

    scope_days: float = 0.0
    account: Account = field(default_factory=Account)
    mirrored_usd: float = 0.0
    deciding_s: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    answers: list[Answered] = field(default_factory=list)
    trapped: list[Trapped] = field(default_factory=list)
    # Stated intervals by kind: how many held the truth, and how many there were.
    held: Counter[str] = field(default_factory=Counter)
    stated: Counter[str] = field(default_factory=Counter)
    # The levels they claimed, summed up by kind.
    claimed: dict[str, float] = field(default_factory=dict)
    # Off-policy estimates of a gain in reward less the truth.
    off_policy: list[float] = field(default_factory=list)

    def add(self, other: "Verdict") -> None:
        """Take in another route."""
        self.scope_days += other.scope_days
        self.account = self.account + other.account
        self.mirrored_usd += other.mirrored_usd
        self.deciding_s += other.deciding_s
        self.counts.update(other.counts)
        self.answers += other.answers
        self.trapped += other.trapped
        self.held.update(other.held)
        self.stated.update(other.stated)
        for kind, level in other.claimed.items():
            self.claimed[kind] = self.claimed.get(kind, 0.0) + level
        self.off_policy += other.off_policy


def accounted(world: RouteWorld, accountant: Accountant, timeline: Timeline) -> Verdict:
    """A player that decides nothing: only what it came to."""
    return Verdict(scope_days=world.scenario.days, account=accountant.of(timeline))


def judged(world: RouteWorld, accountant: Accountant, played: Played) -> Verdict:
    """A player that decides."""
    found = accounted(world, accountant, played.timeline)
    found.mirrored_usd, found.deciding_s = played.mirrored_usd, played.deciding_s
    judge = _Judge(world, accountant, played)
    found.counts.update(judge.counted())
    found.answers = [answer for incident in world.route.incidents if (answer := judge.answer(incident)) is not None]
    found.trapped = [trapped for made in played.made if (trapped := judge.trapped(made)) is not None]
    found.off_policy = judge.off_policy_errors()
    for kind, interval, truth in judge.intervals():
        found.stated[kind] += 1
        found.claimed[kind] = found.claimed.get(kind, 0.0) + interval.level
        found.held[kind] += interval.low <= truth <= interval.high
    return found


class _Judge:
    def __init__(self, world: RouteWorld, accountant: Accountant, played: Played) -> None:
        self._world = world
        self._accountant = accountant
        self._played = played
        self._daily = accountant.requests(0, world.minutes) / world.scenario.days
        self._starts = {
            made.decision.decision.experiment_id: made
            for made in played.made
            if isinstance(made.decision.decision, StartExperiment)
        }

    def counted(self) -> Counter[str]:
        """How often what was decided, and how often wrongly."""
        made, adopted = self._played.made, self._played.adopted
        placebos = [it for it in self._world.route.incidents if it.kind is IncidentKind.PLACEBO]
        changes = [it.minute for it in made if it.decision.kind in REVERSALS] + [it.minute for it in adopted]
        reversals = [it for it in made if it.decision.kind in REVERSALS and it.decision.strategy != "engine"]
        conclusions = [it for it in made if isinstance(it.decision.decision, ConcludeExperiment)]
        winners = [it for it in conclusions if it.target is not None]
        promotions = _once(adopted)
        wrong = [
            it for it in promotions if self._mean(it.after, it.minute) < self._mean(it.before, it.minute) - TOLERANCE
        ]
        return Counter(
            decisions=len(made),
            changes=len(changes),
            changes_in_placebo=sum(
                any(it.start_minute <= minute < it.end_minute for it in placebos) for minute in changes
            ),
            reversals=len(reversals),
            false_reversals=sum(self._is_false(it) for it in reversals),
            undone_for_faults=sum(it.decision.kind in REVERSALS for it in made) - len(reversals),
            experiments=len(conclusions),
            winners=len(winners),
            false_winners=sum(self._gain(it) <= 0.0 for it in winners),
            promotions=len(promotions),
            wrong_promotions=len(wrong),
            wrong_promotions_unprovoked=sum(not self._answers(it) for it in wrong),
            events=self._played.events,
            repeated=self._played.repeated,
            repeated_with_effect=self._played.repeated_with_effect,
        )

    def answer(self, incident: Incident) -> Answered | None:
        """How a harmful incident was met; None when it struck nobody."""
        start, timeline = incident.start_minute, self._played.timeline
        end = min(incident.end_minute, self._world.minutes)
        if incident.kind not in HARMFUL or start >= end or timeline.share(incident.model, start) < 0.5:
            return None
        detected = next(
            (
                it.minute
                for it in self._played.made
                if start <= it.minute < end
                and it.decision.kind in incident.good_answers
                and (it.left.model == incident.model or it.decision.kind in REVERSALS)
            ),
            None,
        )
        moments = [minute for minute in timeline.minutes if start < minute < end]
        cleared = next((minute for minute in moments if timeline.share(incident.model, minute) == 0.0), None)
        return Answered(
            incident=incident,
            detected_minutes=None if detected is None else detected - start,
            cleared_minutes=None if cleared is None else cleared - start,
            exposed=self._served(incident.model, start, end) / self._daily,
        )

    def trapped(self, made: Made) -> Trapped | None:
        """How much a trap served before it was found out; None for other decisions."""
        switch = made.decision.decision
        if not isinstance(switch, ModelSwitch) or switch.to_model not in self._world.route.traps:
            return None
        later = [minute for minute in self._played.timeline.minutes if minute > made.minute]
        over = next((minute for minute in later if self._played.timeline.share(switch.to_model, minute) == 0.0), None)
        end = self._world.minutes if over is None else over
        return Trapped(
            exposed=self._served(switch.to_model, made.minute, end) / self._daily,
            minutes=end - made.minute,
            left=over is not None,
        )

    def intervals(self) -> list[tuple[str, Interval, float]]:
        """Kind, stated interval and truth of everything that was claimed; claims about a trap are left out."""
        found: list[tuple[str, Interval, float]] = []
        for made in self._played.made:
            found += [
                ("off-policy gain", evidence.interval, truth)
                for evidence, truth in self._of_exploration(made)
                if evidence.interval is not None
            ]
            match made.decision.decision:
                case ModelSwitch(to_model=model) if made.target is not None and model not in self._world.route.traps:
                    found += self._of_switch(made, made.target)
                case ConcludeExperiment():
                    found += self._of_experiment(made)
                case _ if made.decision.strategy == "ramp_guard" and made.target is not None:
                    found += self._of_guard(made, made.target)
        return found

    def off_policy_errors(self) -> list[float]:
        """Errors of the estimates that exploration rests on."""
        return [
            evidence.statistic - truth
            for made in self._played.made
            for evidence, truth in self._of_exploration(made)
            if evidence.statistic is not None
        ]

    def _of_exploration(self, made: Made) -> list[tuple[Evidence, float]]:
        """Off-policy evidence of a decision with the true gain in reward while it was gathered."""
        starts = [it for it in self._starts.values() if it.decision.strategy == made.decision.strategy]
        began = next((it for it in reversed(starts) if it.minute < made.minute), None)
        if began is None or not isinstance(began.decision.decision, StartExperiment):
            return []
        span = slice(began.minute // SLOT_MINUTES, made.minute // SLOT_MINUTES + 1)
        arms = {name: began.left.patched(changes) for name, changes in began.decision.decision.challengers.items()}
        found = []
        for evidence in made.decision.evidence:
            name = evidence.detail.partition("always ")[2].partition(":")[0]
            if evidence.method == "off_policy_bound" and name in arms:
                found.append((evidence, self._reward(arms[name], span) - self._reward(began.left, span)))
        return found

    def _reward(self, configuration: Configuration, span: slice) -> float:
        rules, it = self._world.policy.reinforcement, self._world.figures(configuration)
        reward = (
            rules.weights.quality * it.seen
            + rules.weights.cost * (1.0 - it.cost_usd / rules.max_cost_usd)
            + rules.weights.latency * (1.0 - it.mean_ms / rules.max_latency_ms)
        )
        return float(reward[span].mean())

    def _of_switch(self, made: Made, target: Configuration) -> list[tuple[str, Interval, float]]:
        """What was claimed of a switch, against the day that follows; during an incident, against what is left of it.

        Who leaves a model whose price rose tenfold saves nine tenths for as long as that lasts.
        """
        old, new, day = self._calm(made.left), self._calm(target), self._day(made.minute)
        incident = self._incident(made.left.model, made.minute) or self._incident(target.model, made.minute)
        if incident is not None:
            old, new = self._world.figures(made.left), self._world.figures(target)
            day = slice(day.start, max(day.start + 1, incident.end_minute // SLOT_MINUTES))
        found = [
            ("gain of a switch", evidence.interval, float((new.utility - old.utility)[day].mean()))
            for evidence in made.decision.evidence
            if evidence.method == "utility_confidence_sequence" and evidence.interval is not None
        ]
        impact = made.decision.impact
        for name, estimate, before, after in (
            ("impact on quality", impact.quality, old.quality, new.quality),
            ("impact on cost", impact.cost, old.cost_usd, new.cost_usd),
            ("impact on latency", impact.latency, old.p95_ms, new.p95_ms),
        ):
            if estimate is not None and estimate.interval is not None:
                found.append((name, estimate.interval, float(after[day].mean() / before[day].mean() - 1.0)))
        return found

    def _of_guard(self, made: Made, target: Configuration) -> list[tuple[str, Interval, float]]:
        """What a guard said of both arms of its ramp, against what they truly did while it ran.

        Slots weigh as they do in the evidence: by the pairs that both arms make at the weights of then.
        """
        first, weights = self._pairs_of_ramp(made)
        slots = slice(first, first + len(weights))
        bad, good = self._world.figures(made.left), self._world.figures(target)
        harm = {
            "quality": float((good.quality - bad.quality)[slots] @ weights),
            "cost": float((bad.cost_usd - good.cost_usd)[slots] @ weights),
            "errors": float((bad.errors - good.errors)[slots] @ weights),
            "latency": float((bad.slow - good.slow)[slots] @ weights),
        }
        return [
            ("harm in a ramp", evidence.interval, harm[evidence.metric])
            for evidence in made.decision.evidence
            if evidence.interval is not None and evidence.metric is not None
        ]

    def _pairs_of_ramp(self, made: Made) -> tuple[int, np.ndarray]:
        """The slot in which the ramp began that a guard ended, and from there the share of each slot in its pairs."""
        undone = made.decision.decision
        assert isinstance(undone, Rollback)
        began = next((it.minute for it in self._played.made if it.decision.id == undone.reverts), made.minute)
        first, last = began // SLOT_MINUTES, made.minute // SLOT_MINUTES
        weights = np.zeros(last - first + 1)
        for start, stop, arms in self._played.timeline.segments(made.minute):
            share = sum(share for configuration, share in arms if configuration == made.left)
            for slot in range(max(start // SLOT_MINUTES, first), min((stop - 1) // SLOT_MINUTES, last) + 1):
                minutes = min(stop, (slot + 1) * SLOT_MINUTES) - max(start, slot * SLOT_MINUTES, began)
                if minutes > 0:
                    weights[slot - first] += share * (1.0 - share) * minutes * self._world.arrivals[slot]
        return first, weights / weights.sum() if weights.any() else np.full(len(weights), 1.0 / len(weights))

    def _of_experiment(self, made: Made) -> list[tuple[str, Interval, float]]:
        conclusion = made.decision.decision
        assert isinstance(conclusion, ConcludeExperiment)
        began = self._starts.get(conclusion.experiment_id)
        if began is None or not isinstance(began.decision.decision, StartExperiment):
            return []
        weights = objective_of(self._world.policy) if _tunes(made) else QUALITY_ONLY
        span = slice(began.minute // SLOT_MINUTES, max(made.minute, began.minute + SLOT_MINUTES) // SLOT_MINUTES)
        old = self._world.figures(began.left)
        found = []
        for name, changes in sorted(began.decision.decision.challengers.items()):
            new = self._world.figures(began.left.patched(changes))
            gain = (
                weights.quality * _change(old.seen, new.seen, span)
                - weights.cost * _change(old.cost_usd, new.cost_usd, span)
                - weights.latency * _change(old.mean_ms, new.mean_ms, span)
            )
            found += [
                ("gain in an experiment", evidence.interval, gain)
                for evidence in made.decision.evidence
                if evidence.interval is not None and f"gain of {name} in" in evidence.detail
            ]
        return found

    def _is_false(self, made: Made) -> bool:
        """A reversal while nothing harmful befell what was left, away from what was no worse."""
        for incident in self._world.route.incidents:
            within = incident.start_minute <= made.minute < incident.end_minute + AFTERMATH_MINUTES
            if incident.kind in HARMFUL and within and incident.model == made.left.model:
                return False
        slot = slice(made.minute // SLOT_MINUTES, made.minute // SLOT_MINUTES + 12)
        figures, limits = self._world.figures(made.left), self._world.policy.threshold_based.performance
        if bool((figures.p95_ms[slot] > limits.max_latency_p95_ms).any()):
            # The operator's hard limit was truly broken.
            return False
        if made.target is None or made.target == made.left:
            return True
        left, target = self._world.figures(made.left).worth[slot], self._world.figures(made.target).worth[slot]
        return bool(len(left)) and float(left.mean()) >= float(target.mean()) - TOLERANCE

    def _answers(self, adopted: Adopted) -> bool:
        """Whether a change left a model that an incident befell: what it is worth at other times is no bar then."""
        before, after = adopted.before.model, adopted.after.model
        return before != after and self._incident(before, adopted.minute) is not None

    def _incident(self, model: str, minute: int) -> Incident | None:
        """The harmful incident that befalls a model at a minute."""
        for incident in self._world.route.incidents:
            is_now = incident.start_minute <= minute < incident.end_minute
            if incident.kind in HARMFUL and incident.model == model and is_now:
                return incident
        return None

    def _gain(self, made: Made) -> float:
        """The true gain of an experiment's winner in what it was judged by."""
        assert made.target is not None
        conclusion = made.decision.decision
        assert isinstance(conclusion, ConcludeExperiment)
        began = self._starts.get(conclusion.experiment_id)
        before = began.left if began is not None else made.left
        old, new, day = self._calm(before), self._calm(made.target), self._day(made.minute)
        if not _tunes(made):
            return float((new.quality - old.quality)[day].mean())
        weights = objective_of(self._world.policy)
        return (
            weights.quality * _change(old.quality, new.quality, day)
            - weights.cost * _change(old.cost_usd, new.cost_usd, day)
            - weights.latency * _change(old.mean_ms, new.mean_ms, day)
        )

    def _mean(self, configuration: Configuration, minute: int) -> float:
        return float(self._calm(configuration).worth[self._day(minute)].mean())

    def _calm(self, configuration: Configuration) -> Figures:
        return self._world.figures(configuration, troubled=False)

    def _day(self, minute: int) -> slice:
        """The day that follows, or the last hours of the run."""
        slot = min(minute // SLOT_MINUTES, self._world.slots - 12)
        return slice(slot, slot + SLOTS_A_DAY)

    def _served(self, model: str, start: int, end: int) -> float:
        total = 0.0
        for begin, stop, arms in self._played.timeline.segments(self._world.minutes):
            first, last = max(begin, start), min(stop, end)
            share = sum(share for configuration, share in arms if configuration.model == model)
            if first < last and share:
                total += share * self._accountant.requests(first, last)
        return total


def _once(adopted: list[Adopted]) -> list[Adopted]:
    """Each change once: its last step may be ordered again."""
    return list({it.decision.id: it for it in adopted}.values())


def _tunes(made: Made) -> bool:
    return made.decision.strategy == "adaptive_parameters"


def _change(old: np.ndarray, new: np.ndarray, span: slice) -> float:
    return float(new[span].mean() / old[span].mean() - 1.0)
