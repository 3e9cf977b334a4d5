"""Deliveries to an address that fails, hangs, redirects and recovers; what the journal gives to tell."""

import asyncio
import base64
import hmac
import json
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from hashlib import sha256

import pytest
from aiohttp import web

from decision_stream.edge.api_settings import WebhookSettings
from decision_stream.edge.webhook import Delivery, messages
from decision_stream.model.command import Approve, Autonomy, Revert
from decision_stream.model.policy import Policy, SafetyPolicy
from decision_stream.settings import BadSettings, parse
from tests.edge.engine import Engine
from tests.factories import command

SECRET = "whsec_" + base64.b64encode(b"a key of the tests").decode()
SOON = (0.01,)
Answer = Callable[[web.Request, bytes], Awaitable[web.Response]]


@asynccontextmanager
async def receiver(*answers: Answer):
    """A receiver that answers one request after the other so, and the last way for ever; yields address and bodies."""
    seen: list[tuple[web.Request, bytes]] = []

    async def take(request: web.Request) -> web.Response:
        body = await request.read()
        seen.append((request, body))
        return await answers[min(len(seen), len(answers)) - 1](request, body)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/hook", seen
    finally:
        await runner.cleanup()


def status(number: int, **headers: str) -> Answer:
    async def answer(_request, _body) -> web.Response:
        return web.Response(status=number, headers=headers)

    return answer


async def hangs(_request, _body) -> web.Response:
    await asyncio.sleep(60)
    return web.Response()


async def dribbles(request, _body) -> web.StreamResponse:
    """The head never ends in time, though bytes keep coming."""
    while True:
        request.transport.write(b"HTTP/1.1 200 OK\r\n" if not request.get("begun") else b"x")
        request["begun"] = True
        await asyncio.sleep(0.02)


async def breaks_off(request, _body) -> web.Response:
    request.transport.abort()
    return web.Response()


async def delivered(address: str, *, give_up_s: float = 60.0, timeout_s: float = 0.3, since_s: float | None = None):
    settings = WebhookSettings(url=address, secret=SECRET, timeout_s=timeout_s, give_up_s=give_up_s)
    delivery = Delivery(settings, SOON)
    try:
        return await delivery.deliver("m1", b'{"id":"m1"}', time.time() if since_s is None else since_s)
    finally:
        await delivery.close()


async def test_a_message_is_signed_over_id_time_and_body():
    async with receiver(status(204)) as (address, seen):
        assert await delivered(address)
    ((request, body),) = seen
    told = request.headers
    assert body == b'{"id":"m1"}' and told["Content-Type"] == "application/json"
    assert abs(int(told["webhook-timestamp"]) - time.time()) < 60
    signed = b".".join((told["webhook-id"].encode(), told["webhook-timestamp"].encode(), body))
    expected = base64.b64encode(hmac.new(b"a key of the tests", signed, sha256).digest()).decode()
    assert told["webhook-signature"] == f"v1,{expected}"


async def test_it_is_tried_again_until_the_receiver_has_recovered():
    async with receiver(status(500), hangs, breaks_off, dribbles, status(429), status(200)) as (address, seen):
        assert await delivered(address)
    assert len(seen) == 6
    assert {request.headers["webhook-id"] for request, _ in seen} == {"m1"}
    assert {body for _, body in seen} == {b'{"id":"m1"}'}


@pytest.mark.parametrize("number", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(number):
    async with receiver(status(200)) as (elsewhere, others):
        async with receiver(status(number, Location=elsewhere), status(200)) as (address, seen):
            assert await delivered(address)
        assert len(seen) == 2 and others == []


async def test_what_cannot_be_delivered_is_given_up_with_an_error_that_tells_no_secret(caplog):
    async with receiver(status(503)) as (address, seen):
        assert not await delivered(f"{address}?key=canary-url", give_up_s=0.2)
        assert len(seen) > 2
        before = len(seen)
        assert not await delivered(address, give_up_s=0.2, since_s=time.time() - 1.0)
        assert len(seen) == before + 1, "an old message has one attempt"
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [record.message for record in errors] == ["webhook message given up"] * 2
    told = "".join(str(vars(record)) for record in caplog.records)
    assert "canary-url" not in told and SECRET not in told and "127.0.0.1" not in told


async def test_an_address_where_nobody_listens_is_a_failure_like_any_other():
    async with receiver(status(200)) as (address, _):
        pass
    assert not await delivered(address, give_up_s=0.1)


def journal(engine: Engine) -> list[bytes]:
    return [message.value for message in engine.messages if message.topic == "journal"]


def test_approvals_that_are_due_and_rollbacks_are_told_and_nothing_else():
    engine = Engine(Policy(safety=SafetyPolicy(autonomy=Autonomy.APPROVE)))
    identifier = engine.switch("acme/support/chat")
    engine.tell(command(10, Approve(decision_id=identifier)))
    engine.tell(command(20, Revert(decision_id=identifier)))
    told = [(name, json.loads(body)) for value in journal(engine) for name, body in messages(value)]
    assert [content["kind"] for _, content in told] == ["approval_due", "rollback_begun", "rolled_back"]
    assert {content["decision_id"] for _, content in told} == {identifier}
    assert len({name for name, _ in told}) == 3 and all(name == content["id"] for name, content in told)
    assert told[1][1]["actor"] == "user:ada" and told[0][1]["actor"] is None


def test_the_same_record_gives_the_same_messages_and_an_unreadable_one_none():
    engine = Engine(Policy(safety=SafetyPolicy(autonomy=Autonomy.APPROVE)))
    engine.switch("acme/support/chat")
    for value in journal(engine):
        assert list(messages(value)) == list(messages(value))
    assert list(messages(None)) == list(messages(b"rolled_back{")) == list(messages(b'{"x":"rolled_back"}')) == []


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/hook",
        "ftp://127.0.0.1/",
        "https://",
        "//127.0.0.1/",
        "http://127.0.0.1.example.org/",
        "http://localhost@example.org/",
        "file:///etc/passwd",
        "https://[::1/",
        "http://127.0.0.1:port/",
    ],
)
def test_only_https_or_this_machine_is_told(url):
    with pytest.raises(BadSettings, match="https") as told:
        parse(f"api: {{webhook: {{url: '{url}', secret: '{SECRET}'}}}}", {})
    assert url not in str(told.value) and SECRET not in str(told.value)


@pytest.mark.parametrize(
    "url", ["https://example.org/hook", "http://127.0.0.1:8000/", "http://[::1]/", "http://localhost/"]
)
def test_https_and_this_machine_may_be_told_with_a_secret_only(url):
    assert parse(f"api: {{webhook: {{url: '{url}', secret: '{SECRET}'}}}}", {}).api.webhook.url == url
    with pytest.raises(BadSettings, match="secret of 16"):
        parse(f"api: {{webhook: {{url: '{url}', secret: short}}}}", {})
