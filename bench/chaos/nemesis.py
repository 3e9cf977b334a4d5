"""The nemesis: injects faults one after another, and measures how long it takes until all partitions decide again."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random

from .policy import SESSION_MS
from .stage import MAX_MESSAGE, SLOTS, Slot, Stage
from .traffic import Traffic
from .worker_main import FAILPOINTS

RECOVERY_LIMIT_S = 90.0
"""A partition that does not decide again within this time is stuck."""
SESSION_S = SESSION_MS / 1_000.0


class Stuck(Exception):
    """Some partition did not go on after a fault was healed: a promise of liveness is broken."""


@dataclass(slots=True, kw_only=True)
class Injection:
    """One fault that happened: when it began, how many processes it killed, and when all went on after its end."""

    kind: str
    at_s: float
    kills: int = 0
    recovered_s: float | None = None


class Nemesis:
    """Injects faults on the stage while traffic flows."""

    def __init__(self, stage: Stage, traffic: Traffic, random: Random) -> None:
        self._stage = stage
        self._traffic = traffic
        self._random = random
        self.injections: list[Injection] = []
        self._failpoint = 0
        self.kinds: dict[str, Callable[[], Awaitable[int | None]]] = {
            "kill -9 of a worker": self._kill_one,
            "kill -9 of all workers": self._kill_all,
            "kill -9 while starting": self._kill_starting,
            "kill -9 between two acts": self._kill_at_failpoint,
            "freeze beyond the session": self._freeze,
            "worker leaves and joins": self._leave,
            "third worker joins and leaves": self._third,
            "broker killed": self._kill_broker,
            "broker paused": self._pause_broker,
            "network cut": self._cut,
            "network silent": self._silence,
            "network slow": self._slow,
            "write refused": self._refuse,
        }

    @property
    def kills(self) -> int:
        """Worker processes killed so far."""
        return sum(injection.kills for injection in self.injections)

    async def inject(self, kind: str, wait: bool) -> None:
        """Inject one fault; with `wait`, return when all partitions have decided on what came after it.

        Raises `Stuck`.
        """
        injection = Injection(kind=kind, at_s=time.time())
        killed = await self.kinds[kind]()
        if killed is None:
            return
        ended = time.monotonic()
        injection.kills = killed
        self.injections.append(injection)
        if wait:
            await self.settled()
            injection.recovered_s = time.monotonic() - ended

    async def settled(self) -> None:
        """Wait until every partition has judged an insight that was fed after now. Raises `Stuck`."""
        deadline = time.monotonic() + RECOVERY_LIMIT_S
        targets = {number: offset + 1 for number, offset in self._traffic.fed.items()}
        while True:
            self._traffic.check()
            newest = self._traffic.journalled.newest
            waiting = [number for number, target in targets.items() if newest[number] < target]
            if not waiting:
                return
            if time.monotonic() > deadline:
                raise Stuck(f"partitions {waiting} decided nothing for {RECOVERY_LIMIT_S:g} s after {self._last()}")
            await asyncio.sleep(0.05)

    def _last(self) -> str:
        return ", ".join(injection.kind for injection in self.injections[-3:])

    def _running(self) -> list[Slot]:
        return [slot for slot in self._stage.slots if slot.is_running and slot.is_wanted]

    async def _kill_one(self) -> int | None:
        running = self._running()
        if not running:
            return None
        return int(self._stage.signal(self._random.choice(running), signal.SIGKILL))

    async def _kill_all(self) -> int | None:
        return sum(self._stage.signal(slot, signal.SIGKILL) for slot in self._running()) or None

    async def _kill_starting(self) -> int | None:
        """Kill a worker, and the one started in its place in its first moments: assignment, recovery, first commit."""
        if not (running := self._running()):
            return None
        slot = self._random.choice(running)
        before = slot.process
        killed = int(self._stage.signal(slot, signal.SIGKILL))
        while slot.process is before or not slot.is_running:
            await asyncio.sleep(0.05)
        await asyncio.sleep(self._random.choice((0.3, 0.9, 1.2, 1.5, SESSION_S, SESSION_S + 1.0)))
        return killed + int(self._stage.signal(slot, signal.SIGKILL))

    async def _kill_at_failpoint(self) -> int | None:
        """Let a worker run into a failpoint: all of them in turn."""
        if not (running := self._running()):
            return None
        wanted = FAILPOINTS[self._failpoint % len(FAILPOINTS)]
        self._failpoint += 1
        if wanted == "in_recovery":
            slot = self._random.choice(running)
            slot.next_failpoint, before = wanted, slot.process
            killed = int(self._stage.signal(slot, signal.SIGKILL))
            while slot.process is before or slot.process is None:
                await asyncio.sleep(0.05)
            return killed + await self._ended(slot, 3.0 * SESSION_S)
        slot = next((slot for slot in running if slot.failpoint == wanted), self._random.choice(running))
        slot.is_ending_wanted = True
        slot.process.send_signal(signal.SIGUSR1)
        return await self._ended(slot, SESSION_S) or None

    async def _ended(self, slot: Slot, seconds: float) -> int:
        process, deadline = slot.process, time.monotonic() + seconds
        while time.monotonic() < deadline:
            if process is None or process.poll() is not None:
                return 1
            await asyncio.sleep(0.02)
        return 0

    async def _freeze(self) -> int | None:
        """SIGSTOP for longer than the session: another takes over; woken, it must end itself without a word."""
        if len(running := self._running()) < 2:
            return None
        slot = self._random.choice(running)
        process = slot.process
        slot.is_ending_wanted = True
        process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(SESSION_S * self._random.uniform(1.4, 2.2))
        process.send_signal(signal.SIGCONT)
        return 0

    async def _leave(self) -> int | None:
        if not (running := self._running()):
            return None
        self._stage.signal(self._random.choice(running), signal.SIGTERM)
        return 0

    async def _third(self) -> int | None:
        idle = [slot for slot in self._stage.slots if not slot.is_wanted and slot.process is None]
        if len(self._running()) >= SLOTS or not idle:
            return None
        self._stage.start_worker(idle[0])
        await asyncio.sleep(self._random.uniform(2.0, 5.0))
        idle[0].is_wanted = False
        self._stage.signal(idle[0], signal.SIGTERM)
        return 0

    async def _kill_broker(self) -> int | None:
        kafka = self._stage.kafka
        await asyncio.to_thread(kafka.kill)
        await asyncio.sleep(self._random.uniform(0.0, 3.0))
        await asyncio.to_thread(kafka.start)
        return 0

    async def _pause_broker(self) -> int | None:
        self._stage.kafka.pause()
        await asyncio.sleep(self._random.choice((0.5, 2.0, SESSION_S + 1.0)))
        self._stage.kafka.resume()
        return 0

    async def _cut(self) -> int | None:
        if not (running := self._running()):
            return None
        proxy = self._random.choice(running).proxy
        cut = proxy.cut()
        proxy.is_closed = True
        await asyncio.sleep(self._random.choice((0.0, 1.0, SESSION_S)))
        proxy.heal()
        return 0 if cut else None

    async def _silence(self) -> int | None:
        if not (running := self._running()):
            return None
        proxy = self._random.choice(running).proxy
        proxy.is_silent = True
        await asyncio.sleep(self._random.choice((1.0, 3.0, SESSION_S * 1.5)))
        proxy.heal()
        return 0

    async def _slow(self) -> int | None:
        delay = self._random.choice((0.02, 0.08, 0.2))
        for slot in self._stage.slots:
            slot.proxy.delay_s = delay
        await asyncio.sleep(self._random.uniform(2.0, 5.0))
        for slot in self._stage.slots:
            slot.proxy.heal()
        return 0

    async def _refuse(self) -> int | None:
        """The broker refuses a topic's records for a while: workers must end without committing."""
        name = self._random.choice(("journal", "decisions", "proposals"))
        before = len(self._stage.endings)
        await self._stage.limit_messages(name, "100")
        deadline = time.monotonic() + 6.0
        while len(self._stage.endings) == before and time.monotonic() < deadline:
            await asyncio.sleep(0.1)
        await self._stage.limit_messages(name, MAX_MESSAGE)
        return 0 if len(self._stage.endings) > before else None
