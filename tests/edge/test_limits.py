"""Limits on callers: rates, lock-outs, and the size, depth and pace of a body."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decision_stream.edge.api import limits
from decision_stream.edge.api.limits import MAX_DEPTH, BoundedBodies, Lockout, Rate, depth


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_as_many_at_once_as_in_a_second_and_then_at_that_pace():
    clock = Clock()
    rate = Rate(4.0, clock)
    assert [rate.wait_s("a") for _ in range(5)] == [0.0, 0.0, 0.0, 0.0, 0.25]
    assert rate.wait_s("b") == 0.0
    taken = 0
    for _ in range(1_280):
        clock.now += 1.0 / 128.0
        taken += rate.wait_s("a") == 0.0
    assert taken == 40, "4 per second for 10 seconds"
    clock.now += 3_600.0
    assert [rate.wait_s("a") for _ in range(5)][-1] > 0.0, "an hour of silence saves up one second's worth"


def test_waiting_as_long_as_told_is_enough():
    clock = Clock()
    rate = Rate(3.0, clock)
    while (wait_s := rate.wait_s("a")) == 0.0:
        pass
    clock.now += wait_s + 1e-9
    assert rate.wait_s("a") == 0.0


def test_an_address_is_locked_out_until_its_first_failure_is_a_minute_old():
    clock = Clock()
    lockout = Lockout(3, clock=clock)
    for _ in range(2):
        lockout.failed("a")
        clock.now += 10.0
    assert lockout.wait_s("a") == 0.0
    lockout.failed("a")
    assert lockout.wait_s("a") == 40.0 and lockout.wait_s("b") == 0.0
    clock.now += 39.9
    assert lockout.wait_s("a") > 0.0
    clock.now += 0.2
    assert lockout.wait_s("a") == 0.0
    lockout.failed("a")
    assert lockout.wait_s("a") > 0.0, "the failures within the last minute still count"


def test_no_more_names_are_remembered_than_the_limit(monkeypatch):
    monkeypatch.setattr(limits, "MAX_KNOWN", 3)
    clock = Clock()
    rate, lockout = Rate(1.0, clock), Lockout(1, clock=clock)
    for name in "abcd":
        rate.wait_s(name)
        lockout.failed(name)
    # The longest silent is forgotten, and may begin anew.
    assert rate.wait_s("d") > 0.0 and rate.wait_s("a") == 0.0
    assert lockout.wait_s("a") == 0.0 and lockout.wait_s("d") > 0.0


def test_brackets_in_strings_are_text():
    assert depth(rb'["[[[", "\"[[", {"a\\": [1]}]') == 3
    assert depth(b"") == depth(b'"[{"') == 0


@given(st.recursive(st.integers() | st.text(), lambda it: st.lists(it) | st.dictionaries(st.text(), it), max_leaves=20))
def test_depth_is_that_of_the_parsed_value(value):
    def deep(it) -> int:
        inner = it.values() if isinstance(it, dict) else it if isinstance(it, list) else None
        return 0 if inner is None else 1 + max((deep(one) for one in inner), default=0)

    assert depth(json.dumps(value).encode()) == deep(value)


def answer(body: list[tuple[float, bytes]], length: bytes | None = b"10", ends: bool = True):
    """What a caller gets who sends these pieces, each after a delay; the body that the application saw, if any."""
    seen: list[bytes] = []
    sent: list[dict] = []
    pieces = iter(body)

    async def receive():
        for delay_s, piece in pieces:
            await asyncio.sleep(delay_s)
            return {"type": "http.request", "body": piece, "more_body": True}
        return {"type": "http.request", "body": b""} if ends else {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    async def app(_scope, receive, _send):
        message = await receive()
        assert not message["more_body"]
        seen.append(message["body"])

    headers = [] if length is None else [(b"content-length", length)]
    scope = {"type": "http", "method": "PUT", "path": "/", "headers": headers}
    asyncio.run(BoundedBodies(app, lambda _: 10, timeout_s=0.2)(scope, receive, send))
    return (sent[0]["status"] if sent else None), seen


def test_a_body_in_pieces_reaches_the_application_whole():
    assert answer([(0.0, b"[1,"), (0.0, b"2]")]) == (None, [b"[1,2]"])


@pytest.mark.parametrize(("length", "status"), [(None, 411), (b"11", 413), (b"x", 413), (b"-1", 413), (b"", 413)])
def test_the_announced_length_is_judged_before_anything_is_read(length, status):
    assert answer([(9.0, b"never read")], length) == (status, [])


def test_a_body_that_takes_too_long_is_given_up():
    assert answer([(0.05, b"1")] * 20) == (408, [])


def test_a_caller_that_goes_away_is_not_answered_and_changes_nothing():
    assert answer([(0.0, b"[1")], ends=False) == (None, [])


def test_a_body_is_as_deep_as_allowed_and_no_deeper(monkeypatch):
    monkeypatch.setattr(limits, "MAX_DEPTH", 3)
    assert answer([(0.0, b"[[[]]]")]) == (None, [b"[[[]]]"])
    assert answer([(0.0, b"[[[[")]) == (422, [])
    assert MAX_DEPTH == 32


def test_what_has_no_body_by_its_method_is_handed_on_as_it_is():
    seen = []

    async def app(scope, _receive, _send):
        seen.append(scope["method"])

    for scope in ({"type": "http", "method": "GET"}, {"type": "lifespan", "method": "none"}):
        asyncio.run(BoundedBodies(app, lambda _: 0, timeout_s=1.0)(scope, None, None))
    assert seen == ["GET", "none"]
