"""Who is measured: programs that read the same insights, write state and pass something on for each of them."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from aiokafka import AIOKafkaConsumer, TopicPartition

from decision_stream.broker.topics import apply, topic_table
from decision_stream.stream.processor import INPUTS

PARTITIONS = 4
_HERE = Path(__file__).parent
QUIX_PYTHON = _HERE.parent / ".venv-quixstreams" / "bin" / "python"


@dataclass(frozen=True, slots=True)
class Contender:
    """A program, by its command line for a broker and a prefix of topics: one record in `journal` for each insight."""

    command: Callable[[str, str], list[str]]

    async def enter(self, bootstrap_servers: str, prefix: str) -> None:
        """Create its topics, with this prefix."""
        await apply(bootstrap_servers, topic_table(prefix=prefix, app_id=f"{prefix}app", partitions=PARTITIONS))

    def start(self, bootstrap_servers: str, prefix: str, **settings: str) -> subprocess.Popen[bytes]:
        """Start the program on its topics; `settings` are further variables of its environment."""
        told = {**environment(prefix), **settings}
        return subprocess.Popen(self.command(bootstrap_servers, prefix), env=told, stderr=subprocess.DEVNULL)


def environment(prefix: str) -> dict[str, str]:
    """What a worker is told through the environment, beside what this process was told."""
    return {
        **os.environ,
        "DS_KAFKA__APP_ID": f"{prefix}app",
        "DS_KAFKA__TOPIC_PREFIX": prefix,
        "DS_KAFKA__PARTITIONS": str(PARTITIONS),
        "DS_KAFKA__SESSION_TIMEOUT": "60s",
        "DS_MONITORING__METRICS_PORT": "0",
        "DS_MONITORING__LOG_LEVEL": "error",
    }


def _faust(kind: str) -> Contender:
    script = str(_HERE / "bare_faust.py")
    return Contender(lambda broker, prefix: [sys.executable, script, broker, prefix, kind])


FAUST_PASS, FAUST_TABLE = _faust("pass"), _faust("table")
QUIXSTREAMS = Contender(lambda broker, prefix: [str(QUIX_PYTHON), str(_HERE / "quix.py"), broker, prefix])
SHELL_ALONE = Contender(
    lambda broker, prefix: [sys.executable, "-m", "bench.shell_alone", broker, prefix, str(PARTITIONS)]
)
WORKER = Contender(lambda broker, prefix: [sys.executable, "-m", "decision_stream", "run", "-b", broker])


def cpu_s(pid: int) -> float:
    """CPU seconds a process has used, all threads, user and system: its own clock, to the nanosecond."""
    return time.clock_gettime((~pid << 3) | 2)


def rss_mb(pid: int) -> float:
    """Memory of a process that is in RAM, in MB; 0 when it has ended."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024.0
    return 0.0


async def all_committed(bootstrap_servers: str, prefix: str, limit_s: float = 120.0) -> None:
    """Wait until everything on all input topics of a worker is committed, what it tells itself included."""
    parts = [TopicPartition(prefix + name, number) for name in INPUTS for number in range(PARTITIONS)]
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers, group_id=f"{prefix}app", enable_auto_commit=False)
    await consumer.start()
    try:
        begun = time.monotonic()
        while True:
            ends = await consumer.end_offsets(parts)
            if all([(await consumer.committed(part) or 0) == ends[part] for part in parts]):
                return
            if time.monotonic() - begun > limit_s:
                raise TimeoutError(f"after {limit_s:g} s not everything is committed")
            await asyncio.sleep(0.5)
    finally:
        await consumer.stop()
