"""Goal 12: ADWIN against river: identical detections, and the time of an update."""

import time
from collections.abc import Callable
from random import Random

from decision_stream.stats.adwin import Adwin

from .figure import Figure

try:
    from river import __version__ as river_version
    from river.drift import ADWIN
except ImportError:
    ADWIN, river_version = None, None

LENGTH = 10_000
TIMED = 50_000
SEEDS = "choosing: 0-59; judging 12000-"


def run(quick: bool) -> list[Figure]:
    """Share of identical streams at both clocks, and microseconds per value."""
    streams = 12 if quick else 93
    figures = []
    if ADWIN is None:
        goal = "12 streams with detections identical to river 0.26.1"
        figures.append(Figure.unmeasured(goal, "all", "river: make quality installs it"))
    else:
        for clock, count in ((32, streams), (1, streams // 3)):
            same = found = 0
            for seed in range(count):
                values = _stream(12_000 + seed)
                theirs = _places(_river(clock), values, 1)
                same += _places(_ours(clock), values, clock) == theirs
                found += len(theirs)
            goal = f"12 streams of {LENGTH} with river's detections, clock {clock}"
            spread = f"{found} detections in {count} streams"
            seeds = f"{SEEDS}{12_000 + count - 1}"
            anchor = f"river {river_version}"
            figures.append(Figure(goal, same, spread, f"all {count}", same == count, anchor, "streams", seeds))
    draw = Random(12_999)
    values = [draw.random() for _ in range(TIMED // 10 if quick else TIMED)]
    for clock, limit in ((32, 3.0), (1, 25.0)):
        ours = _microseconds(_ours(clock), values, clock)
        peer = f"river {_microseconds(_river(clock), values, 1):.2f} us (Rust)" if ADWIN else "not installed"
        goal = f"12 time of an update, clock {clock}"
        figures.append(Figure(goal, ours, "best of 3", f"<= {limit:g} us", ours <= limit, peer, "us"))
    return figures


def _stream(seed: int) -> list[float]:
    """Rare failures, scores or scaled latencies, with two changes at random places and of random sizes."""
    draw = Random(seed)
    first, second = sorted(draw.sample(range(500, LENGTH), 2))
    kind, sizes = seed % 3, [draw.random() for _ in range(3)]
    values = []
    for place in range(LENGTH):
        size = sizes[(place >= first) + (place >= second)]
        if kind == 0:
            values.append(float(draw.random() < 0.02 + 0.15 * size))
        elif kind == 1:
            values.append(min(1.0, max(0.0, draw.gauss(0.4 + 0.2 * size, 0.1))))
        else:
            values.append(min(1.0, draw.lognormvariate(-3.0 + size, 0.6)))
    return values


def _ours(clock: int) -> Callable[[list[float]], bool]:
    """Takes `clock` values at a time, and forgets everything after a detection, as river does."""
    window = Adwin()

    def take(values: list[float]) -> bool:
        nonlocal window
        window, changed = window.extended(values, delta=0.002, max_count=LENGTH * 10)
        if changed:
            window = Adwin()
        return changed

    return take


def _river(clock: int) -> Callable[[list[float]], bool]:
    detector = ADWIN(delta=0.002, clock=clock)

    def take(values: list[float]) -> bool:
        detector.update(values[0])
        return detector.drift_detected

    return take


def _places(take: Callable[[list[float]], bool], values: list[float], step: int) -> list[int]:
    return [end - 1 for end in range(step, len(values) + 1, step) if take(values[end - step : end])]


def _microseconds(take: Callable[[list[float]], bool], values: list[float], step: int) -> float:
    best = float("inf")
    for _ in range(3):
        started_s = time.process_time()
        _places(take, values, step)
        best = min(best, time.process_time() - started_s)
    return best / len(values) * 1e6
