"""A worker process: starts the app, drains it on the first signal, ends at once on the second or when late."""

import asyncio
import ctypes
import gc
import logging
import os
import signal
import time
from dataclasses import dataclass

from faust.contrib.asgi import faust_app_running

from .app import EngineApp, build_app
from .config import StreamSettings
from .hardening.self_test import self_test
from .observer import Observer
from .watchdog import watch

log = logging.getLogger(__name__)

EXIT_FORCED = 130
KEPT_BYTES, LARGEST_KEPT_BYTES = 16 * 1024 * 1024, 8 * 1024 * 1024
"""Free memory that the C library keeps, and the largest buffer that it takes from there."""
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Names of these two in mallopt(3)."""
YOUNG_OBJECTS = 20_000
"""Objects, net of those that were freed, after which the collector looks for cycles among them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What probes ask: is the worker alive, does it own recovered partitions, and when did it last do something?"""

    started: bool
    recovering: bool
    ready: bool
    partitions: int
    seconds_since_progress: float | None
    flooded: tuple[str, ...] = ()


class Worker:
    """One worker on the running event loop."""

    def __init__(self, settings: StreamSettings, observer: Observer | None = None) -> None:
        self.app: EngineApp = build_app(settings, observer)
        self._stop = asyncio.Event()
        self._started = False

    def health(self) -> Health:
        """The state of the worker now."""
        app = self.app
        recovered = app.ready_at is not None and not app.rebalancing
        flooded = tuple(f"{topic}-{partition}" for topic, partition in sorted(app.flood.paused))
        ready = recovered and not flooded and not self._stop.is_set()
        processor = getattr(app, "processor", None)
        return Health(
            started=self._started,
            recovering=self._started and not recovered,
            ready=ready,
            partitions=len(app.owned_partitions()) if recovered else 0,
            flooded=flooded,
            seconds_since_progress=time.monotonic() - processor.last_progress if processor else None,
        )

    def lag(self) -> dict[tuple[str, int], int]:
        """Records not committed yet, by input topic and partition; nothing while no partition is owned."""
        is_settled = self.app.ready_at is not None and not self.app.rebalancing
        return self.app.lag() if self._started and is_settled else {}

    def stop(self) -> None:
        """Ask for a graceful stop."""
        self._stop.set()

    async def run(self) -> None:
        """Run until stopped: then finish the events in hand, commit, leave the group.

        Ends the process without committing when that takes longer than the settings' `stop_timeout_ms`.
        Raises `SelfTestFailed`, before anything is connected, when Faust or aiokafka is not as it was tested.
        """
        await self_test(self.app)
        _calm_collector()
        _keep_buffers()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal, number)
        log.info("starting", extra={"app_id": self.app.settings.app_id})
        beating = asyncio.create_task(self.app.lifeline.beat())
        watching = asyncio.create_task(watch(self.app))
        async with faust_app_running(self.app):
            self._started = True
            await self._stop.wait()
            watching.cancel()
            log.info("draining")
            overdue = loop.call_later(self.app.settings.stop_timeout_ms / 1_000.0, self._on_overdue)
        overdue.cancel()
        beating.cancel()
        log.info("stopped")

    def _on_overdue(self) -> None:
        limit_s = self.app.settings.stop_timeout_ms / 1_000.0
        self.app.fail(f"told to stop, it could not finish what is in hand within {limit_s:g} s: is the broker away?")

    def _on_signal(self, number: int) -> None:
        if self._stop.is_set():
            log.warning("second signal: ending without draining")
            os._exit(EXIT_FORCED)
        log.info("signal received", extra={"signal": signal.Signals(number).name})
        self._stop.set()


def _calm_collector() -> None:
    """Let the garbage collector pass over what is there for good, and look at the rest more rarely.

    What an event makes is freed by counting references; cycles come from the event loop and Kafka's client alone.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 10, 10)


def _keep_buffers() -> None:
    """Let the buffers of requests, which have a megabyte, be used again instead of given back and taken anew.

    Else two pages are faulted in for each insight of a backlog. Only glibc knows how.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
        mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT_BYTES)
