"""Goal 17, alarms and sketches: bytes of state in one changelog write, and that it comes back bit by bit."""

from random import Random

import msgspec

from decision_stream.stats import anomaly, shiryaev_roberts
from decision_stream.stats.acceptance import Acceptance
from decision_stream.stats.adwin import Adwin
from decision_stream.stats.off_policy import WeightedSums
from decision_stream.stats.page_hinkley import PageHinkley
from decision_stream.stats.quantiles import Quantiles
from decision_stream.stats.search.safe import Trial

from .figure import Figure

LIMIT = 1_300


def run(quick: bool) -> list[Figure]:
    """Bytes of each state after many events; the states that come back unequal."""
    figures, unequal = [], 0
    for name, state, anchor in _states(2_000 if quick else 20_000):
        data = msgspec.msgpack.encode(state)
        unequal += msgspec.msgpack.decode(data, type=type(state)) != state
        packed = state.encoded() if hasattr(state, "encoded") else data
        if hasattr(state, "encoded"):
            unequal += type(state).decoded(packed) != state
        size = len(packed)
        spread = "own bytes" if packed is not data else "as MessagePack, with names of fields"
        goal = f"17 state of {name}"
        figures.append(Figure(goal, size, spread, f"<= {LIMIT} bytes", size <= LIMIT, anchor, "bytes", "judging 17000"))
    goal = "17 states that come back changed"
    figures.append(Figure(goal, unequal, "all of the above", "0", unequal == 0, "-", "states", "judging 17000"))
    return figures


def _states(events: int):
    draw = Random(17_000)
    window, quantiles, usual, ranks = Adwin(), Quantiles(), anomaly.Baseline(), anomaly.Ranks()
    alarm: tuple[float, ...] = ()
    mean, sums, probes = PageHinkley(), WeightedSums(), Acceptance()
    rules = anomaly.Rules()
    for event in range(events):
        latency = draw.lognormvariate(6.0, 0.8)
        failed = draw.random() < 0.05
        window, _ = window.apply(draw.random())
        quantiles = quantiles.apply(latency)
        usual, score = usual.apply(latency, event * 60_000, rules)
        ranks = ranks.apply(score)
        alarm = shiryaev_roberts.updated(alarm, failed, 0.05)
        mean = mean.apply(latency)
        sums = sums.apply(0.5, reward=draw.random(), propensity=0.25)
        probes = probes.apply(failed=failed)
    return (
        ("ADWIN", window, "river 2.4 kB, pickled"),
        ("quantiles", quantiles, "-"),
        ("a seasonal baseline", usual, "river's HalfSpaceTrees 170 kB"),
        ("ranks of scores", ranks, "-"),
        ("Shiryaev-Roberts", alarm, "24 bytes as floats"),
        ("Page-Hinkley", mean, "-"),
        ("off-policy sums", sums, "-"),
        ("acceptance", probes, "-"),
        ("a trial of three parameters", Trial(values=(0.7, 0.9, 1024), outcome=0.8, variance=0.01), "-"),
    )
