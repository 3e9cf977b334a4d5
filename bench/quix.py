"""quixstreams on the same work: read a key's state, write 1,500 bytes, pass the bytes on, commit each second.

Runs in an environment of its own (`requirements-quixstreams.lock`). Arguments: broker, prefix.
It is at least once, as it comes: state is written to the changelog at the checkpoint, the last value of each key.
"""

import sys
import tempfile

from quixstreams import Application

STATE = b"x" * 1_500


def main(broker: str, prefix: str) -> None:
    """Run until told to stop."""
    with tempfile.TemporaryDirectory() as folder:
        app = Application(
            broker_address=broker,
            consumer_group=f"{prefix}quix",
            auto_offset_reset="earliest",
            commit_interval=1.0,
            state_dir=folder,
            loglevel="ERROR",
            consumer_extra_config={"session.timeout.ms": 60_000},
            producer_extra_config={"linger.ms": 5, "acks": "all"},
        )
        raw = {
            "key_deserializer": "bytes",
            "value_deserializer": "bytes",
            "key_serializer": "bytes",
            "value_serializer": "bytes",
        }
        source, target = app.topic(f"{prefix}insights", **raw), app.topic(f"{prefix}journal", **raw)

        def keep(value, state):
            state.get_bytes("state")
            state.set_bytes("state", STATE)
            return value

        app.dataframe(source).apply(keep, stateful=True).to_topic(target)
        app.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
