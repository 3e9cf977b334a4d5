"""A worker of a chaos run: settings as JSON in the first argument, a failpoint in the second.

A failpoint is a moment at which the process ends itself by SIGKILL; SIGUSR1 arms it, and it fires after some more
passes. So a kill between two particular acts does not depend on luck. The product itself has no failpoints.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import uvloop
from aiokafka.errors import KafkaConnectionError

from bench.chaos.policy import POLICY
from decision_stream.edge.logs import configure
from decision_stream.stream.config import StreamSettings
from decision_stream.stream.hardening.producer import OrderedProducer
from decision_stream.stream.hardening.store import OwnedStore
from decision_stream.stream.outlet import Outlet
from decision_stream.stream.worker import Worker

FAILPOINTS = ("after_save", "after_send", "after_arrival", "before_commit", "in_recovery")
"""Between state and outputs; outputs appended, not arrived; arrived, not committed; commit due; recovery half done."""
PASSES = 3


class Failpoint:
    """Ends the process on the `PASSES`-th pass after it was armed."""

    def __init__(self, is_armed: bool) -> None:
        self._left = PASSES if is_armed else None

    def arm(self, *_: object) -> None:
        """From now on passes count."""
        self._left = PASSES

    def passed(self) -> None:
        """Call at the failpoint."""
        if self._left is not None:
            self._left -= 1
            if self._left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)


def install(name: str) -> None:
    """Put the failpoint where it belongs."""
    point = Failpoint(is_armed=name == "in_recovery")
    signal.signal(signal.SIGUSR1, point.arm)
    match name:
        case "after_save":
            _before(Outlet, "_on_durable", point)
        case "after_send":
            _after(Outlet, "_release", point)
        case "after_arrival":
            _after(Outlet, "_on_arrived", point)
        case "before_commit":
            flush = OrderedProducer.flush

            async def flush_then_pass(self: OrderedProducer) -> None:
                await flush(self)
                point.passed()

            OrderedProducer.flush = flush_then_pass
        case "in_recovery":
            _after(OwnedStore, "take_in", point)


def _before(owner: type, name: str, point: Failpoint) -> None:
    original: Callable[..., Any] = getattr(owner, name)

    def passing(*arguments: Any, **named: Any) -> Any:
        point.passed()
        return original(*arguments, **named)

    setattr(owner, name, passing)


def _after(owner: type, name: str, point: Failpoint) -> None:
    original: Callable[..., Any] = getattr(owner, name)

    def passing(*arguments: Any, **named: Any) -> Any:
        done = original(*arguments, **named)
        point.passed()
        return done

    setattr(owner, name, passing)


async def main() -> None:
    """Run until told to stop."""
    try:
        await Worker(StreamSettings(**json.loads(sys.argv[1]), policy=POLICY)).run()
    except KafkaConnectionError as fault:
        print(f"Kafka was away at the start: {fault}", file=sys.stderr)
        sys.exit(os.EX_UNAVAILABLE)


if __name__ == "__main__":
    configure("info", "json")
    install(sys.argv[2])
    uvloop.run(main())
