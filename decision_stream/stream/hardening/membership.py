"""Self-fencing against a silent network: nothing is sent that the group's coordinator might not cover any more.

A worker whose heartbeats do not get through is replaced after its session, but its own batches wait for the network
and are sent when it comes back: state and outputs that contradict the new owner's. (Seen on Apache Kafka 4.3.1 with a
connection that was cut for as long as the session: 37 inputs with two verdicts.) The coordinator counts a session
from the arrival of a heartbeat, so from the moment before it was sent on, a confirmed member owns its partitions for a
session. Only within that time may a batch leave; outputs then belong to state that was durable before anybody else
could take over, however late they arrive.
"""

import threading
import time
from typing import Any

from aiokafka.protocol.group import HeartbeatRequest, SyncGroupRequest

MARGIN = 0.1
"""Share of the session that is given away for clocks that differ and a send that hesitates."""
OK, ILLEGAL_GENERATION, UNKNOWN_MEMBER, REBALANCING, FENCED = 0, 22, 25, 27, 82
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Membership:
    """Until when this worker surely is a member of its group in its generation.

    Told by the consumer's thread, asked by the producer's. Before the first assignment nothing is owned and anything
    may be sent.
    """

    def __init__(self, session_s: float, rebalance_s: float) -> None:
        self._session_s = session_s * (1.0 - MARGIN)
        self._rebalance_s = rebalance_s * (1.0 - MARGIN)
        self._lock = threading.Lock()
        self._until_s = float("inf")
        self._confirmed_s = 0.0
        self._is_lost = False

    @property
    def may_send(self) -> bool:
        """Whether a batch that leaves now leaves within the session."""
        with self._lock:
            return not self._is_lost and _now_s() < self._until_s

    @property
    def is_lost(self) -> bool:
        """Whether the group has gone on without this worker, which has not joined it again yet."""
        return self._is_lost

    def answered(self, asked_s: float, code: int, joined: bool = False) -> None:
        """The coordinator answered a heartbeat, or with `joined` the last request of a join, asked at this time.

        During a rebalance it keeps a member for the rebalance timeout, counted here from its last plain answer.
        """
        with self._lock:
            if code == OK and (joined or not self._is_lost):
                self._is_lost = False
                self._confirmed_s = asked_s
                self._until_s = asked_s + self._session_s
            elif code == REBALANCING and not joined:
                self._until_s = min(asked_s + self._session_s, self._confirmed_s + self._rebalance_s)
            elif code in (ILLEGAL_GENERATION, UNKNOWN_MEMBER, FENCED) and not joined:
                self._is_lost = True

    def watch(self, coordinator: Any) -> None:
        """Listen to what aiokafka's group coordinator hears."""
        ask = coordinator._send_req

        async def asked(request: Any) -> Any:
            at_s = _now_s()
            response = await ask(request)
            if isinstance(request, HeartbeatRequest):
                self.answered(at_s, response.error_code)
            elif isinstance(request, SyncGroupRequest):
                self.answered(at_s, response.error_code, joined=True)
            return response

        coordinator._send_req = asked


def _now_s() -> float:
    return time.clock_gettime(_CLOCK)
