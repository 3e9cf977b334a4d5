"""Goal 17, alarms and sketches: bytes of state in one changelog write, and that it comes back bit by bit."""

import time
from collections.abc import Callable, Iterator
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
    """Bytes of each state after many events, and an update's time; the states that come back unequal."""
    figures, unequal = [], 0
    for name, state, anchor, spent_us in _states(2_000 if quick else 20_000):
        data = msgspec.msgpack.encode(state)
        unequal += msgspec.msgpack.decode(data, type=type(state)) != state
        packed = state.encoded() if hasattr(state, "encoded") else data
        if hasattr(state, "encoded"):
            unequal += type(state).decoded(packed) != state
        size = len(packed)
        told = "own bytes" if packed is not data else "as MessagePack, with names of fields"
        spread = told if spent_us is None else f"{told}; {spent_us:.1f} us an update"
        goal = f"17 state of {name}"
        figures.append(Figure(goal, size, spread, f"<= {LIMIT} bytes", size <= LIMIT, anchor, "bytes", "judging 17000"))
    goal = "17 states that come back changed"
    figures.append(Figure(goal, unequal, "all of the above", "0", unequal == 0, "-", "states", "judging 17000"))
    return figures


def _states(events: int) -> Iterator[tuple[str, object, str, float | None]]:
    """Name, state, anchor, and microseconds of an update where events make one."""
    draw = Random(17_000)
    latencies = [draw.lognormvariate(6.0, 0.8) for _ in range(events)]
    shares = [draw.random() for _ in range(events)]
    failed = [share < 0.05 for share in shares]
    rules = anomaly.Rules()

    def folded(start, apply: Callable) -> tuple[object, float]:
        state, started_s = start, time.process_time()
        for event in range(events):
            state = apply(state, event)
        return state, (time.process_time() - started_s) / events * 1e6

    scores = []

    def scored(state: anomaly.Baseline, event: int) -> anomaly.Baseline:
        state, score = state.apply(latencies[event], event * 60_000, rules)
        scores.append(score)
        return state

    for name, anchor, (state, spent_us) in (
        ("ADWIN", "river 2.4 kB, pickled", folded(Adwin(), lambda s, at: s.apply(shares[at])[0])),
        ("quantiles", "-", folded(Quantiles(), lambda s, at: s.apply(latencies[at]))),
        ("a seasonal baseline", "river's HalfSpaceTrees 170 kB", folded(anomaly.Baseline(), scored)),
        ("ranks of scores", "-", folded(anomaly.Ranks(), lambda s, at: s.apply(scores[at]))),
        (
            "Shiryaev-Roberts",
            "24 bytes as floats",
            folded((), lambda s, at: shiryaev_roberts.updated(s, failed[at], 0.05)),
        ),
        ("Page-Hinkley", "-", folded(PageHinkley(), lambda s, at: s.apply(latencies[at]))),
        (
            "off-policy sums",
            "-",
            folded(WeightedSums(), lambda s, at: s.apply(0.5, reward=shares[at], propensity=0.25)),
        ),
        ("acceptance", "-", folded(Acceptance(), lambda s, at: s.apply(failed=failed[at]))),
    ):
        yield name, state, anchor, spent_us
    yield "a trial of three parameters", Trial(values=(0.7, 0.9, 1024), outcome=0.8, variance=0.01), "-", None
