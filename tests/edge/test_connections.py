"""Connections of a real listener: how many, how long silent, how slow."""

import http.client
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing
from urllib.parse import urlsplit

import pytest

from decision_stream.edge.api_settings import ApiSettings
from tests.edge.engine import Engine
from tests.edge.served import served

ASKS = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@pytest.fixture
def port() -> Iterator[int]:
    settings = ApiSettings(header_timeout_s=0.5, keep_alive_s=2, max_connections=12)
    with served(Engine(), settings) as address:
        yield urlsplit(address).port


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def status(wire: socket.socket) -> int:
    wire.sendall(ASKS)
    answer = http.client.HTTPResponse(wire)
    answer.begin()
    answer.read()
    return answer.status


@pytest.mark.parametrize("said", [b"", b"GET /health HTTP/1.1\r\n", b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX: "])
def test_a_connection_that_brings_no_whole_request_is_closed(port, said):
    with closing(connect(port)) as wire:
        wire.sendall(said)
        assert wire.recv(4_096) == b""


def test_an_idle_connection_is_closed_after_its_time(port):
    with closing(connect(port)) as wire:
        assert status(wire) == 200
        assert wire.recv(4_096) == b""


def test_a_connection_may_ask_again_after_the_first_deadline(port):
    with closing(connect(port)) as wire:
        for _ in range(4):
            assert status(wire) == 200
            wire.settimeout(0.2)
            with pytest.raises(TimeoutError):
                wire.recv(1)
            wire.settimeout(10)


def test_beyond_the_limit_of_connections_there_is_503_and_below_it_service_again(port):
    with ExitStack() as held:
        wires = [held.enter_context(closing(connect(port))) for _ in range(12)]
        assert [status(wire) for wire in wires].count(503) >= 1
    for _ in range(50):
        with closing(connect(port)) as wire:
            if status(wire) == 200:
                return
    pytest.fail("it never served again")
