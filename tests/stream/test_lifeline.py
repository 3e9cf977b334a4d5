"""A thread tells a blocked event loop, with its place, from a process that stood still as a whole."""

import asyncio
import threading
import time

from decision_stream.stream.hardening import lifeline as module
from decision_stream.stream.hardening.lifeline import Lifeline


async def beating(limit_s: float, disturb) -> list[str]:
    """What a lifeline told while the loop was disturbed."""
    told: list[str] = []
    said = threading.Event()

    def fail(reason: str) -> None:
        told.append(reason)
        said.set()

    beat = asyncio.create_task(Lifeline(limit_s, fail).beat())
    await asyncio.sleep(0.05)
    disturb(said)
    beat.cancel()
    await asyncio.gather(beat, return_exceptions=True)
    return told


async def test_a_blocked_loop_is_told_by_another_thread_with_its_place(monkeypatch):
    monkeypatch.setattr(module.threading, "Timer", lambda *_: threading.Thread(target=lambda: None))
    told = await beating(2.0, lambda said: said.wait(20))
    assert "the event loop is blocked for" in told[0] and "threading.py:" in told[0]


async def test_a_process_that_stood_still_is_told_as_such(monkeypatch):
    monkeypatch.setattr(module.threading, "Timer", lambda *_: threading.Thread(target=lambda: None))
    now, ahead = time.monotonic, [0.0]
    monkeypatch.setattr(module, "_now_s", lambda: now() + ahead[0])

    def pause(said: threading.Event) -> None:
        ahead[0] = 3_600.0
        said.wait(20)

    told = await beating(0.4, pause)
    assert told[0].startswith("stood still for 3600")
