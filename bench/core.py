"""The pure core alone: one step, and one record applied with its bytes.

The least of several passes counts: what another needs more is time that other processes took, also of the caches.
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

COUNT, SCOPES, PASSES = 20_000, 100, 5


def measure() -> list[tuple[str, float, str]]:
    """Rows of name, microseconds of CPU per insight, and a remark."""
    stepped, slowest = min(_step_all() for _ in range(PASSES))
    applied, written = min(_apply_all() for _ in range(PASSES))
    return [
        ("core: step", stepped, f"99th percentile {slowest:.0f} us"),
        ("core: parse, step, journal, state bytes", applied, f"{written:.0f} B of changelog, median"),
    ]


def _step_all() -> tuple[float, float]:
    policy = Policy()
    states: dict[str, ScopeState] = {}
    events = insights(COUNT, SCOPES)
    single = []
    started = time.process_time()
    for event in events:
        begun = time.perf_counter()
        states[event.scope], _ = step(states.get(event.scope) or ScopeState(scope=event.scope), event, policy)
        single.append(time.perf_counter() - begun)
    spent = time.process_time() - started
    single.sort()
    return spent / COUNT * 1e6, single[int(0.99 * COUNT)] * 1e6


def _apply_all() -> tuple[float, float]:
    policy = Policy()
    parse = parser(Insight)
    stored: dict[str, StoredScope] = {}
    sizes = []
    loaded = records(COUNT, SCOPES)
    started = time.process_time()
    for offset, (key, value) in enumerate(loaded):
        event = parse(value, key, 2_000_000_000_000)
        before = stored.get(event.scope) or empty(event.scope)
        source = Source(topic="insights", partition=0, offset=offset)
        done = apply(before, source, event, policy, delivered=frozenset((before.sequence,)))
        stored[event.scope] = done.stored
        sizes.append(sum(len(written) for _, written in done.writes))
    spent = time.process_time() - started
    return spent / COUNT * 1e6, float(sorted(sizes)[COUNT // 2])
