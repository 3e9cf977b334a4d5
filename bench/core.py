"""The pure core alone: one step, and one record applied with its bytes.

The same insights are gone through several times, and each stretch of them counts with its least: what it needed more
in another pass is time that other processes took, also of the caches.
"""

import time

from decision_stream.engine.step import step
from decision_stream.model.insight import Insight
from decision_stream.model.journal import Source
from decision_stream.model.policy import Policy
from decision_stream.model.state import ScopeState
from decision_stream.stream.record import StoredScope, apply, empty
from decision_stream.wire.codec import parser

from .load import insights, records

COUNT, SCOPES, PASSES, STRETCH = 20_000, 100, 6, 500


def measure() -> list[tuple[str, float, str]]:
    """Rows of name, microseconds of CPU per insight, and a remark."""
    events, loaded = insights(COUNT, SCOPES), records(COUNT, SCOPES)
    stepped = [_step_all(events) for _ in range(PASSES)]
    single = sorted(map(min, zip(*(each for _, each in stepped), strict=True)))
    applied = [_apply_all(loaded) for _ in range(PASSES)]
    sizes = sorted(applied[0][1])
    last = single[int(0.99 * COUNT)] * 1e6
    return [
        ("core: step", _least_us([spent for spent, _ in stepped]), f"99th percentile {last:.0f} us"),
        (
            "core: parse, step, journal, state bytes",
            _least_us([spent for spent, _ in applied]),
            f"{sizes[COUNT // 2]} B of changelog, median",
        ),
    ]


def _least_us(passes: list[list[float]]) -> float:
    """Microseconds per insight, from the least that each stretch took in any pass."""
    return sum(map(min, zip(*passes, strict=True))) / COUNT * 1e6


def _step_all(events: list[Insight]) -> tuple[list[float], list[float]]:
    """CPU seconds of each stretch, and seconds of each insight."""
    policy = Policy()
    states: dict[str, ScopeState] = {}
    spent, single = [], []
    for first in range(0, COUNT, STRETCH):
        started = time.process_time()
        for event in events[first : first + STRETCH]:
            begun = time.perf_counter()
            states[event.scope], _ = step(states.get(event.scope) or ScopeState(scope=event.scope), event, policy)
            single.append(time.perf_counter() - begun)
        spent.append(time.process_time() - started)
    return spent, single


def _apply_all(loaded: list[tuple[bytes, bytes]]) -> tuple[list[float], list[int]]:
    """CPU seconds of each stretch, and bytes of changelog of each insight."""
    policy = Policy()
    parse = parser(Insight)
    stored: dict[str, StoredScope] = {}
    spent, sizes = [], []
    for first in range(0, COUNT, STRETCH):
        started = time.process_time()
        for offset, (key, value) in enumerate(loaded[first : first + STRETCH], first):
            event = parse(value, key, 2_000_000_000_000)
            before = stored.get(event.scope) or empty(event.scope)
            source = Source(topic="insights", partition=0, offset=offset)
            done = apply(before, source, event, policy, delivered=frozenset((before.sequence,)))
            stored[event.scope] = done.stored
            sizes.append(sum(len(written) for _, written in done.writes))
        spent.append(time.process_time() - started)
    return spent, sizes
