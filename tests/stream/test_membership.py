"""Nothing leaves a worker whose group may have gone on without it."""

import asyncio

import pytest
from aiokafka.protocol.group import HeartbeatRequest, SyncGroupRequest

from decision_stream.stream.hardening import membership as module
from decision_stream.stream.hardening.membership import ILLEGAL_GENERATION, OK, REBALANCING, UNKNOWN_MEMBER, Membership


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(module, "_now_s", lambda: now[0])
    return now


@pytest.fixture
def member(clock):
    made = Membership(session_s=10.0, rebalance_s=20.0)
    made.answered(100.0, OK, joined=True)
    return made


def test_before_the_first_assignment_anything_may_be_sent(clock):
    assert Membership(10.0, 20.0).may_send


def test_a_heartbeat_covers_less_than_a_session_from_when_it_was_sent(clock, member):
    member.answered(105.0, OK)
    clock[0] = 113.9
    assert member.may_send
    clock[0] = 114.1
    assert not member.may_send and not member.is_lost
    member.answered(114.0, OK)
    assert member.may_send, "the broker was away, and so was everybody else"


@pytest.mark.parametrize("code", [UNKNOWN_MEMBER, ILLEGAL_GENERATION])
def test_a_denied_member_sends_nothing_until_it_has_joined_again(clock, member, code):
    member.answered(101.0, code)
    assert member.is_lost and not member.may_send
    member.answered(102.0, OK)
    assert not member.may_send, "a late answer to an older heartbeat proves nothing"
    member.answered(103.0, OK, joined=True)
    assert member.may_send and not member.is_lost


def test_a_rebalance_keeps_a_member_for_the_rebalance_timeout_and_no_longer(clock, member):
    for second in range(101, 125):
        member.answered(float(second), REBALANCING)
    clock[0] = 117.9
    assert member.may_send
    clock[0] = 118.1
    assert not member.may_send


def test_it_listens_to_the_coordinator(clock):
    class Coordinator:
        async def _send_req(self, request):
            return type("Response", (), {"error_code": UNKNOWN_MEMBER if "late" in request.member else OK})()

    class Beat(HeartbeatRequest):
        def __init__(self, member):
            self.member = member

    class Sync(SyncGroupRequest):
        def __init__(self, member):
            self.member = member

    coordinator, watching = Coordinator(), Membership(10.0, 20.0)
    watching.watch(coordinator)
    asyncio.run(coordinator._send_req(Sync("me")))
    clock[0] = 110.0
    assert not watching.may_send
    asyncio.run(coordinator._send_req(Beat("me")))
    assert watching.may_send
    asyncio.run(coordinator._send_req(Beat("late")))
    assert watching.is_lost
