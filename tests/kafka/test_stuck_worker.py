"""A worker that is stuck ends, whatever it is stuck in, and another one goes on where it was; a stop can be forced."""

import asyncio
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from decision_stream.stream.worker import EXIT_FORCED
from tests.kafka.test_worker_delivery import SCOPES, applied, insights, judged, verdicts_of

STUCK = Path(__file__).with_name("stuck_main.py")


@pytest.mark.parametrize(
    ("way", "reason"),
    [
        ("silent", rb"no progress for \d+ s while records wait on"),
        ("blocked", rb"the event loop is blocked for \d"),
        ("crashed", rb"a part of the worker has crashed: RuntimeError\('the fetcher is no more'\)"),
    ],
)
async def test_a_stuck_worker_ends_itself_and_loses_nothing(bench, way, reason):
    total = 60
    await bench.publish("insights", insights(range(total)))
    stuck = bench.start_worker(STUCK, way, stderr=subprocess.PIPE, progress_timeout_ms=3_000)
    bench.workers.remove(stuck)
    _, told = await asyncio.to_thread(stuck.communicate, timeout=60)
    assert stuck.returncode == 70 and re.search(reason, told), told.decode()[-3_000:]
    done = judged(await bench.read("journal"), b'"insights"')
    assert len(done) < total * len(SCOPES), "it was stuck in the middle"
    bench.start_worker()
    await bench.wait_for("journal", lambda found: len(judged(found, b'"insights"')) >= total * len(SCOPES))
    counts = applied(verdicts_of(await bench.read("journal")), "insights")
    assert len(counts) == total * len(SCOPES) and set(counts.values()) == {1}


async def test_a_stop_that_cannot_be_finished_ends_without_committing(bench):
    await bench.publish("insights", insights(range(5)))
    worker = bench.start_worker(STUCK, "unflushable", stderr=subprocess.PIPE, stop_timeout_ms=2_000)
    await bench.wait_for("journal", lambda found: bool(judged(found, b'"insights"')))
    worker.send_signal(signal.SIGTERM)
    _, told = await asyncio.to_thread(worker.communicate, timeout=30)
    assert worker.returncode == 70 and b"could not finish what is in hand within 2 s" in told, told.decode()[-3_000:]
    assert all(not offset for offset in (await bench.committed("insights")).values())


async def test_a_second_signal_ends_a_worker_that_cannot_stop(bench, tmp_path):
    told = tmp_path / "log"

    async def until(words: str, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while words not in told.read_text():
            assert worker.poll() is None and time.monotonic() < deadline, told.read_text()[-3_000:]
            await asyncio.sleep(0.05)

    await bench.publish("insights", insights(range(5)))
    with told.open("wb") as log:
        worker = bench.start_worker(STUCK, "unflushable", stderr=log)
    await until('"taken": 1,', 60)
    worker.send_signal(signal.SIGTERM)
    await until('"draining"', 20)
    with pytest.raises(subprocess.TimeoutExpired):
        await asyncio.to_thread(worker.wait, 2)
    worker.send_signal(signal.SIGINT)
    assert await asyncio.to_thread(worker.wait, 10) == EXIT_FORCED
    assert all(not offset for offset in (await bench.committed("insights")).values()), (
        "nothing is known to have arrived"
    )
