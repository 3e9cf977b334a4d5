"""Self-fencing: a worker that stood still so long that it may have been replaced ends before it sends anything.

Faust's at-least-once mode does not fence: a worker that was paused (SIGSTOP, a suspended machine, a blocked event
loop) beyond its session goes on writing into partitions that another one owns by then; 256 stale records on each of
two partitions were seen.
"""

import asyncio
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable

PULSE_S = 0.1
LAST_WORD_S = 2.0
"""How long a worker whose event loop is blocked may take to say so: the log may be what blocks it."""
EXIT_FAILED = 70
"""Exit status of a worker that must not commit: EX_SOFTWARE of sysexits.h."""
# The clock that also runs while the machine is suspended, where there is one.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Lifeline:
    """`check` calls `fail` when the event loop has not beaten for longer than `limit_s`.

    A loop that is blocked for good never comes to check, while Kafka's client goes on with its heartbeats in a thread
    of its own: the group would keep the worker for ever. So a thread looks as well.
    """

    def __init__(self, limit_s: float, fail: Callable[[str], None]) -> None:
        self._limit_s = limit_s
        self._fail = fail
        self._last_s = _now_s()
        self._ended = threading.Event()

    def check(self) -> None:
        """Call before anything is sent."""
        gap_s = _now_s() - self._last_s
        if gap_s > self._limit_s:
            self._fail(_stood_still(gap_s))

    async def beat(self) -> None:
        """Beat for ever; the beat after a pause is what finds it when nothing was to be sent."""
        watching = threading.Thread(target=self._watch, args=(threading.get_ident(),), name="lifeline", daemon=True)
        watching.start()
        try:
            while True:
                self.check()
                self._last_s = _now_s()
                await asyncio.sleep(PULSE_S)
        finally:
            self._ended.set()

    def _watch(self, loop_thread: int) -> None:
        """End the process when the loop does not beat; in a thread."""
        looked_s = _now_s()
        while not self._ended.wait(self._limit_s / 4.0):
            gap_s, since_s = _now_s() - self._last_s, _now_s() - looked_s
            looked_s += since_s
            if gap_s <= self._limit_s:
                continue
            last_word = threading.Timer(LAST_WORD_S, os._exit, (EXIT_FAILED,))
            last_word.daemon = True
            last_word.start()
            # When this thread was held up as well, it is the process that stood still.
            is_paused = since_s > self._limit_s / 2.0
            self._fail(
                _stood_still(gap_s) if is_paused else f"the event loop is blocked for {gap_s:.1f} s{_at(loop_thread)}"
            )
            return


def _stood_still(gap_s: float) -> str:
    return f"stood still for {gap_s:.1f} s, more than half the session: others may own the partitions"


def _at(thread: int) -> str:
    """Where a thread is, as far as Python knows."""
    frame = sys._current_frames().get(thread)
    if frame is None:
        return ""
    innermost = traceback.extract_stack(frame)[-1]
    return f" at {innermost.filename}:{innermost.lineno}"


def _now_s() -> float:
    return time.clock_gettime(_CLOCK)
