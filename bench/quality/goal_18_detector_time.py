"""Goal 18, alarms and sketches: microseconds for one event through every detector of a route."""

import time
from random import Random

from decision_stream.stats import anomaly, cusum, shiryaev_roberts
from decision_stream.stats.adwin import Adwin
from decision_stream.stats.off_policy import WeightedSums
from decision_stream.stats.page_hinkley import PageHinkley
from decision_stream.stats.quantiles import Quantiles

from . import goal_18_bandit_time
from .figure import Figure


def run(quick: bool) -> list[Figure]:
    """Each detector alone, and a route's set: two baselines with ranks and quantiles, and one of each other."""
    draw = Random(18_000)
    latencies = [draw.lognormvariate(6.0, 0.6) for _ in range(2_000 if quick else 20_000)]
    shares = [draw.random() for _ in latencies]
    rules = anomaly.Rules()
    scores = [abs(draw.gauss(0.0, 0.5)) for _ in latencies]
    steps = cusum.bernoulli_steps(0.05, 0.1)
    window, batches = Adwin(), [shares[at : at + 32] for at in range(0, len(shares), 32)]

    def adwin() -> None:
        state = window
        for batch in batches:
            state, _ = state.extended(batch)

    def folded(start, apply):
        def all_events() -> None:
            state = start
            for at, latency in enumerate(latencies):
                state = apply(state, at, latency)

        return all_events

    timed = {
        "ADWIN, searched each 32 values": adwin,
        "seasonal baseline": folded(anomaly.Baseline(), lambda s, at, x: s.apply(x, at * 60_000, rules)[0]),
        "ranks of scores": folded(anomaly.Ranks(), lambda s, at, _: (s.chance(scores[at]), s.apply(scores[at]))[1]),
        "quantiles": folded(Quantiles(), lambda s, _, x: s.apply(x)),
        "Shiryaev-Roberts": folded((), lambda s, at, _: shiryaev_roberts.updated(s, shares[at] < 0.05, 0.05)),
        "CUSUM": folded(0.0, lambda s, at, _: cusum.updated(s, steps[shares[at] >= 0.05])),
        "Page-Hinkley": folded(PageHinkley(), lambda s, at, _: s.apply(shares[at])),
        "off-policy sums": folded(WeightedSums(), lambda s, at, _: s.apply(0.5, reward=shares[at], propensity=0.25)),
    }
    spent = {name: _microseconds(call, len(latencies)) for name, call in timed.items()}
    total = sum(spent.values()) + spent["seasonal baseline"] + spent["ranks of scores"] + spent["quantiles"]
    parts = ", ".join(f"{name} {us:.1f}" for name, us in spent.items())
    goal = "18 one event through all detectors of a route"
    required = "<= 30 us (of 60 for all statistics)"
    anchor = "river's KSWIN alone 235"
    chosen, _ = goal_18_bandit_time.spent_us(quick)
    every, told = total + chosen, f"detectors {total:.1f}, a bandit's choice and reward {chosen:.1f}"
    goal_of_all = "18 all statistics for one event"
    return [
        Figure(goal, total, parts, required, total <= 30.0, anchor, "us", "judging 18000"),
        Figure(goal_of_all, every, told, "<= 60 us", every <= 60.0, "the rows above", "us", "judging 18000"),
    ]


def _microseconds(call, events: int) -> float:
    best = float("inf")
    for _ in range(3):
        started_s = time.process_time()
        call()
        best = min(best, time.process_time() - started_s)
    return best / events * 1e6
