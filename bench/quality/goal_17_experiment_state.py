"""Goal 17, bandits and experiments: bytes of state in one write, and that it comes back bit by bit."""

import msgspec
import numpy as np

from decision_stream.stats.bandits.linear import Arm, LinearModel, LinearState
from decision_stream.stats.blocks import Blocks
from decision_stream.stats.moments import Moments

from .figure import Figure

LIMIT = 1_300


def run(quick: bool) -> list[Figure]:
    """The largest arm of a bandit (16 features), an arm of an experiment, and a guard's blocks."""
    draw = np.random.default_rng(17_100)
    model, state = LinearModel(dimension=16), LinearState()
    for _ in range(200):
        state = model.learn(state, "a", draw.standard_normal(16), float(draw.random()))
    found = {
        "a linear bandit's arm, d=16": (state.arms["a"], Arm),
        "an experiment's arm": (Moments(9, 0.5, 1.5), Moments),
    }
    found["a guard's blocks"] = (Blocks(Moments(9, 0.5, 1.5), Moments(9, 0.4, 1.2)).closed(), Blocks)
    figures = []
    for name, (value, kind) in found.items():
        packed = msgspec.msgpack.encode(value)
        same = msgspec.msgpack.decode(packed, type=kind) == value
        told = "as MessagePack, with names of fields" + ("" if same else "; comes back CHANGED")
        size = len(packed)
        figures.append(
            Figure(f"17 state of {name}", size, told, f"<= {LIMIT} bytes", same and size <= LIMIT, "-", "bytes", "-")
        )
    return figures
