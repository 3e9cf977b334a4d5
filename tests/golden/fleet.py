"""The golden run: `python -m tests.golden.fleet` prints it; redirect it into `fleet.json` to accept a change."""

import json
from pathlib import Path

from decision_stream.settings import parse
from decision_stream.sim.inprocess import simulate
from decision_stream.sim.policy import DEMO_SETTINGS
from decision_stream.sim.world import World

FILE = Path(__file__).with_name("fleet.json")
SEED, MINUTES = 11, 170


def decided() -> list[dict[str, object]]:
    """Every decision of the run in order."""
    card = simulate(World(SEED), parse(DEMO_SETTINGS, {}).policy, MINUTES)
    return [
        {"minute": made.minute, "id": made.id, "scope": made.scope, "kind": made.kind, "target": made.target}
        for made in card.decisions
    ]


if __name__ == "__main__":
    print(json.dumps(decided(), indent=1))
