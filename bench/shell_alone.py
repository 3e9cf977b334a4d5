"""The shell without the engine: what bare Faust's table does, with every guarantee of the worker.

Each record writes 1,500 bytes of state with fence and outbox, its output leaves when that is durable, and offsets are
committed when everything below them has arrived. Arguments: broker, prefix, number of partitions.
"""

import sys
from collections.abc import Sequence

import msgspec
import uvloop
from msgspec import Struct

from decision_stream.edge.logs import configure
from decision_stream.stream import app as shell
from decision_stream.stream.config import StreamSettings
from decision_stream.stream.processor import Processor
from decision_stream.stream.record import Applied, Output, empty
from decision_stream.stream.worker import Worker

STATE_BYTES = 1_500
NOTHING = empty("nothing")


class Stored(Struct, frozen=True, array_like=True):
    """State of a key: rank as of any stored record, fence, and the newest output."""

    format: int
    epoch: int
    number: int
    offset: int
    output: bytes
    rest: bytes


_decode, _encode = msgspec.msgpack.Decoder(Stored).decode, msgspec.msgpack.Encoder().encode


class PassOn(Processor):
    """Passes records on: state first, then the output; a record at or below the fence changes nothing."""

    def take(
        self,
        topic: str,
        full_topic: str,
        partition: int,
        offset: int,
        timestamp_ms: int,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes]],
    ) -> int:
        """Process one record."""
        assert key is not None and value is not None
        held = self._scopes._store.read(key)
        number = 0
        if held is not None:
            before = _decode(held)
            if offset <= before.offset:
                return 0
            number = before.number
        stored = _encode(Stored(1, 1, number + 1, offset, value, bytes(STATE_BYTES - len(value))))
        done = Applied(stored=NOTHING, effects=None, writes=((key, stored),), outputs=(Output("journal", value),))
        self._outlet.send(key.decode(), key, partition, done)
        return 0


async def main(bootstrap_servers: str, prefix: str, partitions: str) -> None:
    """Run until told to stop."""
    shell.Processor = PassOn
    settings = StreamSettings(
        bootstrap_servers=bootstrap_servers,
        app_id=f"{prefix}app",
        topic_prefix=prefix,
        partitions=int(partitions),
        session_timeout_ms=60_000,
        tick_interval_ms=0,
    )
    await Worker(settings).run()


if __name__ == "__main__":
    configure("error", "json")
    uvloop.run(main(*sys.argv[1:]))
