"""A real Apache Kafka in a child process: one KRaft node on loopback, no Docker, no installation.

It is what the demo and the tests run on. 340 MB of memory, ready in about three seconds. It is not meant for
production: one node keeps one copy.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

from .failure import BrokerUnavailable
from .jars import KAFKA_VERSION, cache_directory, classpath
from .java import find_java

# In the ephemeral range a client that retries can connect to itself, and the broker then fails to bind without a word.
PORTS = range(20_000, 32_000)
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0
LOG_TAIL_LINES = 25
JAVA_OPTIONS = ("-Xmx400m", "-Xms128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.awt.headless=true")
CLUSTER_ID = "ZGVjaXNpb25fc3RyZWFtMA"


class EmbeddedKafka:
    """One Kafka node; use as a context manager, or call `start` and `stop`.

    `directory` keeps data and logs; without one they lie in a temporary directory that `stop` removes. `properties`
    are added to the server's. `listeners` are further ones by name, each with the port it listens on and the port it
    tells its clients: another one when something stands in between.
    """

    def __init__(
        self,
        directory: Path | None = None,
        *,
        port: int | None = None,
        properties: Mapping[str, str] | None = None,
        listeners: Mapping[str, tuple[int, int]] | None = None,
        progress: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._is_temporary = directory is None
        self.directory = directory or Path(tempfile.mkdtemp(prefix="decision-stream-kafka-"))
        self.port, self._controller_port = self._ports(port)
        self._properties = dict(properties or {})
        self._listeners = dict(listeners or {})
        self._progress = progress
        self._keeper: subprocess.Popen[bytes] | None = None
        self._pid: int | None = None
        self.java_version = ""

    def _ports(self, port: int | None) -> tuple[int, int]:
        """Ports for clients and controller: those the data directory was made with, where they are free."""
        noted = self.directory / "ports"
        if port is None and noted.exists():
            kept = tuple(int(number) for number in noted.read_text().split())
            if len(kept) == 2 and all(_is_free(number) for number in kept):
                return kept
        port = port or free_port()
        return port, free_port(but=port)

    @property
    def bootstrap_servers(self) -> str:
        """Address for clients."""
        return f"127.0.0.1:{self.port}"

    @property
    def description(self) -> str:
        """One line that says what is running where."""
        return f"embedded Apache Kafka {KAFKA_VERSION} (Java {self.java_version}) at {self.bootstrap_servers}"

    @property
    def log_path(self) -> Path:
        """The server's log."""
        return self.directory / "kafka.log"

    def start(self) -> "EmbeddedKafka":
        """Format a new data directory, start the server, wait until it answers; raises `BrokerUnavailable`."""
        jars = ":".join(map(str, classpath(self._progress)))
        java = find_java()
        self.java_version = java.version
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "ports").write_text(f"{self.port} {self._controller_port}\n")
        configuration = self.directory / "server.properties"
        configuration.write_text("".join(f"{name}={value}\n" for name, value in self._settings().items()))
        options = [str(java.path), *JAVA_OPTIONS, "-cp", jars]
        self._progress(f"starting Apache Kafka {KAFKA_VERSION} on Java {java.version}")
        if not (self.directory / "data" / "meta.properties").exists():
            self._format(options, configuration)
        self._launch([*options, "kafka.Kafka", str(configuration)])
        self._await_ready()
        return self

    def stop(self) -> None:
        """Ask the server to stop, end it if it does not, and remove temporary data. May be called twice."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            assert keeper.stdin is not None
            keeper.stdin.close()
            try:
                keeper.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._signal(signal.SIGKILL)
                keeper.wait()
        if self._is_temporary:
            shutil.rmtree(self.directory, ignore_errors=True)

    def kill(self) -> None:
        """End the server at once, as a power cut would; `start` brings it up again on the same data."""
        self._signal(signal.SIGKILL)
        if self._keeper is not None:
            assert self._keeper.stdin is not None
            self._keeper.wait()
            self._keeper.stdin.close()
            self._keeper = None

    def pause(self) -> None:
        """Freeze the server."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen server go on."""
        self._signal(signal.SIGCONT)

    def __enter__(self) -> "EmbeddedKafka":
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _settings(self) -> dict[str, str]:
        loopback = "127.0.0.1"
        clients = {"PLAINTEXT": (self.port, self.port), **self._listeners}
        listening = [f"{name}://{loopback}:{port}" for name, (port, _) in clients.items()]
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.bootstrap.servers": f"{loopback}:{self._controller_port}",
            "listeners": ",".join([*listening, f"CONTROLLER://{loopback}:{self._controller_port}"]),
            "advertised.listeners": ",".join(f"{name}://{loopback}:{told}" for name, (_, told) in clients.items()),
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": ",".join(f"{name}:PLAINTEXT" for name in (*clients, "CONTROLLER")),
            "log.dirs": str(self.directory / "data"),
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
            "group.min.session.timeout.ms": "1000",
            # After a kill the node has to wait until its old session is over before it may register again.
            "broker.session.timeout.ms": "2000",
            "broker.heartbeat.interval.ms": "500",
            "auto.create.topics.enable": "false",
            "log.segment.delete.delay.ms": "1000",
            **self._properties,
        }

    def _format(self, options: list[str], configuration: Path) -> None:
        tool = ["kafka.tools.StorageTool", "format", "--standalone", "-t", CLUSTER_ID, "-c", str(configuration)]
        done = subprocess.run([*options, *tool], capture_output=True, text=True, timeout=START_TIMEOUT_S)
        if done.returncode != 0:
            raise BrokerUnavailable(f"Kafka could not format {self.directory}: {(done.stdout + done.stderr)[-1500:]}")

    def _launch(self, command: list[str]) -> None:
        read_end, write_end = os.pipe()
        with self.log_path.open("ab") as log:
            self._keeper = subprocess.Popen(
                [sys.executable, str(_KEEPER), str(write_end), *command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=(write_end,),
                start_new_session=True,
            )
        os.close(write_end)
        with os.fdopen(read_end) as told:
            line = told.readline()
        if not line:
            raise BrokerUnavailable(f"Kafka did not start:\n{self._log_tail()}")
        self._pid = int(line)

    def _await_ready(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self._keeper is None or self._keeper.poll() is not None:
                raise BrokerUnavailable(f"Kafka ended while starting; the end of its log:\n{self._log_tail()}")
            if _answers(self.bootstrap_servers):
                return
            time.sleep(0.1)
        raise BrokerUnavailable(f"Kafka was not ready after {START_TIMEOUT_S:g} s:\n{self._log_tail()}")

    def _log_tail(self) -> str:
        """The end of the server's log, which is kept for a closer look even when the data is not."""
        if not self.log_path.exists():
            return "(no log)"
        kept = cache_directory() / "kafka-failed.log"
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self.log_path, kept)
        lines = self.log_path.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
        return "\n".join([*lines, f"(the whole log is kept in {kept})"])

    def _signal(self, number: int) -> None:
        if self._pid is not None:
            try:
                os.kill(self._pid, number)
            except ProcessLookupError:
                self._pid = None


def free_port(but: int | None = None) -> int:
    """A port of loopback below the ephemeral range that nobody listens on."""
    start = PORTS.start + os.getpid() * 7 % len(PORTS)
    for number in range(len(PORTS)):
        port = PORTS.start + (start + number) % len(PORTS)
        if port != but and _is_free(port):
            return port
    raise BrokerUnavailable(f"no free port between {PORTS.start} and {PORTS.stop}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _answers(bootstrap_servers: str) -> bool:
    """Whether the node accepts connections and answers a metadata request with itself as leader-capable broker."""
    import asyncio

    from aiokafka.admin import AIOKafkaAdminClient
    from aiokafka.errors import KafkaError

    host, port = bootstrap_servers.split(":")
    with socket.socket() as probe:
        probe.settimeout(0.2)
        if probe.connect_ex((host, int(port))) != 0:
            return False

    async def ask() -> bool:
        client = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers, request_timeout_ms=2_000)
        try:
            await client.start()
            cluster = await client.describe_cluster()
            return bool(cluster["brokers"])
        except (KafkaError, OSError):
            return False
        finally:
            await client.close()

    # In a thread of its own, since the caller may have a running event loop.
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, ask()).result()


_KEEPER = Path(__file__).with_name("keeper.py")
