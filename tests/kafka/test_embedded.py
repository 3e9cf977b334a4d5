"""The embedded Kafka: a real one, that leaves nothing behind."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from decision_stream.broker.embedded import EmbeddedKafka, free_port
from decision_stream.broker.failure import BrokerUnavailable
from decision_stream.broker.jars import KAFKA_VERSION
from decision_stream.broker.topics import apply_now, topic_table
from tests.kafka.bench import read_topic

PARENT = """
import sys, time
from decision_stream.broker.embedded import EmbeddedKafka
kafka = EmbeddedKafka().start()
print(kafka._pid, flush=True)
time.sleep(600)
"""


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rsplit(")", 1)[1].split()[0] != "Z"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_no_server_is_left_when_its_parent_dies(number):
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    pid = int(parent.stdout.readline())
    assert is_running(pid)
    parent.send_signal(number)
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 20
    while is_running(pid):
        assert time.monotonic() < deadline, "the server outlives its parent"
        time.sleep(0.1)


def test_records_survive_a_kill_and_a_start_on_the_same_data(tmp_path):
    with EmbeddedKafka(tmp_path) as kafka:
        assert KAFKA_VERSION in kafka.description and kafka.bootstrap_servers in kafka.description
        assert apply_now(kafka.bootstrap_servers, topic_table(partitions=1)) == ()

        async def write() -> None:
            producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers)
            await producer.start()
            await producer.send_and_wait("ds.insights", b"kept")
            await producer.stop()

        asyncio.run(write())
        kafka.kill()
        kafka.start()
        (record,) = asyncio.run(read_topic(kafka.bootstrap_servers, "ds.insights", 1))
        assert record.value == b"kept"
    with EmbeddedKafka(tmp_path) as again:
        assert again.bootstrap_servers == kafka.bootstrap_servers, "clients find it where it was"
        (record,) = asyncio.run(read_topic(again.bootstrap_servers, "ds.insights", 1))
        assert record.value == b"kept"


def test_a_bad_property_is_told_by_its_name():
    kafka = EmbeddedKafka(properties={"log.retention.ms": "not-a-number"})
    with pytest.raises(BrokerUnavailable, match=r"log\.retention\.ms"), kafka:
        pass
    assert not kafka.directory.exists(), "temporary data is removed"


def test_a_failed_start_shows_the_end_of_the_log_and_keeps_it():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        kafka = EmbeddedKafka(port=taken.getsockname()[1])
        with pytest.raises(BrokerUnavailable, match="end of its log") as told, kafka:
            pass
    (kept,) = re.findall(r"kept in (\S+)\)", str(told.value))
    assert "Address already in use" in Path(kept).read_text()


def test_ports_lie_below_the_ephemeral_range_and_differ():
    first = free_port()
    assert 20_000 <= first < 32_768 and free_port(but=first) != first
