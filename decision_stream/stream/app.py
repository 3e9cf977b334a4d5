"""The Faust application: one agent per stage, one table, raw bytes in and out."""

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Any, NamedTuple

import faust
from faust.transport.consumer import ensure_TP
from faust.transport.drivers.aiokafka import Transport
from faust.types import TP, Message, StreamT
from mode import CrashingSupervisor

from ..model.command import Command, Tick
from ..wire.codec import encode
from .address import faust_credentials
from .agenda import Agenda
from .config import TABLE, StreamSettings
from .flood import FloodGuard, FloodLimits
from .hardening.batches import batches
from .hardening.fetching import MOST_OF_PARTITION_BYTES
from .hardening.lifeline import EXIT_FAILED, Lifeline
from .hardening.membership import Membership
from .hardening.producer import OrderedProducer
from .hardening.recovery import SafeTableManager
from .hardening.store import OwnedStore, OwnedTable
from .hardening.transport import BatchTransport, EventTransport
from .hardening.versions import check_versions
from .incarnation import mark_key, mark_of, strangers
from .observer import Observer, SilentObserver
from .outlet import BUSY_BYTES, Outlet
from .processor import DEAD_LETTERS, INPUTS, OUTPUTS, Processor
from .record import UnreadableState, without_topics
from .scopes import Scopes, is_scope

log = logging.getLogger(__name__)

SCOPES_AT_ONCE, SCOPES_PAUSE_S = 50, 0.005
BUSY_CHUNK = 16
"""Records of a busy scope between two turns of the event loop, of which a round trip to the broker takes some ten."""


class Record(NamedTuple):
    """What of a record counts; aiokafka's own records have these fields too."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


class GapInInput(Exception):
    """A record was skipped: going on would turn a delayed event into a lost one."""


class EngineApp(faust.App):
    """A Faust app whose transport, table and recovery lose nothing. Made by `build_app`."""

    settings: StreamSettings
    outlet: Outlet
    scopes: Scopes
    processor: Processor
    table: OwnedTable
    lifeline: Lifeline
    membership: Membership
    flood: FloodGuard
    agenda: Agenda
    background: set[asyncio.Task[None]]
    observer: Observer
    ready_at: float | None = None
    failure: str | None = None
    failed_hook: Callable[[str], None] | None = None

    def _new_transport(self) -> Transport:
        return self._transport_type(self.conf.broker_consumer, self, loop=self.loop)

    def _new_producer_transport(self) -> Transport:
        return self._transport_type(self.conf.broker_producer, self, loop=self.loop)

    @property
    def _transport_type(self) -> type[Transport]:
        return BatchTransport if self.settings.batched else EventTransport

    async def settle(self) -> None:
        """Wait until all that was applied so far is stored and sent; raises `ProducerSendError` when it cannot be."""
        if hasattr(self, "outlet"):
            await self.outlet.settle()

    @property
    def has_unsent(self) -> bool:
        """Whether something that was applied has not arrived yet."""
        producer = self.producer
        assert isinstance(producer, OrderedProducer)
        return producer.in_flight > 0 or (hasattr(self, "outlet") and self.outlet.is_holding)

    def _crash(self, reason: BaseException) -> None:
        """A service of the app has crashed: Faust would leave the rest running, ready and reading nothing."""
        super()._crash(reason)
        self.fail(f"a part of the worker has crashed: {reason!r}")

    def fail(self, reason: str) -> None:
        """Something that must not be committed over has happened: end the process at once.

        Its offsets stay where they are, so another worker, or the next start, processes the events again.
        """
        if self.failure is not None:
            return
        self.failure = reason
        log.critical("worker stops without committing", extra={"reason": reason})
        if self.failed_hook is not None:
            self.failed_hook(reason)
        logging.shutdown()
        os._exit(EXIT_FAILED)

    def committed(self, partition: int) -> dict[str, int]:
        """Committed offsets of the partition's inputs, 0 where nothing was, by topic without prefix."""
        held = self.consumer._committed_offset
        return {name: held.get(TP(self.settings.topic(name), partition)) or 0 for name in INPUTS}

    def lag(self) -> dict[tuple[str, int], int]:
        """Records behind the end of each owned input partition that are not committed yet, by topic without prefix."""
        named = {self.settings.topic(name): name for name in INPUTS}
        return {(named[tp.topic], tp.partition): lag for tp, lag in self.consumer.lag().items() if tp.topic in named}

    def owned_partitions(self) -> set[int]:
        """Numbers of the partitions whose scopes this worker owns."""
        insights = self.settings.topic("insights")
        return {tp.partition for tp in self.consumer.assignment() if tp.topic == insights}


def build_app(settings: StreamSettings, observer: Observer | None = None) -> EngineApp:
    """The application for these settings; nothing is connected yet.

    Raises `UntestedVersion` when Faust, mode or aiokafka is not the tested version.
    """
    check_versions()
    app = EngineApp(
        settings.app_id,
        broker=[f"kafka://{address}" for address in settings.bootstrap_list],
        broker_credentials=faust_credentials(settings.bootstrap_servers),
        store="memory://",
        TableManager=SafeTableManager,
        Table=OwnedTable,
        topic_partitions=settings.partitions,
        topic_replication_factor=settings.replication,
        topic_allow_declare=False,
        topic_disable_leader=True,
        table_standby_replicas=0,
        processing_guarantee="at_least_once",
        stream_wait_empty=True,
        stream_buffer_maxsize=settings.buffer_events,
        broker_commit_interval=settings.commit_interval_ms / 1_000.0,
        broker_commit_every=1_000_000_000,
        broker_session_timeout=settings.session_timeout_ms / 1_000.0,
        broker_heartbeat_interval=settings.heartbeat_interval_ms / 1_000.0,
        broker_rebalance_timeout=settings.rebalance_timeout_ms / 1_000.0,
        broker_request_timeout=max(40.0, settings.session_timeout_ms / 1_000.0 + 5.0),
        producer_linger=settings.linger_ms / 1_000.0,
        producer_max_batch_size=256 * 1024,
        producer_acks=-1,
        producer_request_timeout=30.0,
        producer_compression_type=None,
        consumer_max_fetch_size=MOST_OF_PARTITION_BYTES,
        consumer_auto_offset_reset="earliest",
        web_enabled=False,
        web_tables_enabled=False,
        web_router_enabled=False,
        worker_redirect_stdouts=False,
        stream_processing_timeout=3_600.0,
        agent_supervisor=CrashingSupervisor,
    )
    app.settings = settings
    app.lifeline = Lifeline(settings.session_timeout_ms / 2_000.0, app.fail)
    app.membership = Membership(settings.session_timeout_ms / 1_000.0, settings.rebalance_timeout_ms / 1_000.0)
    app.background = set()
    app.flood = FloodGuard(
        FloodLimits(
            in_a_row=settings.flood_in_a_row,
            share=settings.flood_share,
            window=settings.flood_window,
            pause_s=settings.flood_pause_ms / 1_000.0,
        )
    )
    app.agenda = Agenda()
    app.observer = observer or SilentObserver()
    table = app.Table(
        TABLE,
        key_type=bytes,
        value_type=bytes,
        partitions=settings.partitions,
        extra_topic_configs={},
    )
    assert isinstance(table, OwnedTable)
    app.table = table
    for name in INPUTS:
        _add_stage(app, name)
    if settings.tick_interval_ms:
        _add_ticker(app)
    app.tables.take_up_check = lambda: _check_topics(app)
    app.tables.ready_listener = lambda seconds: _on_ready(app, seconds)
    return app


async def prepare(app: EngineApp) -> None:
    """Wire processor and outlet to the started producer; called by the first stage that runs."""
    if hasattr(app, "processor"):
        return
    settings = app.settings
    producer = await app.maybe_start_producer()
    assert isinstance(producer, OrderedProducer)
    store = app.table.data
    assert isinstance(store, OwnedStore)
    outputs = {name: settings.topic(name) for name in OUTPUTS}
    changelog = app.table.changelog_topic.get_topic_name()
    parked = settings.topic(DEAD_LETTERS)
    await producer.know_topics([*outputs.values(), changelog, parked, settings.topic("commands")])
    if hasattr(app, "processor"):
        return  # Another stage was faster while the metadata came.
    app.scopes = Scopes(store, settings.cached_scopes)
    app.scopes.forget(app.consumer_generation_id)
    app.outlet = Outlet(
        producer, changelog, outputs, app.scopes.keep, lambda: app.consumer.is_idle, settings.partitions
    )
    app.scopes.before_eviction = app.outlet.write_deferred
    app.processor = Processor(
        scopes=app.scopes,
        outlet=app.outlet,
        producer=producer,
        policy=settings.policy,
        dead_letter_topic=parked,
        observer=app.observer,
        flood=app.flood,
        agenda=app.agenda,
        begins_traces=settings.begins_traces,
    )
    app.processor.resume(_committed(app))
    if app.ready_at is not None:
        _in_background(app, _take_stock(app, app.consumer_generation_id))


async def _check_topics(app: EngineApp) -> None:
    """Refuse state that speaks of other topics than those that are read; mark what is taken up for the first time."""
    settings = app.settings
    producer = await app.maybe_start_producer()
    store, changelog = app.table.data, app.table.changelog_topic.get_topic_name()
    assert isinstance(producer, OrderedProducer) and isinstance(store, OwnedStore)
    await producer.know_topics([changelog])
    named = {settings.topic(name): name for name in INPUTS}
    found = {named[full]: identity for full, identity in (await producer.topic_ids(list(named))).items()}
    for partition in sorted(app.owned_partitions()):
        key = mark_key(partition)
        mark = store.read(key)
        lost = mark is None and not store.keys_of({partition}) and any(app.committed(partition).values())
        strange = strangers(mark, found) if mark is not None else []
        if (lost or strange) and not settings.adopt_topics:
            what = "offsets are committed, but the stored state is gone"
            if strange:
                what = f"{settings.topic(strange[0])} was deleted and created again: stored offsets mean other messages"
            app.fail(f"partition {partition}: {what}. {_WAY_OUT}")
        for scope_key in store.keys_of({partition}) if strange else ():
            value = store.read(scope_key)
            if is_scope(scope_key) and value is not None:
                _write(app, changelog, partition, scope_key, without_topics(value, set(strange)))
        if mark is None or strange:
            _write(app, changelog, partition, key, mark_of(found, mark))
    await producer.deliver()


_WAY_OUT = (
    "Restore what was deleted; or take another app id and begin with empty state; "
    "or set kafka.adopt_topics for one start: the scopes keep what they know and the topic is read from its beginning"
)


def _write(app: EngineApp, changelog: str, partition: int, key: bytes, value: bytes) -> None:
    store, producer = app.table.data, app.producer
    assert isinstance(producer, OrderedProducer) and isinstance(store, OwnedStore)
    producer.append(changelog, partition, key, value)
    store.put(partition, key, value)


def _add_stage(app: EngineApp, name: str) -> None:
    full_name = app.settings.topic(name)
    topic = app.topic(
        full_name, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw", allow_empty=True
    )

    async def stage(stream: StreamT[bytes]) -> None:
        try:
            await prepare(app)
            await _run(app, name, full_name, stream)
        except asyncio.CancelledError:
            raise
        except BaseException as fault:
            log.exception("stage failed", extra={"topic": full_name})
            app.fail(f"stage {name}: {fault!r}")

    app.agent(topic, name=f"decision_stream.stage.{name}", supervisor_strategy=CrashingSupervisor)(stage)


async def _run(app: EngineApp, name: str, full_name: str, stream: StreamT[bytes]) -> None:
    """Take record after record, in order and without gaps; acknowledge a batch when all of it is applied."""
    producer = app.producer
    assert isinstance(producer, OrderedProducer)
    limit = app.settings.max_outbox_bytes
    take = app.processor.take
    expected: dict[int, tuple[int | None, int]] = {}
    async for message, records in _batches(app, stream):
        partition, generation = message.partition, message.generation_id
        if (name, partition) in app.flood.paused:
            app.consumer.drop(message)
            continue
        due = expected.get(partition)
        next_offset = due[1] if due is not None and due[0] == generation else await _first(app, message.tp, records[0])
        for record in records:
            if record.offset != next_offset:
                raise GapInInput(f"{full_name}-{partition}: expected offset {next_offset}, found {record.offset}")
            next_offset += 1
            waiting_bytes = take(
                name, full_name, partition, record.offset, record.timestamp, record.key, record.value, record.headers
            )
            if waiting_bytes > limit:
                await app.settle()
            elif producer.is_congested:
                await producer.deliver()
            elif waiting_bytes > BUSY_BYTES and next_offset % BUSY_CHUNK == 0:
                await asyncio.sleep(0)
        expected[partition] = (generation, next_offset)
        app.consumer.ack(message)
        app.outlet.rest()
        if app.flood.is_flooded(name, partition):
            _pause(app, name, ensure_TP(message.tp), next_offset)


async def _first(app: EngineApp, found: TP, record: Record) -> int:
    """The offset that a partition's first record in a generation must have.

    Earlier is harmless: it was applied before. Later is a gap, unless Kafka has deleted what lies between.
    """
    tp = ensure_TP(found)
    began_at = app.consumer.began_at(tp)
    if began_at is None or record.offset <= began_at:
        return record.offset
    earliest = (await app.consumer.earliest_offsets(tp))[tp]
    if earliest > began_at:
        log.error(
            "records were deleted before they were read",
            extra={"topic": tp.topic, "partition": tp.partition, "from": began_at, "to": earliest},
        )
    return max(began_at, earliest)


def _pause(app: EngineApp, name: str, tp: TP, next_offset: int) -> None:
    """Pause a flooded partition, and try it again after a while."""
    app.flood.paused.add((name, tp.partition))
    app.consumer.pause_partitions({tp})
    _tell_paused(app, name)
    pause_s = app.flood.limits.pause_s
    log.error(
        "flood of bad messages: partition paused, not ready",
        extra={
            "topic": tp.topic,
            "partition": tp.partition,
            "offset": next_offset,
            "bad": app.flood.bad_messages(name, tp.partition),
            "resumes": f"in {pause_s:g} s" if pause_s else "after a restart",
        },
    )
    if pause_s:
        _in_background(app, _resume_later(app, name, tp, next_offset, app.consumer_generation_id))


def _in_background(app: EngineApp, work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.create_task(work)
    app.background.add(task)
    task.add_done_callback(app.background.discard)


async def _take_stock(app: EngineApp, generation: int) -> None:
    """Note the deadlines of the scopes taken up and tell the observer what they hold.

    A few at a time, so that events are not held up.
    """
    numbered = (
        (partition, scope) for partition in sorted(app.owned_partitions()) for scope in app.scopes.names({partition})
    )
    for number, (partition, scope) in enumerate(numbered, start=1):
        if number % SCOPES_AT_ONCE == 0:
            await asyncio.sleep(SCOPES_PAUSE_S)
        if generation != app.consumer_generation_id:
            return
        try:
            state = app.scopes.peek(scope).state
        except UnreadableState as fault:
            # Its next event ends the worker; the others must not wait for that.
            log.error("stored scope cannot be read", extra={"scope": scope, "why": str(fault)})
            continue
        app.agenda.note(partition, scope, state.next_deadline_ms())
        app.observer.holds(scope, state.cold)


async def _resume_later(app: EngineApp, name: str, tp: TP, next_offset: int, generation: int) -> None:
    await asyncio.sleep(app.flood.limits.pause_s)
    if generation != app.consumer_generation_id or (name, tp.partition) not in app.flood.paused:
        return  # The partitions have moved, and with that it was tried again.
    await app.consumer.rewind(tp, next_offset)
    app.flood.release(name, tp.partition)
    _tell_paused(app, name)
    log.warning("paused partition is tried again", extra={"topic": tp.topic, "partition": tp.partition})


def _tell_paused(app: EngineApp, name: str) -> None:
    app.observer.paused(name, sum(topic == name for topic, _ in app.flood.paused))


async def _batches(app: EngineApp, stream: StreamT[bytes]) -> AsyncIterator[tuple[Message, Sequence[Record]]]:
    if app.settings.batched:
        async for batch in batches(stream):
            records: Any = batch.value
            yield batch, records
        return
    async for event in stream.noack().events():
        message = event.message
        timestamp_ms = int(message.timestamp * 1_000.0)
        yield message, (Record(message.offset, timestamp_ms, message.key, message.value, message.headers or ()),)


def _add_ticker(app: EngineApp) -> None:
    commands = app.settings.topic("commands")

    async def tick() -> None:
        # An exception in a timer would end the whole app; a tick that fails is only late.
        try:
            if not hasattr(app, "processor") or app.ready_at is None or app.rebalancing:
                return
            now_ms = int(time.time() * 1_000)
            producer = app.producer
            assert isinstance(producer, OrderedProducer)
            for partition in sorted(app.owned_partitions()):
                for scope in app.agenda.due(partition, now_ms):
                    command = Command(
                        id=f"tick:{scope}:{now_ms}",
                        scope=scope,
                        at_ms=now_ms,
                        instruction=Tick(),
                        actor="engine:ticker",
                    )
                    producer.append(commands, partition, scope.encode(), encode(command))
        except Exception:
            log.exception("tick failed")

    app.timer(interval=app.settings.tick_interval_ms / 1_000.0)(tick)


def _committed(app: EngineApp) -> dict[int, dict[str, int]]:
    return {partition: app.committed(partition) for partition in app.owned_partitions()}


def _on_ready(app: EngineApp, seconds: float) -> None:
    app.flood.release_all()
    app.agenda.forget()
    for name in INPUTS:
        _tell_paused(app, name)
    if hasattr(app, "scopes"):
        app.outlet.forget_deferred()
        app.scopes.forget(app.consumer_generation_id)
        app.processor.resume(_committed(app))
    app.ready_at = time.monotonic()
    app.observer.recovered(seconds)
    if hasattr(app, "scopes"):
        _in_background(app, _take_stock(app, app.consumer_generation_id))
    log.info("ready", extra={"partitions": sorted(app.owned_partitions()), "recovery_s": round(seconds, 3)})
