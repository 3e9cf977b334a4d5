"""Stock Faust, the yardstick: passes the same bytes on, with or without a table write.

Arguments: broker, prefix, `table` or `pass`.
"""

import asyncio
import signal
import sys

import faust
import uvloop
from faust.contrib.asgi import faust_app_running

STATE = b"x" * 1_500


def build(broker: str, prefix: str, with_table: bool) -> faust.App:
    """The smallest app that does what every stage has to do."""
    app = faust.App(
        f"{prefix}bare",
        broker=f"kafka://{broker}",
        store="memory://",
        topic_partitions=4,
        topic_disable_leader=True,
        table_standby_replicas=0,
        producer_linger=0.005,
        web_enabled=False,
        broker_session_timeout=60.0,
        worker_redirect_stdouts=False,
    )
    raw = {"key_type": bytes, "value_type": bytes, "key_serializer": "raw", "value_serializer": "raw"}
    source, target = app.topic(f"{prefix}insights", **raw), app.topic(f"{prefix}journal", **raw)
    table = app.Table("state", key_type=bytes, value_type=bytes) if with_table else None

    @app.agent(source)
    async def pass_on(stream):
        async for event in stream.events():
            if table is not None:
                table[event.key] = STATE
            await target.send(key=event.key, value=event.value)

    return app


async def main(broker: str, prefix: str, kind: str) -> None:
    """Run until told to stop."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with faust_app_running(build(broker, prefix, kind == "table")):
        await stop.wait()


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
