"""Goal 17, bandits and experiments: bytes of state in one write, that they come back equal, and an update's time."""

import time
from collections.abc import Callable, Iterator

import msgspec
import numpy as np

from decision_stream.stats.adjustment import CoMoments
from decision_stream.stats.bandits.beta import BetaArm
from decision_stream.stats.bandits.linear import Arm
from decision_stream.stats.bandits.pacing import Pacer
from decision_stream.stats.bandits.pending import Pending, Waiting
from decision_stream.stats.bandits.shipped import context_free, contextual
from decision_stream.stats.blocks import Blocks
from decision_stream.stats.calibration import Calibration
from decision_stream.stats.empirical_bernstein import DifferenceEvidence, Part
from decision_stream.stats.false_discovery import Ledger
from decision_stream.stats.moments import Moments
from decision_stream.stats.sample_ratio import SampleRatio

from .figure import Figure

LIMIT = 1_300
EVENTS = 300


def run(quick: bool) -> list[Figure]:
    """Each state after 300 events: what one write holds, with names of fields."""
    figures = []
    for name, value, kind, spent_us in _states():
        packed = msgspec.msgpack.encode(value)
        same = msgspec.msgpack.decode(packed, type=kind) == value
        told = f"as MessagePack; {spent_us:.1f} us an update" + ("" if same else "; comes back CHANGED")
        size, goal = len(packed), f"17 state of {name}"
        met = same and size <= LIMIT
        figures.append(Figure(goal, size, told, f"<= {LIMIT} bytes", met, "-", "bytes", "judging 17100"))
    return figures


def _states() -> Iterator[tuple[str, object, object, float]]:
    """Name, the largest value that one event writes, its type, and microseconds of an update."""
    draw = np.random.default_rng(17_100)
    contexts, rewards = draw.standard_normal((EVENTS, 16)).tolist(), draw.random(EVENTS).tolist()
    linear, beta = contextual(16), context_free()

    state, spent = _folded(linear.fresh(), lambda s, at: linear.learn(s, "a", contexts[at], rewards[at], 0.5).state)
    yield "a linear bandit's arm, d=16", state.learnt.arms["a"], Arm, spent
    yield "an arm's bets on no change", state.alarms["a"], tuple[float, ...], spent
    state, spent = _folded(beta.fresh(), lambda s, at: beta.learn(s, "a", [], rewards[at], 0.5).state)
    yield "a Beta bandit's arm", state.learnt.arms["a"], BetaArm, spent
    waiting = Waiting("arm", tuple(contexts[0]), 0.5, 1_700_000_000_000)
    state, spent = _folded(Pending(), lambda s, at: s.made(f"decision-{at}", waiting))
    yield "a choice that waits for its reward, d=16", waiting, Waiting, spent
    state, spent = _folded(Pacer(budget=0.01), lambda s, at: s.paid(rewards[at] / 50.0))
    yield "a pacer", state, Pacer, spent
    state, spent = _folded(Moments(), lambda s, at: s.apply(rewards[at]))
    yield "an experiment's arm", state, Moments, spent
    state, spent = _folded(CoMoments(), lambda s, at: s.apply(contexts[at][0], rewards[at]))
    yield "an arm with a covariate, or a ratio's", state, CoMoments, spent
    one, other = Moments(9, 0.5, 1.5), Moments(9, 0.4, 1.2)
    state, spent = _folded(Blocks(), lambda s, at: s.apply(one, other).closed())
    yield "a guard's blocks", state, Blocks, spent
    state, spent = _folded(SampleRatio((0.5, 0.5)), lambda s, at: s.counted((1.0, 1.0)))
    yield "a sample ratio", state, SampleRatio, spent
    part = [Part(weight=1.0, control=one, treatment=other, control_before=one, treatment_before=other)]
    state, spent = _folded(DifferenceEvidence(), lambda s, at: s.apply(part, 9.0))
    yield "evidence under any shares", state, DifferenceEvidence, spent
    state, spent = _folded(Ledger(), lambda s, at: s.begun().discovered(at + 1) if at % 30 == 0 else s.begun())
    yield "a ledger of discoveries", state, Ledger, spent
    state, spent = _folded(Calibration(), lambda s, at: s.apply(0.1, 0.01, rewards[at] / 10.0, 0.01))
    yield "a calibration of predictions", state, Calibration, spent


def _folded(state, apply: Callable) -> tuple[object, float]:
    """The state after all events, and the CPU time of one, best of three."""
    best, start = float("inf"), state
    for _ in range(3):
        state, started_s = start, time.process_time()
        for at in range(EVENTS):
            state = apply(state, at)
        best = min(best, time.process_time() - started_s)
    return state, best / EVENTS * 1e6
