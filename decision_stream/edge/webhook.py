"""Tells an address of the operator's about approvals that are due and about rollbacks, signed, at least once.

What is told is read off the journal by a consumer group of its own: of several API processes each tells of other
partitions, what could not be delivered is told after a restart, and the queue is the topic itself. A receiver knows a
repeated message by its id. Requests follow Standard Webhooks: headers `webhook-id`, `webhook-timestamp` (seconds) and
`webhook-signature`, `v1,` and the base64 of the HMAC-SHA256 of id, timestamp and body, joined by full stops.
"""

import asyncio
import base64
import binascii
import hmac
import json
import logging
import time
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import msgspec
from aiohttp import ClientError, ClientSession, ClientTimeout
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from ..model.journal import Transition
from ..model.lifecycle import DecisionState
from ..stream.address import client_options
from .api_settings import WebhookSettings

log = logging.getLogger(__name__)

KINDS = {
    DecisionState.AWAITING_APPROVAL: "approval_due",
    DecisionState.ROLLING_BACK: "rollback_begun",
    DecisionState.ROLLED_BACK: "rolled_back",
    DecisionState.ROLLBACK_FAILED: "rollback_failed",
}
"""The states that are told of, and how the message is named."""
PAUSES_S = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0)
"""Between attempts; the last is repeated."""
RETRY_S = 2.0
KEY_PREFIX = "whsec_"


class Delivery:
    """Brings one message after the other to the address; a message is retried until it is taken or given up."""

    def __init__(self, settings: WebhookSettings, pauses_s: tuple[float, ...] = PAUSES_S) -> None:
        self._settings, self._pauses_s = settings, pauses_s
        self._key = key_of(settings.secret)
        self._session: ClientSession | None = None

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def deliver(self, identifier: str, body: bytes, since_s: float) -> bool:
        """Bring a message that is due since `since_s` (clock of the wall); False when it was given up."""
        attempt = 0
        while True:
            why = await self._attempted(identifier, body)
            if why is None:
                return True
            if time.time() - since_s >= self._settings.give_up_s:
                log.error("webhook message given up", extra={"webhook_id": identifier, "why": why})
                return False
            pause_s = self._pauses_s[min(attempt, len(self._pauses_s) - 1)]
            told = {"webhook_id": identifier, "why": why, "again_in_s": pause_s}
            log.log(logging.INFO if attempt else logging.WARNING, "webhook not delivered", extra=told)
            await asyncio.sleep(pause_s)
            attempt += 1

    async def _attempted(self, identifier: str, body: bytes) -> str | None:
        """Why an attempt failed, by kind only: the text of a fault may hold the address, and that a secret."""
        if self._session is None:
            self._session = ClientSession(timeout=ClientTimeout(total=self._settings.timeout_s))
        at_s = int(time.time())
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "decision-stream",
            "webhook-id": identifier,
            "webhook-timestamp": str(at_s),
            "webhook-signature": signature(self._key, identifier, at_s, body),
        }
        try:
            # Only the configured address is talked to: an answer that leads elsewhere is a failure.
            async with self._session.post(
                self._settings.url, data=body, headers=headers, allow_redirects=False
            ) as answer:
                return None if 200 <= answer.status < 300 else f"status {answer.status}"
        except TimeoutError:
            return f"no answer within {self._settings.timeout_s:g} s"
        except (ClientError, OSError) as fault:
            return type(fault).__name__


class Webhook:
    """Follows the journal and tells of it until cancelled; what is told is committed."""

    def __init__(
        self,
        settings: WebhookSettings,
        bootstrap_servers: str,
        prefix: str,
        group: str,
        delivery: Delivery | None = None,
    ) -> None:
        self._settings = settings
        self._bootstrap_servers, self._topic, self._group = bootstrap_servers, f"{prefix}journal", group
        self._delivery = delivery or Delivery(settings)

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                try:
                    await self._tail()
                except (KafkaError, OSError) as fault:
                    log.warning("webhook stands still", extra={"why": type(fault).__name__, "again_in_s": RETRY_S})
                    await asyncio.sleep(RETRY_S)
        finally:
            await self._delivery.close()

    async def _tail(self) -> None:
        consumer = AIOKafkaConsumer(
            **client_options(self._bootstrap_servers),
            group_id=self._group,
            enable_auto_commit=False,
            # Whoever switches the webhook on is not told of last year.
            auto_offset_reset="latest",
            # While a message is retried nothing is polled.
            max_poll_interval_ms=int(self._settings.give_up_s * 1_000) + 300_000,
        )
        consumer.subscribe([self._topic])
        await consumer.start()
        begun: set[TopicPartition] = set()
        try:
            while True:
                if begun != (assigned := consumer.assignment()):
                    await _begin(consumer, assigned - begun)
                    begun = set(assigned)
                for part, records in (await consumer.getmany(timeout_ms=500, max_records=500)).items():
                    for record in records:
                        told = list(messages(record.value))
                        for identifier, body in told:
                            await self._delivery.deliver(identifier, body, record.timestamp / 1_000)
                        if told or record is records[-1]:
                            # Where another process has the partition by now this fails, and it tells again.
                            await consumer.commit({part: record.offset + 1})
        finally:
            await consumer.stop()


async def _begin(consumer: AIOKafkaConsumer, parts: set[TopicPartition]) -> None:
    """Write down where partitions begin that were never told of, so that nothing is missed after a crash."""
    new = [part for part in sorted(parts) if await consumer.committed(part) is None]
    if new:
        await consumer.commit({part: await consumer.position(part) for part in new})


class _Record(msgspec.Struct):
    """The part of a journal record that is wanted."""

    id: str
    scope: str
    sequence: int
    transitions: tuple[Transition, ...] = ()
    actor: str | None = None


_record = msgspec.json.Decoder(_Record)


def messages(value: bytes | None) -> Iterator[tuple[str, bytes]]:
    """Id and body of what a record of the journal gives to tell; nothing for one that cannot be read."""
    if value is None or not _tells(value):
        return
    try:
        record = _record.decode(value)
    except msgspec.MsgspecError:
        return
    for place, move in enumerate(record.transitions):
        if (kind := KINDS.get(move.to_state)) is not None:
            identifier = f"{record.id}.{place}"
            content: dict[str, Any] = {
                "id": identifier,
                "kind": kind,
                "at_ms": move.at_ms,
                "scope": record.scope,
                "sequence": record.sequence,
                "decision_id": move.decision_id,
                "state": move.to_state.value,
                "reason": move.reason,
                "actor": record.actor,
            }
            yield identifier, json.dumps(content).encode()


def _tells(value: bytes) -> bool:
    """Whether a record may give something to tell; most do not, and are not decoded."""
    return any(state.value.encode() in value for state in KINDS)


def key_of(secret: str) -> bytes:
    """The key of a secret: the bytes behind `whsec_` in base64, as Standard Webhooks write it, else of the text.

    >>> key_of("whsec_c2VjcmV0"), key_of("secret")
    (b'secret', b'secret')
    """
    if secret.startswith(KEY_PREFIX):
        try:
            return base64.b64decode(secret.removeprefix(KEY_PREFIX), validate=True)
        except binascii.Error:
            pass
    return secret.encode()


def signature(key: bytes, identifier: str, at_s: int, body: bytes) -> str:
    """The header's value.

    >>> signature(b"key", "m1", 1_700_000_000, b"{}")
    'v1,n4G0JeWsADKachD9DYkYICH9XWz9wh4c+ftKZ6L+sn0='
    """
    signed = b".".join((identifier.encode(), str(at_s).encode(), body))
    return "v1," + base64.b64encode(hmac.new(key, signed, sha256).digest()).decode()
