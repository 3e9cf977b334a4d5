"""A worker for tests that gets stuck after 100 records: settings as JSON in the first argument, the way in the second.

- `silent`: the stages get no more records; the event loop and the group's heartbeats go on.
- `blocked`: the event loop stands still inside of a record; the heartbeats go on in their thread.
- `crashed`: the task that fetches raises an error, and everything else goes on.
- `unflushable`: what was sent is never known to have arrived, so that no commit and no stop comes to its end.
"""

import asyncio
import json
import logging
import sys
import time
from typing import Any

import uvloop

from decision_stream.edge.logs import configure
from decision_stream.stream import app as app_module
from decision_stream.stream.config import StreamSettings
from decision_stream.stream.hardening.consumer import SafeConsumer
from decision_stream.stream.hardening.producer import OrderedProducer
from decision_stream.stream.processor import Processor
from decision_stream.stream.worker import Worker

log = logging.getLogger(__name__)
RECORDS = 100
taken = 0


def install(way: str) -> None:
    """Put the fault where it belongs; the product has no such places."""
    take, batches, fetch = Processor.take, app_module._batches, SafeConsumer._wait_next_records
    flush = OrderedProducer.flush

    def counted(self: Processor, *record: Any) -> int:
        global taken
        taken += 1
        if taken == 1:
            log.info("first record", extra={"taken": taken})
        if way == "blocked" and taken > RECORDS:
            time.sleep(3_600)
        return take(self, *record)

    async def silent(app: Any, stream: Any) -> Any:
        async for one in batches(app, stream):
            if taken > RECORDS:
                await asyncio.Event().wait()
            yield one

    async def crashing(self: SafeConsumer, timeout: float) -> Any:
        if taken > RECORDS:
            raise RuntimeError("the fetcher is no more")
        return await fetch(self, timeout)

    async def never(self: OrderedProducer) -> None:
        if taken:
            await asyncio.Event().wait()
        await flush(self)

    Processor.take = counted
    if way == "silent":
        app_module._batches = silent
    if way == "crashed":
        SafeConsumer._wait_next_records = crashing
    if way == "unflushable":
        OrderedProducer.flush = never


async def main() -> None:
    """Run until told to stop."""
    await Worker(StreamSettings(**json.loads(sys.argv[1]))).run()


if __name__ == "__main__":
    configure("info", "json")
    install(sys.argv[2])
    uvloop.run(main())
