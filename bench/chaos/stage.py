"""The stage of a chaos run: a Kafka that may be killed, and worker slots, each behind a proxy of its own."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from decision_stream.broker.embedded import EmbeddedKafka, free_port
from decision_stream.broker.topics import apply, topic_table

from .policy import APP_ID, COMMIT_MS, HEARTBEAT_MS, PARTITIONS, PREFIX, REBALANCE_MS, SESSION_MS, topic
from .proxy import Proxy
from .worker_main import FAILPOINTS

SLOTS = 3
MAX_MESSAGE = "1048588"
WORKER = [sys.executable, "-m", "bench.chaos.worker_main"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a worker process ended: when, with which status, and whether the nemesis had wanted it to."""

    at_s: float
    slot: int
    status: int
    wanted: bool


@dataclass(slots=True)
class Slot:
    """A place for one worker. While `is_wanted`, a worker that ends is started again, as a supervisor would."""

    number: int
    proxy: Proxy
    process: subprocess.Popen[bytes] | None = None
    is_wanted: bool = False
    is_ending_wanted: bool = False
    failpoint: str = "none"
    next_failpoint: str | None = None
    peak_rss_kb: int = 0

    @property
    def is_running(self) -> bool:
        """Whether a worker runs here."""
        return self.process is not None and self.process.poll() is None


@dataclass(slots=True)
class Stage:
    """Kafka, proxies and workers; `endings` lists how workers ended."""

    directory: Path
    random: Random
    is_batched: bool = True
    kafka: EmbeddedKafka | None = None
    slots: list[Slot] = field(default_factory=list)
    endings: list[Ending] = field(default_factory=list)

    @property
    def bootstrap_servers(self) -> str:
        """Address of Kafka, past the proxies."""
        assert self.kafka is not None
        return self.kafka.bootstrap_servers

    async def open(self) -> None:
        """Start Kafka and create the topics."""
        first = free_port()
        taken = [first]
        for _ in range(SLOTS):
            taken.append(_free_port_above(taken[-1]))
        listeners = {}
        for number in range(SLOTS):
            proxy = Proxy(taken[number + 1])
            await proxy.start()
            self.slots.append(Slot(number, proxy))
            listeners[f"SLOT{number}"] = (taken[number + 1], proxy.port)
        self.kafka = EmbeddedKafka(self.directory / "kafka", port=first, listeners=listeners)
        await asyncio.to_thread(self.kafka.start)
        specs = topic_table(prefix=PREFIX, app_id=APP_ID, partitions=PARTITIONS)
        assert await apply(self.bootstrap_servers, specs) == ()

    async def close(self) -> None:
        """End everything that still runs."""
        for slot in self.slots:
            slot.is_wanted = False
            if slot.is_running:
                slot.process.kill()
                slot.process.wait()
            await slot.proxy.stop()
        if self.kafka is not None:
            await asyncio.to_thread(self.kafka.stop)

    def start_worker(self, slot: Slot) -> None:
        """Start a worker with a failpoint drawn for it, not armed, or with the one that was asked for."""
        slot.failpoint = slot.next_failpoint or self.random.choice(FAILPOINTS[:-1])
        slot.next_failpoint, slot.is_wanted, slot.is_ending_wanted = None, True, False
        settings = {
            "bootstrap_servers": f"127.0.0.1:{slot.proxy.port}",
            "app_id": APP_ID,
            "topic_prefix": PREFIX,
            "partitions": PARTITIONS,
            "session_timeout_ms": SESSION_MS,
            "heartbeat_interval_ms": HEARTBEAT_MS,
            "rebalance_timeout_ms": REBALANCE_MS,
            "commit_interval_ms": COMMIT_MS,
            # Event time is not the wall's: the feeder sends the ticks.
            "tick_interval_ms": 0,
            "batched": self.is_batched,
        }
        with (self.directory / f"worker-{slot.number}.log").open("ab") as log:
            slot.process = subprocess.Popen([*WORKER, json.dumps(settings), slot.failpoint], stdout=log, stderr=log)

    async def supervise(self) -> None:
        """Start ended workers again, for ever; note how they ended and how much memory they took."""
        while True:
            for slot in self.slots:
                if slot.process is None:
                    continue
                status = slot.process.poll()
                if status is None:
                    slot.peak_rss_kb = max(slot.peak_rss_kb, _peak_rss_kb(slot.process.pid))
                    continue
                self.endings.append(
                    Ending(at_s=time.time(), slot=slot.number, status=status, wanted=slot.is_ending_wanted)
                )
                slot.process = None
                if slot.is_wanted:
                    self.start_worker(slot)
            await asyncio.sleep(0.1)

    def signal(self, slot: Slot, number: int) -> bool:
        """Send a signal to the slot's worker; False when there is none."""
        if not slot.is_running:
            return False
        if number in (signal.SIGKILL, signal.SIGTERM):
            slot.is_ending_wanted = True
        slot.process.send_signal(number)
        return True

    async def limit_messages(self, name: str, size: str) -> None:
        """Set the size of a record that a topic takes."""
        client = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap_servers)
        await client.start()
        try:
            limit = ConfigResource(ConfigResourceType.TOPIC, topic(name), configs={"max.message.bytes": size})
            await client.alter_configs([limit])
        finally:
            await client.close()


def _free_port_above(port: int) -> int:
    for candidate in range(port + 3, port + 500):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", candidate))
            except OSError:
                continue
            return candidate
    raise OSError(f"no free port above {port}")


def _peak_rss_kb(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    except (OSError, IndexError):
        pass
    return 0
