"""The pure core alone: one step, and one record applied with its bytes.

In their first hour routes are still being measured: models are compared and limits learnt at every window. After it
they are quiet.

The same insights are gone through several times, and each stretch of them counts with its least: what it needed more
in another pass is time that other processes took, also of the caches. Insights are parsed just before they are
stepped, as in a worker, and not kept in memory far from where they are needed.
"""

import time

from decision_stream.engine.step import step
from decision_stream.model.insight import Insight
from decision_stream.model.journal import Source
from decision_stream.model.policy import Policy
from decision_stream.model.state import ScopeState
from decision_stream.stream.record import StoredScope, apply, empty
from decision_stream.wire.codec import parser

from .figures import Figure
from .load import records

COUNT, SCOPES, PASSES, STRETCH = 20_000, 100, 12, 100
HOUR = 60 * SCOPES // STRETCH
"""Stretches in the first hour of the routes."""
GOAL_US = 50.0
LATER_MS = 2_000_000_000_000
"""When the records came: no insight is of the future."""


def measure() -> list[Figure]:
    """CPU per insight in the first hour of the routes and after it, 99th percentile, and bytes of changelog."""
    loaded = records(COUNT, SCOPES)
    first, after = _least_us([_step_all(loaded) for _ in range(PASSES)])
    single = sorted(map(min, zip(*(_each_step(loaded) for _ in range(PASSES)), strict=True)))
    applied = [_apply_all(loaded) for _ in range(PASSES)]
    first_applied, after_applied = _least_us([spent for spent, _ in applied])
    sizes = sorted(applied[0][1])
    rate = f"{1e6 / after:,.0f} insights/s; 99th percentile of all {single[int(0.99 * COUNT)] * 1e6:.0f} µs"
    whole = "core: parse, step, journal, state bytes"
    return [
        Figure(what="core: step, first hour of a route", value=first, unit="µs"),
        Figure(
            what="core: step, quiet route",
            value=after,
            unit="µs",
            goal=f"{GOAL_US:.0f} µs",
            at_most=GOAL_US,
            remark=rate,
        ),
        Figure(what=f"{whole}, first hour", value=first_applied, unit="µs"),
        Figure(
            what=f"{whole}, quiet route",
            value=after_applied,
            unit="µs",
            remark=f"{sizes[COUNT // 2]} B of changelog, median of all",
        ),
    ]


def _least_us(passes: list[list[float]]) -> tuple[float, float]:
    """Microseconds per insight in the first hour and after it, from the least that each stretch took in any pass."""
    least = list(map(min, zip(*passes, strict=True)))
    return sum(least[:HOUR]) / (HOUR * STRETCH) * 1e6, sum(least[HOUR:]) / (COUNT - HOUR * STRETCH) * 1e6


def _step_all(loaded: list[tuple[bytes, bytes]]) -> list[float]:
    """CPU seconds of each stretch."""
    policy, parse = Policy(), parser(Insight)
    states: dict[str, ScopeState] = {}
    spent = []
    for first in range(0, COUNT, STRETCH):
        events = [parse(value, key, LATER_MS) for key, value in loaded[first : first + STRETCH]]
        started = time.process_time()
        for event in events:
            states[event.scope], _ = step(states.get(event.scope) or ScopeState(scope=event.scope), event, policy)
        spent.append(time.process_time() - started)
    return spent


def _each_step(loaded: list[tuple[bytes, bytes]]) -> list[float]:
    """Seconds of each insight."""
    policy, parse = Policy(), parser(Insight)
    states: dict[str, ScopeState] = {}
    single = []
    for key, value in loaded:
        event = parse(value, key, LATER_MS)
        begun = time.perf_counter()
        states[event.scope], _ = step(states.get(event.scope) or ScopeState(scope=event.scope), event, policy)
        single.append(time.perf_counter() - begun)
    return single


def _apply_all(loaded: list[tuple[bytes, bytes]]) -> tuple[list[float], list[int]]:
    """CPU seconds of each stretch, and bytes of changelog of each insight."""
    policy = Policy()
    parse = parser(Insight)
    stored: dict[str, StoredScope] = {}
    spent, sizes = [], []
    for first in range(0, COUNT, STRETCH):
        started = time.process_time()
        for offset, (key, value) in enumerate(loaded[first : first + STRETCH], first):
            event = parse(value, key, LATER_MS)
            before = stored.get(event.scope) or empty(event.scope)
            source = Source(topic="insights", partition=0, offset=offset)
            done = apply(before, source, event, policy, delivered=frozenset((before.sequence,)))
            stored[event.scope] = done.stored
            sizes.append(sum(len(written) for _, written in done.writes))
        spent.append(time.process_time() - started)
    return spent, sizes
