"""The bandit as the strategy runs it: arms, contexts, shares and rewards of `strategies/bandit.py`, by default policy.

A route of 1,000 requests a minute, of which 300 are scored, serves four configurations. Shares are drawn every five
minutes in the context of the window, and each minute's report of each arm comes up to 20 minutes late; a tenth is lost.
Quality breathes with the day, and one arm is better by day than by night. What the bandit has to divide is the slice
that configurations not in use get; it is held against an even split of the same slice, of which the shares that no arm
may fall below are a third already.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import cos, pi, sqrt
from random import Random
from statistics import mean, median, stdev

from decision_stream.model.configuration import Configuration
from decision_stream.model.insight import Insight
from decision_stream.model.metrics import ArmSample, Cost, ModelEstimate, Performance, Quality
from decision_stream.model.policy import DAY_MS, MINUTE_MS, ReinforcementPolicy
from decision_stream.model.state import Bandit, HotState, Live
from decision_stream.stats.moments import Moments
from decision_stream.strategies import bandit as bandits
from decision_stream.strategies import context as features
from decision_stream.strategies.reward import reward_of

from .figure import Figure

RULES = ReinforcementPolicy()
START_MS = 1_760_000_000_000
MINUTES, REQUESTS, SCORED = 720, 1_000, 0.3
LATEST, LOST = 20, 0.1
COST_USD, LATENCY_MS, SPREAD = 0.02, 1_000.0, 0.2
QUALITY = {"now": 0.80, "better": 0.88, "same": 0.80, "worse": 0.72}
FALLEN = 0.70
ARMS = tuple(QUALITY)
SEEDS = "chosen on 0-9, judged on 71000+"


@dataclass(frozen=True)
class Played:
    """Regret of the slice over that of an even split, error of the off-policy value of "better", and what was told.

    `found_after` counts the minutes from the fall of the best arm until it started anew; `resets` those of other arms.
    """

    regret: float
    off_policy_error: float
    least_share: float
    found_after: int | None
    resets: int


def run(quick: bool) -> list[Figure]:
    """Both worlds, and what the logged shares allow to say about an arm."""
    seeds = range(71000, 71002 if quick else 71030)
    steady, falling = [_play(seed, False) for seed in seeds], [_play(seed, True) for seed in seeds]
    found = [one.found_after for one in falling if one.found_after is not None]
    after = f"found after {median(found):.0f} minutes in {len(found)} of them" if found else "never found"
    resets = mean(one.resets for one in steady)
    errors = [one.off_policy_error for one in steady]
    rms, least = sqrt(mean(error**2 for error in errors)), min(one.least_share for one in steady + falling)
    name, anchor = "7 as the strategy runs it:", "an even split of the slice 1, the floors alone .3"
    return [
        _regret(f"{name} regret of the slice, steady", steady, f"{resets:.2f} false resets a run", 0.4, anchor),
        _regret(f"{name} regret of the slice, best arm falls at half", falling, after, 0.5, anchor),
        Figure(
            f"{name} error of an arm's value off-policy, from the logged shares",
            rms,
            f"relative, {len(errors)} runs of {MINUTES} minutes; least share logged {least:.3f}",
            "<= 0.02, no share below .01",
            rms <= 0.02 and least >= bandits.LEAST_SHARE - 1e-6,
            "goal 11's .020",
            "",
            SEEDS,
        ),
    ]


def _regret(goal: str, played: list[Played], told: str, gate: float, anchor: str) -> Figure:
    value = mean(one.regret for one in played)
    spread = f"sd {stdev(one.regret for one in played):.3f} over {len(played)} seeds; {told}"
    return Figure(goal, value, spread, f"<= {gate:g}", value <= gate, anchor, "", SEEDS)


def _play(seed: int, falls: bool) -> Played:
    draw = Random(seed)
    bandit = bandits.primed(bandits.prepared(Bandit(), RULES), _said(), RULES)
    live = Live(weight=20.0, requests=20.0 * REQUESTS, quality=QUALITY["now"])
    shares: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0)
    context: tuple[float, ...] = ()
    waiting: list[tuple[int, str, tuple[float, ...], ArmSample]] = []
    regret = even = valued = weights = 0.0
    least, found_after, resets = 1.0, None, 0
    for minute in range(MINUTES):
        at_ms = START_MS + minute * MINUTE_MS
        truth = _truth(minute, at_ms, falls)
        if minute % 5 == 0:
            hot = HotState(at_ms=at_ms, live=live)
            packed = features.packed(hot, _insight(minute, at_ms, truth["now"], draw), RULES)
            context = features.context_at(HotState(at_ms=at_ms, live=live, context=packed), at_ms, RULES) or ()
            shares = bandits.shares(bandit, context, ARMS, RULES)
            least = min(least, *shares)
        best = max(truth[arm] for arm in ARMS[1:])
        regret += sum(share * (best - truth[arm]) for arm, share in zip(ARMS[1:], shares[1:], strict=True))
        even += (1.0 - shares[0]) * mean(best - truth[arm] for arm in ARMS[1:])
        for arm, share in zip(ARMS, shares, strict=True):
            sample = _sample(share, truth[arm], draw)
            if arm == "better" and sample.quality.count:
                # Each request counts by the inverse of the share it was served under (SNIPS).
                counted = sample.quality.count / share
                valued, weights = valued + counted * (sample.quality.mean - truth[arm]), weights + counted
            if draw.random() >= LOST:
                waiting.append((minute + draw.randint(0, LATEST), arm, context, sample))
        for arm, then, reported in _due(waiting, minute):
            reward = reward_of(reported, RULES)
            if reward is None:
                continue
            bandit, changed = bandits.learnt(bandit, arm, then, *reward, RULES)
            if changed and falls and arm == "better" and minute >= MINUTES // 2 and found_after is None:
                found_after = minute - MINUTES // 2
            else:
                resets += changed
    return Played(regret / even, valued / weights / QUALITY["better"], least, found_after, resets)


def _due(waiting: list[tuple[int, str, tuple[float, ...], ArmSample]], minute: int) -> Iterator[tuple]:
    """The reports that arrive now, taken out of those on their way."""
    due = [entry for entry in waiting if entry[0] <= minute]
    waiting[:] = [entry for entry in waiting if entry[0] > minute]
    return ((arm, then, sample) for _, arm, then, sample in due)


def _truth(minute: int, at_ms: int, falls: bool) -> dict[str, float]:
    """Expected quality of each arm now."""
    day = cos(2.0 * pi * at_ms / DAY_MS)
    truth = {arm: quality + 0.01 * day for arm, quality in QUALITY.items()}
    truth["same"] += 0.03 * day
    if falls and minute >= MINUTES // 2:
        truth["better"] = FALLEN + 0.01 * day
    return truth


def _said() -> dict[str, ModelEstimate]:
    """What is known at the start: the configuration in use was measured, the others are guesses of a price list."""
    return {arm: _estimate(arm, 0.8, 2_000 if arm == "now" else 0) for arm in ARMS}


def _estimate(model: str, quality: float, samples: int) -> ModelEstimate:
    return ModelEstimate(
        model=model,
        quality=quality,
        quality_stddev=SPREAD,
        cost_usd=COST_USD,
        cost_stddev_usd=COST_USD / 4.0,
        latency_p50_ms=LATENCY_MS,
        latency_p95_ms=2.0 * LATENCY_MS,
        samples=samples,
    )


def _insight(minute: int, at_ms: int, quality: float, draw: Random) -> Insight:
    scored = round(SCORED * REQUESTS)
    return Insight(
        id=f"insight-{minute}",
        scope="tenant/service/route",
        at_ms=at_ms,
        window_ms=MINUTE_MS,
        performance=Performance(
            requests=round(draw.gauss(REQUESTS, REQUESTS**0.5)),
            error_rate=0.01,
            latency_p50_ms=LATENCY_MS,
            latency_p95_ms=2.0 * LATENCY_MS * draw.lognormvariate(0.0, 0.05),
        ),
        cost=Cost(per_request_usd=COST_USD, stddev_usd=COST_USD / 4.0),
        quality=Quality(score=_mean(draw, quality, SPREAD, scored, 1.0), stddev=SPREAD, samples=scored),
        configuration=Configuration(model="now"),
    )


def _sample(share: float, quality: float, draw: Random) -> ArmSample:
    """Sums of a minute of an arm at this share of the traffic."""
    count = sum(draw.random() < share for _ in range(REQUESTS)) if share < 0.2 else round(share * REQUESTS)
    scored = sum(draw.random() < SCORED for _ in range(count)) if count < 200 else round(SCORED * count)
    return ArmSample(
        requests=count,
        quality=_moments(draw, quality, SPREAD, scored, 1.0),
        cost_usd=_moments(draw, COST_USD, COST_USD / 4.0, count, 1.0),
        latency_ms=_moments(draw, LATENCY_MS, 0.3 * LATENCY_MS, count, 1e6),
    )


def _moments(draw: Random, expected: float, spread: float, count: int, largest: float) -> Moments:
    if not count:
        return Moments()
    return Moments(count, _mean(draw, expected, spread, count, largest), spread**2 * max(0, count - 1))


def _mean(draw: Random, expected: float, spread: float, count: int, largest: float) -> float:
    return min(largest, max(0.0, draw.gauss(expected, spread / count**0.5)))
