"""Progress watchdog: a worker that has work and does none ends, so that its partitions go to one that does."""

import asyncio
import logging
import time

from .app import EngineApp
from .hardening.consumer import SafeConsumer

log = logging.getLogger(__name__)

LOOK_S = 1.0


async def watch(app: EngineApp) -> None:
    """Look every second, for ever; ends the process by `app.fail`. A timeout of 0 turns it off."""
    limit_s = app.settings.progress_timeout_ms / 1_000.0
    waiting = Waiting(limit_s)
    while limit_s:
        await asyncio.sleep(min(LOOK_S, limit_s / 4.0))
        try:
            reason = waiting.look(time.monotonic(), _progress(app), _behind(app))
        except Exception:
            log.exception("progress could not be looked at")
            continue
        if reason is not None:
            app.fail(reason)


class Waiting:
    """Since when records wait without any progress."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._progress: float | None = None
        self._since_s: float | None = None

    def look(self, now_s: float, progress: float, behind: list[str]) -> str | None:
        """The reason to end, or None; `progress` is a number that changes whenever a record was processed."""
        if not behind or progress != self._progress:
            self._progress, self._since_s = progress, now_s
            return None
        if self._since_s is None or now_s - self._since_s < self._limit_s:
            return None
        return f"no progress for {now_s - self._since_s:.0f} s while records wait on {', '.join(behind[:5])}"


def _progress(app: EngineApp) -> float:
    processor = getattr(app, "processor", None)
    return processor.last_progress if processor else 0.0


def _behind(app: EngineApp) -> list[str]:
    """Partitions with records that wait; none while the worker recovers."""
    if app.ready_at is None or app.rebalancing or not isinstance(app.consumer, SafeConsumer):
        return []
    return sorted(f"{tp.topic}-{tp.partition}" for tp in app.consumer.behind())
