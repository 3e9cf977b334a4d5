"""Before a worker consumes anything: are the private parts of Faust and aiokafka there, and do appends work as known?

The versions are pinned, but an installed package may be patched, half upgraded or shadowed by another. A missing part
would be met late, in the middle of a rebalance; a method of another name would never be called, and a guard would be
gone without a word. So everything that `stream/` touches beside the public interfaces is looked for here, on objects
made for the purpose, and two records go through the real append path without a broker.
"""

from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version
from inspect import iscoroutinefunction, signature
from typing import Any

import faust
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.cluster import ClusterMetadata
from aiokafka.conn import AIOKafkaConnection
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.producer.message_accumulator import MessageAccumulator
from aiokafka.producer.sender import Sender
from aiokafka.protocol.api import Request
from aiokafka.protocol.fetch import FetchRequest, FetchRequest_v11
from aiokafka.protocol.produce import ProduceRequest, ProduceRequest_v7
from aiokafka.record.memory_records import MemoryRecords
from faust.stores.memory import Store
from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery
from faust.transport.drivers import aiokafka as driver

from .appending import Appender
from .fetch_wire import LeanFetchRequest
from .produce_wire import LeanProduceRequest, PiecewiseWriter
from .versions import TESTED, UntestedVersion

NEEDED: dict[str, tuple[str, ...]] = {
    "faust.App": ("_crash", "_new_transport", "_new_producer_transport"),
    "faust app": (
        "_fetcher",
        "assignor",
        "consumer_generation_id",
        "flow_control",
        "in_recovery",
        "on_rebalance_complete",
        "on_rebalance_end",
        "rebalancing",
        "tables",
    ),
    "faust conductor": ("_tp_index",),
    "faust.Table": ("_new_store",),
    "faust Store": ("apply_changelog_batch",),
    "faust store": ("_key_partition", "data"),
    "faust TableManager": ("_recovery", "recovery", "on_actives_ready", "on_standbys_ready"),
    "faust Recovery": (
        "_is_changelog_tp",
        "_set_recovery_ended",
        "_set_recovery_started",
        "_wait",
        "active_remaining",
        "need_recovery",
        "on_recovery_completed",
    ),
    "faust recovery": (
        "_recovery_ended_at",
        "_recovery_started_at",
        "active_offsets",
        "active_tps",
        "actives_for_table",
        "completed",
        "in_recovery",
        "signal_recovery_end",
        "standbys_for_table",
        "tp_to_table",
    ),
    "faust Consumer": (
        "_commit_offsets",
        "_drain_messages",
        "_filter_committable_offsets",
        "_is_changelog_tp",
        "_new_consumer_thread",
        "_seek",
        "_wait_next_records",
        "ack",
        "earliest_offsets",
        "on_buffer_drop",
        "on_buffer_full",
        "on_partitions_assigned",
        "on_partitions_revoked",
        "perform_seek",
        "seek_to_committed",
    ),
    "faust consumer": (
        "_acked",
        "_acked_index",
        "_active_partitions",
        "_buffered_partitions",
        "_committed_offset",
        "_paused_partitions",
        "_read_offset",
        "_stopped",
        "_thread",
        "_unacked_messages",
        "_waiting_for_ack",
        "consumer_stopped_errors",
        "flow_active",
    ),
    "faust AIOKafkaConsumerThread": ("_create_worker_consumer", "_ensure_consumer"),
    "faust consumer thread": ("_close_thread_loop_on_stop", "thread_loop"),
    "faust fetcher": ("_stopped",),
    "faust Producer": ("_ensure_producer", "_producer", "_settings_extra", "flush", "on_start"),
    "faust stream": ("_finalized", "channel"),
    "faust queue": ("_errors", "_queue", "force_put_nowait"),
    "aiokafka consumer": ("_client", "_coordinator", "_fetcher", "_subscription"),
    "aiokafka partition state": ("has_valid_position", "highwater", "position"),
    "aiokafka GroupCoordinator": ("_perform_assignment", "_send_req"),
    "aiokafka subscriptions": ("topics",),
    "aiokafka fetcher": ("_get_actions_per_node", "_proc_fetch_request", "_records"),
    "aiokafka fetch request": (
        "_isolation_level",
        "_max_bytes",
        "_max_wait_ms",
        "_min_bytes",
        "_rack_id",
        "_topics",
        "build",
    ),
    "aiokafka fetch request of version 11": ("RESPONSE_TYPE", "encode"),
    "aiokafka produce request": ("_required_acks", "_timeout", "_topics", "_transactional_id", "build"),
    "aiokafka produce request of version 7": ("RESPONSE_TYPE", "encode"),
    "aiokafka producer": ("_max_request_size", "_message_accumulator", "_sender", "client", "partitions_for"),
    "aiokafka client": ("_get_conn", "cluster", "force_metadata_update", "get_random_node", "send"),
    "aiokafka connection": ("_versions", "_writer", "send"),
    "aiokafka Request": ("build",),
    "aiokafka Sender": ("_send_produce_req",),
    "aiokafka message accumulator": (
        "_append_batch",
        "_batches",
        "_closed",
        "_exception",
        "_waiter_future",
        "create_builder",
        "flush_for_commit",
    ),
    "aiokafka message batch": ("_builder", "_ctime", "_linger_time", "future"),
}
"""What must be there, by the name of the object or class that has it. Classes begin with a capital letter."""

REPLACED: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("aiokafka GroupCoordinator", "_send_req", ("self", "request")),
    ("aiokafka GroupCoordinator", "_perform_assignment", ("self", "response")),
    ("aiokafka client", "send", ("node_id", "request", "group")),
    ("aiokafka client", "_get_conn", ("node_id", "group", "no_hint")),
    ("aiokafka Sender", "_send_produce_req", ("self", "node_id", "batches")),
    ("aiokafka fetcher", "_proc_fetch_request", ("assignment", "node_id", "request")),
    ("aiokafka fetcher", "_get_actions_per_node", ("assignment",)),
    ("faust Consumer", "_drain_messages", ("self", "fetcher")),
    ("faust Consumer", "_filter_committable_offsets", ("self", "tps")),
    ("faust Consumer", "_commit_offsets", ("self", "offsets", "start_new_transaction")),
)
"""Methods that are wrapped or replaced, with the parameters that they are known to take."""
PLAIN = {"_get_actions_per_node", "_filter_committable_offsets"}
"""Those of them that are no coroutines."""

NOWHERE = "localhost:9"
PLACE = TopicPartition("decision-stream-self-test", 0)
TWO = ((b"first", b"1"), (b"second", b"22"))


class SelfTestFailed(UntestedVersion):
    """The installed packages have the tested versions and yet differ from them."""


async def self_test(app: Any) -> None:
    """Raise `SelfTestFailed` with every part that is missing, or what the append path did wrong. Nothing is sent."""
    try:
        found = await specimens(app)
        problems = [*missing(found), *altered(found)]
        if not problems:
            problems = [*await appended(), *misspoken(), *misspelled()]
    except Exception as fault:
        problems = [f"{type(fault).__name__}: {fault}"]
    if problems:
        versions = ", ".join(f"{package} {version(package)}" for package in TESTED)
        raise SelfTestFailed(
            f"{'; '.join(problems)}. The installed packages ({versions}) are not as they were tested: "
            "install them anew from the lock: pip install --force-reinstall --require-hashes -r requirements.lock"
        )


def missing(found: Mapping[str, object]) -> list[str]:
    """What of `NEEDED` these objects do not have, in its order."""
    return [
        f"{kind} has no {name}" for kind, names in NEEDED.items() for name in names if not hasattr(found[kind], name)
    ]


def altered(found: Mapping[str, object]) -> list[str]:
    """Which of the methods that are replaced are there and take other parameters, or are no coroutines any more."""
    problems = []
    for kind, name, parameters in REPLACED:
        method = getattr(found[kind], name, None)
        if method is None:
            continue
        taken = tuple(signature(method).parameters)
        if taken != parameters:
            problems.append(f"{kind}.{name} takes {', '.join(taken)} instead of {', '.join(parameters)}")
        if iscoroutinefunction(method) is (name in PLAIN):
            problems.append(f"{kind}.{name} is {'a' if name in PLAIN else 'no'} coroutine")
    return problems


async def specimens(app: Any) -> dict[str, object]:
    """One object or class of each kind in `NEEDED`: the app's own, or made here; nothing is connected."""
    channel = app.channel()
    consumer = AIOKafkaConsumer(bootstrap_servers=NOWHERE, group_id=PLACE.topic, enable_auto_commit=False)
    producer = AIOKafkaProducer(bootstrap_servers=NOWHERE, enable_idempotence=True)
    subscriptions = SubscriptionState()
    subscriptions.assign_from_user([PLACE])
    subscriptions.seek(PLACE, 0)
    fetcher = Fetcher(producer.client, subscriptions)
    accumulator = _accumulator()
    try:
        return {
            "faust.App": faust.App,
            "faust app": app,
            "faust conductor": app.topics,
            "faust.Table": faust.Table,
            "faust Store": Store,
            "faust store": app.table.data,
            "faust TableManager": TableManager,
            "faust Recovery": Recovery,
            "faust recovery": app.tables.recovery,
            "faust Consumer": driver.Consumer,
            "faust consumer": app.consumer,
            "faust AIOKafkaConsumerThread": driver.AIOKafkaConsumerThread,
            "faust consumer thread": app.consumer._thread,
            "faust fetcher": app._fetcher,
            "faust Producer": driver.Producer,
            "faust stream": app.stream(channel),
            "faust queue": channel.queue,
            "aiokafka consumer": consumer,
            "aiokafka partition state": subscriptions.subscription.assignment.state_value(PLACE),
            "aiokafka GroupCoordinator": GroupCoordinator,
            "aiokafka subscriptions": subscriptions,
            "aiokafka fetcher": fetcher,
            "aiokafka fetch request": FetchRequest(1, 1, 1, 0, []),
            "aiokafka fetch request of version 11": FetchRequest_v11(),
            "aiokafka produce request": ProduceRequest(None, -1, 1, []),
            "aiokafka produce request of version 7": ProduceRequest_v7(),
            "aiokafka producer": producer,
            "aiokafka client": producer.client,
            "aiokafka connection": AIOKafkaConnection("localhost", 9),
            "aiokafka Request": Request,
            "aiokafka Sender": Sender,
            "aiokafka message accumulator": accumulator,
            "aiokafka message batch": accumulator._append_batch(accumulator.create_builder(), PLACE),
        }
    finally:
        await fetcher.close()
        await producer.stop()
        await consumer.stop()


async def appended() -> list[str]:
    """What is wrong with two records that were appended to an accumulator of their own; nothing when all is well."""
    begun: list[Any] = []
    accumulator = _accumulator()
    appender = Appender(accumulator, 1_000_000, begun.append)
    futures = [appender.append(PLACE, key, value, (("h", b"x"),)) for key, value in TWO]
    appender.push()
    problems = []
    if len(begun) != 1 or futures != [begun[0].future] * 2:
        problems.append(f"two appended records are in {len(begun)} batches, not in one with one future")
    batch = begun[0]
    if not accumulator._waiter_future.done() or batch.remaining_linger() is not None:
        problems.append("a pushed batch does not leave at once")
    batch.done(base_offset=7)
    await appender.deliver()
    held = MemoryRecords(bytes(batch.get_data_buffer())).next_batch()
    read = [(record.key, record.value, record.headers) for record in held] if held is not None else []
    if read != [(key, value, [("h", b"x")]) for key, value in TWO]:
        problems.append(f"two appended records are read as {read}")
    if not batch.future.done() or batch.future.result().offset != 7:
        problems.append("the future of an acknowledged batch does not tell its offset")
    return problems


def misspoken() -> list[str]:
    """Which requests aiokafka would not send in the version that is written leanly, to a broker that speaks any."""
    asked, produced = FetchRequest(1, 1, 1, 0, []), ProduceRequest(None, -1, 1, [])
    written: dict[type, Request[Any]] = {
        FetchRequest_v11: LeanFetchRequest(asked, lambda topic, partition, end: False),
        ProduceRequest_v7: LeanProduceRequest(produced),
    }
    problems = []
    for expected, request in written.items():
        chosen = request.prepare({request.API_KEY: (0, 99)})
        if not isinstance(chosen, expected) or type(chosen) is expected:
            problems.append(f"{type(request).__name__} is sent as {type(chosen).__name__}")
    return problems


def misspelled() -> list[str]:
    """Whether a connection writes a request in pieces in other bytes than in one."""
    topics = [("first", [(0, b"batch"), (3, b"another")]), ("second", [(1, bytearray(b"third"))])]
    asked = ProduceRequest(None, -1, 1_000, topics)
    written = [_written(asked, None), _written(LeanProduceRequest(asked), PiecewiseWriter)]
    return [] if written[0] == written[1] else ["a produce request in pieces has other bytes than aiokafka's own"]


def _written(request: Request[Any], around: Callable[[Any], Any] | None) -> bytes:
    """What a connection to a broker that speaks any version writes; nothing is connected."""
    writer = _Writer()
    connection = AIOKafkaConnection("localhost", 9, request_timeout_ms=1_000)
    connection._versions = {request.API_KEY: (0, 99)}
    connection._writer = around(writer) if around else writer
    connection.send(request).close()
    connection._writer = None
    return b"".join(writer.written)


class _Writer:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def writelines(self, pieces: Iterable[bytes]) -> None:
        self.written += pieces

    async def drain(self) -> None:
        raise AssertionError("nothing is sent")

    def close(self) -> None:
        raise AssertionError("nothing is connected")


def _accumulator() -> MessageAccumulator:
    return MessageAccumulator(ClusterMetadata(), 16_384, 0, 30.0, linger_ms=1_000)
