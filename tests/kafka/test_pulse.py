"""How an engine looks from outside on a real Kafka: away while insights wait, and taking them."""

import asyncio
import contextlib
import time

from decision_stream.edge import pulse
from decision_stream.edge.pulse import Pulse, Standing
from decision_stream.wire.codec import encode
from tests.factories import insight
from tests.kafka.bench import Bench

SCOPE = "acme/support/chat"


async def test_insights_that_nobody_takes_are_told_until_a_worker_takes_them(bench: Bench, monkeypatch):
    # Shorter than in service, so that a test need not wait; a commit takes longer than to be late.
    for name, seconds in (("LOOK_S", 0.2), ("LATE_S", 8.0), ("STILL_S", 9.0)):
        monkeypatch.setattr(pulse, name, seconds)
    seen = Pulse(bench.bootstrap_servers, bench.prefix, bench.partitions, bench.app_id)
    looking = asyncio.create_task(seen.run())
    try:
        await bench.publish("insights", [(SCOPE.encode(), encode(insight(0, scope=SCOPE)))])
        told = [Standing.READY]
        for wanted in (Standing.BEHIND, Standing.STILL):
            await until(seen, wanted, told)
        bench.start_worker()
        await until(seen, Standing.READY, told)
        assert told[:3] == [Standing.READY, Standing.BEHIND, Standing.STILL]
    finally:
        looking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await looking


async def until(seen: Pulse, wanted: Standing, told: list[Standing]) -> None:
    deadline = time.monotonic() + 60
    while seen.standing is not wanted:
        assert time.monotonic() < deadline, f"{wanted} was never seen, but {told}"
        if seen.standing is not told[-1]:
            told.append(seen.standing)
        await asyncio.sleep(0.05)
    if wanted is not told[-1]:
        told.append(wanted)
