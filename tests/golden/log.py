"""The golden log: what this engine recorded when the log was made, which every later version replays.

`python -m tests.golden.log` writes `log.jsonl.xz` anew. Do so only when the log cannot be read any more; where a later
version decides otherwise, `python -m tests.golden.log differences` lists it in `differences.json` for review; with
`now` it is only printed.
"""

import json
import lzma
import sys
import tempfile
from collections import deque
from pathlib import Path

import msgspec

from decision_stream.engine import turn
from decision_stream.model.actuation import Directive
from decision_stream.model.decision import Proposal
from decision_stream.model.event import Event
from decision_stream.model.journal import Source
from decision_stream.model.knowledge import Sighting, Signal
from decision_stream.settings import parse
from decision_stream.sim.actuator import Actuator
from decision_stream.sim.analyzer import Analyzer
from decision_stream.sim.inprocess import offers
from decision_stream.sim.policy import DEMO_SETTINGS, SLOW_MS, START_MS
from decision_stream.sim.world import World
from decision_stream.stream import record
from decision_stream.stream.record import DECISIONS, PROPOSALS, SIGNALS, StoredScope, apply, empty
from decision_stream.tools.recording import Recording, read_recording
from decision_stream.tools.replay import replay
from decision_stream.wire.codec import encode

FILE = Path(__file__).with_name("log.jsonl.xz")
DIFFERENCES = Path(__file__).with_name("differences.json")
VERSION = "0.0.0+golden"
SEED, MINUTES, MINUTE_MS = 11, 170, 60_000
TOPICS = {"Insight": "insights", "Outcome": "outcomes", "Command": "commands", "Sighting": SIGNALS, "Signal": SIGNALS}


def policy():
    """The demo's, under which the log was made; a setting that is new since then has its default."""
    return parse(DEMO_SETTINGS, {}).policy


class _Recorder:
    """Applies records as a worker does and keeps what would be on the topics, in order."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, bytes]] = []
        self._stored: dict[str, StoredScope] = {}
        self._offsets: dict[str, int] = {}
        self._policy = policy()

    def tell(self, event: Event, actuator: Actuator) -> None:
        """This event and all that follows from it."""
        waiting = deque([event])
        while waiting:
            it = waiting.popleft()
            topic = TOPICS.get(type(it).__name__, PROPOSALS)
            if topic not in (SIGNALS, PROPOSALS):
                self.lines.append((topic, encode(it)))
            offset = self._offsets[topic] = self._offsets.get(topic, -1) + 1
            stored = self._stored.get(it.scope) or empty(it.scope)
            delivered = frozenset(entry.sequence for entry in stored.outbox)
            done = apply(stored, Source(topic=topic, partition=0, offset=offset), it, self._policy, delivered=delivered)
            self._stored[it.scope] = done.stored
            for output in done.outputs:
                if output.topic != PROPOSALS:
                    self.lines.append((output.topic, output.value))
                if output.topic == PROPOSALS:
                    waiting.append(msgspec.json.decode(output.value, type=Proposal))
                elif output.topic == SIGNALS:
                    waiting.append(msgspec.json.decode(output.value, type=Sighting | Signal))
                elif output.topic == DECISIONS:
                    waiting.extend(actuator.carry_out(msgspec.json.decode(output.value, type=Directive)))


def recorded() -> list[tuple[str, bytes]]:
    """Topics and values of a run of the demo's fleet, in order."""
    world = World(SEED)
    actuator = Actuator(world, SLOW_MS)
    analyzer, recorder = Analyzer(world, actuator), _Recorder()
    for minute in range(1, MINUTES + 1):
        at_ms = START_MS + minute * MINUTE_MS
        events = [it for scope in world.scopes for it in actuator.measure(scope, minute, at_ms)]
        events += offers(list(world.scopes), minute, at_ms)
        events += [analyzer.insight(scope, minute, at_ms) for scope in world.scopes]
        for event in events:
            recorder.tell(event, actuator)
    return recorder.lines


def unpacked(directory: Path) -> Path:
    """The log as the file that `decision-stream replay` reads."""
    path = directory / "log.jsonl"
    path.write_bytes(lzma.decompress(FILE.read_bytes()))
    return path


def differences(recording: Recording) -> list[str]:
    """Where this version decides otherwise, the first of each scope."""
    return list(replay(recording, policy()).differences)


def main(what: str) -> None:
    """Write the log, write what is different now, or print that."""
    if not what:
        # Under a version of its own: what replay compares of another version leaves out the hash of the policy, which
        # changes with every new setting.
        turn.ENGINE_VERSION = record.ENGINE_VERSION = VERSION
        lines = (json.dumps({"topic": topic, "value": value.decode()}) + "\n" for topic, value in recorded())
        FILE.write_bytes(lzma.compress("".join(lines).encode(), preset=9))
        return
    with tempfile.TemporaryDirectory() as directory:
        found = json.dumps(differences(read_recording(unpacked(Path(directory)))), indent=1)
    if what == "differences":
        DIFFERENCES.write_text(found + "\n")
    print(found)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
