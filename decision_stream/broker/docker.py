"""Apache Kafka in Docker, through testcontainers.

testcontainers' own Kafka container is made for another image and refuses the tags of apache/kafka. The port that
clients must be told is known only after the container has started, so the container waits for its start script.
"""

import tarfile
import time
from collections.abc import Callable
from io import BytesIO
from types import TracebackType
from typing import Any

from .failure import BrokerUnavailable

IMAGE = "apache/kafka:4.3.1"
CLIENT_PORT = 9093
START_SCRIPT = "/tmp/start-kafka.sh"
READY_TEXT = "Kafka Server started"
START_TIMEOUT_S = 60.0


def start_script(host: str, port: int) -> str:
    """The script that starts the server, telling clients this address."""
    settings = {
        "KAFKA_NODE_ID": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9094",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_LISTENERS": f"PLAINTEXT://0.0.0.0:{CLIENT_PORT},CONTROLLER://localhost:9094",
        "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://{host}:{port}",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        "KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS": "1000",
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
    }
    exports = "".join(f"export {name}='{value}'\n" for name, value in settings.items())
    return f"#!/bin/bash\n{exports}exec /etc/kafka/docker/run\n"


class DockerKafka:
    """One Kafka container for the time of a context."""

    def __init__(self, image: str = IMAGE, progress: Callable[[str], None] = lambda _: None) -> None:
        self._image = image
        self._progress = progress
        self._container: Any = None
        self.bootstrap_servers = ""

    @property
    def description(self) -> str:
        """One line that says what is running where."""
        return f"{self._image} in Docker at {self.bootstrap_servers}"

    def __enter__(self) -> "DockerKafka":
        try:
            from testcontainers.core.container import DockerContainer
        except ImportError as fault:
            raise BrokerUnavailable(
                "Kafka in Docker needs the package testcontainers: pip install 'decision-stream[docker]'"
            ) from fault
        self._progress(f"starting {self._image} in Docker")
        try:
            container = DockerContainer(self._image).with_exposed_ports(CLIENT_PORT)
            waiting = f"while [ ! -f {START_SCRIPT} ]; do sleep 0.1; done; bash {START_SCRIPT}"
            container.with_kwargs(entrypoint=["sh", "-c", waiting])
            self._container = container.start()
        except Exception as fault:
            raise BrokerUnavailable(
                f"Docker did not start {self._image} ({fault}); is a Docker engine running? "
                "Without one use --broker embedded"
            ) from fault
        host, port = self._container.get_container_host_ip(), int(self._container.get_exposed_port(CLIENT_PORT))
        self._container.get_wrapped_container().put_archive("/", _archive(START_SCRIPT, start_script(host, port)))
        self._await_ready()
        self.bootstrap_servers = f"{host}:{port}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._container is not None:
            self._container.stop()

    def _await_ready(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            output, errors = self._container.get_logs()
            if READY_TEXT in (output + errors).decode(errors="replace"):
                return
            time.sleep(0.2)
        raise BrokerUnavailable(f"{self._image} was not ready after {START_TIMEOUT_S:g} s")


def _archive(path: str, text: str) -> bytes:
    buffer = BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        entry = tarfile.TarInfo(path.lstrip("/"))
        content = text.encode()
        entry.size, entry.mode = len(content), 0o755
        tar.addfile(entry, BytesIO(content))
    return buffer.getvalue()
