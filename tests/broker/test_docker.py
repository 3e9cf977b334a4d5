"""Kafka in Docker: the start script, the message without an engine, and, where there is one, the container."""

import os

import pytest

from decision_stream.broker.choose import BrokerKind, broker
from decision_stream.broker.docker import DockerKafka, start_script
from decision_stream.broker.failure import BrokerUnavailable
from decision_stream.broker.topics import apply_now, topic_table


def test_the_start_script_tells_clients_the_mapped_address():
    script = start_script("example.org", 54_321)
    assert "KAFKA_ADVERTISED_LISTENERS='PLAINTEXT://example.org:54321'" in script
    assert "KAFKA_AUTO_CREATE_TOPICS_ENABLE='false'" in script and script.startswith("#!/bin/bash")


def test_without_an_engine_the_message_names_the_way_out(monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")
    monkeypatch.setenv("TESTCONTAINERS_RYUK_DISABLED", "true")
    with pytest.raises(BrokerUnavailable, match="--broker embedded"), DockerKafka():
        pass


def test_an_external_kafka_needs_an_address(monkeypatch):
    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)
    with pytest.raises(BrokerUnavailable, match="--bootstrap-servers"), broker(BrokerKind.EXTERNAL):
        pass


def test_a_named_kafka_is_taken_as_it_is(monkeypatch):
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "one:1,two:2")
    with broker() as found:
        assert (found.kind, found.bootstrap_servers) == (BrokerKind.EXTERNAL, "one:1,two:2")
    assert "KAFKA_BOOTSTRAP_SERVERS" in os.environ


@pytest.mark.needs_docker
def test_the_container_takes_our_topics(docker_engine):
    with DockerKafka() as kafka:
        assert apply_now(kafka.bootstrap_servers, topic_table(partitions=2)) == ()
