"""Self-fencing: a worker that stood still so long that it may have been replaced ends before it sends anything.

Faust's at-least-once mode does not fence: a worker that was paused (SIGSTOP, a suspended machine, a blocked event
loop) beyond its session goes on writing into partitions that another one owns by then; 256 stale records on each of
two partitions were seen.
"""

import asyncio
import time
from collections.abc import Callable

PULSE_S = 0.1
# The clock that also runs while the machine is suspended, where there is one.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Lifeline:
    """`check` calls `fail` when the event loop has not beaten for longer than `limit_s`."""

    def __init__(self, limit_s: float, fail: Callable[[str], None]) -> None:
        self._limit_s = limit_s
        self._fail = fail
        self._last_s = _now_s()

    def check(self) -> None:
        """Call before anything is sent."""
        gap_s = _now_s() - self._last_s
        if gap_s > self._limit_s:
            self._fail(f"stood still for {gap_s:.1f} s, more than half the session: others may own the partitions")

    async def beat(self) -> None:
        """Beat for ever; the beat after a pause is what finds it when nothing was to be sent."""
        while True:
            self.check()
            self._last_s = _now_s()
            await asyncio.sleep(PULSE_S)


def _now_s() -> float:
    return time.clock_gettime(_CLOCK)
