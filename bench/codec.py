"""What reading and writing the hot messages costs: msgspec, which the engine uses, beside orjson and pydantic."""

import json
import pickle
import subprocess
from pathlib import Path

import msgspec

from decision_stream.model.insight import Insight
from decision_stream.model.journal import JournalRecord, Source
from decision_stream.model.policy import Policy
from decision_stream.model.state import HotState
from decision_stream.stream.record import JOURNAL, StoredScope, apply, empty
from decision_stream.wire.codec import encode

from .contenders import QUIX_PYTHON
from .load import insights
from .timing import each_us

COUNT, SCOPES, TIMED = 3_000, 60, 1_000
PEERS = [str(QUIX_PYTHON), "-m", "bench.codec_peers"]


def measure() -> list[tuple[str, float, str]]:
    """Rows of name, microseconds for one message, and a remark."""
    bodies, journal, states = _messages()
    records = [msgspec.json.decode(line, type=JournalRecord) for line in journal]
    packed = [msgspec.msgpack.encode(state) for state in states]
    texts = [msgspec.json.encode(state) for state in states]
    pickled = [pickle.dumps(state, protocol=5) for state in states]
    read = msgspec.json.Decoder(Insight).decode
    untyped = msgspec.json.Decoder().decode
    from_pack, from_text = msgspec.msgpack.Decoder(HotState).decode, msgspec.json.Decoder(HotState).decode
    insight, line, state = (f"{sum(map(len, found)) // len(found)} B" for found in (bodies, journal, packed))
    rows = [
        ("codec: insight in, msgspec, nothing checked", each_us(untyped, bodies), insight),
        ("codec: insight in, msgspec, checked", each_us(read, bodies), f"{insight}; used"),
        ("codec: journal out, msgspec, keys sorted", each_us(encode, records), f"{line}; used"),
    ]
    for name, spent in sorted(_peers(bodies, journal).items()):
        rows.append((f"codec: {name}", spent, insight if name.startswith("insight") else line))
    return [
        *rows,
        ("codec: state out, MessagePack by msgspec", each_us(msgspec.msgpack.encode, states), f"{state}; used"),
        ("codec: state in, MessagePack by msgspec, checked", each_us(from_pack, packed), f"{state}; used"),
        ("codec: state out, JSON by msgspec", each_us(msgspec.json.encode, states), _size(texts)),
        ("codec: state in, JSON by msgspec, checked", each_us(from_text, texts), _size(texts)),
        ("codec: state out, pickle", each_us(lambda one: pickle.dumps(one, protocol=5), states), _size(pickled)),
        ("codec: state in, pickle, nothing checked", each_us(pickle.loads, pickled), _size(pickled)),
    ]


def _messages() -> tuple[list[bytes], list[bytes], list[HotState]]:
    """Insights, and the journal records and hot states that they lead to, of scopes that are known for a while."""
    stored: dict[str, StoredScope] = {}
    bodies, journal, states = [], [], []
    for offset, event in enumerate(insights(COUNT, SCOPES)):
        before = stored.get(event.scope) or empty(event.scope)
        done = apply(before, Source(topic="insights", partition=0, offset=offset), event, Policy())
        stored[event.scope] = done.stored
        bodies.append(encode(event))
        journal += [output.value for output in done.outputs if output.topic == JOURNAL]
        states.append(done.stored.state.hot)
    return bodies[-TIMED:], journal[-TIMED:], states[-TIMED:]


def _peers(bodies: list[bytes], journal: list[bytes]) -> dict[str, float]:
    """Microseconds by name; nothing when the environment of the peers is not installed."""
    if not QUIX_PYTHON.exists():
        return {}
    told = json.dumps({"insights": [body.decode() for body in bodies], "journal": [line.decode() for line in journal]})
    root = Path(__file__).parents[1]
    found = subprocess.run(PEERS, input=told, capture_output=True, text=True, cwd=root, check=True)
    return json.loads(found.stdout)


def _size(written: list[bytes]) -> str:
    return f"{sum(map(len, written)) // len(written)} B"
