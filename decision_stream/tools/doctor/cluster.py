"""The Kafka itself, and whether its topics are as they must be."""

from collections import Counter

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError
from aiokafka.protocol.admin import ApiVersionRequest

from ...broker.topics import TopicSpec, admin, plan
from .finding import Finding, fail, ok, warn

FETCH = 1
RELEASES = (("3.7", 16), ("3.5", 15), ("3.1", 13), ("2.7", 12))
"""The newest version of a fetch request that a release brought, newest first."""
TESTED_FROM = "4.0"


def release(versions: dict[int, tuple[int, int]]) -> str | None:
    """The oldest release a broker with these least and greatest versions of requests can be; None when below 2.7.

    Kafka tells no number; 4.0 is known by the old requests that it no longer takes (KIP-896).

    >>> release({1: (4, 18)}), release({1: (0, 13)}), release({1: (0, 11)})
    ('4.0', '3.1', None)
    """
    oldest, newest = versions.get(FETCH, (0, 0))
    if oldest >= 4:
        return TESTED_FROM
    return next((name for name, brings in RELEASES if newest >= brings), None)


async def broker(address: str, replication: int) -> list[Finding]:
    """Whether it answers, what it is, and whether there are nodes enough for the copies that are wanted."""
    async with admin(address) as client:
        nodes = (await client.describe_cluster())["brokers"]
        answer = await client._client.send(client._client.get_random_node(), ApiVersionRequest())
        told = release({key: (least, greatest) for key, least, greatest in answer.api_versions})
        found = [_release(told, len(nodes))]
        if len(nodes) < replication:
            found.append(
                fail("broker", f"{len(nodes)} node(s), kafka.replication is {replication}", "add nodes, or lower it")
            )
        found += await _creates_topics(client, nodes[0]["node_id"])
    return found


def _release(told: str | None, nodes: int) -> Finding:
    if told == TESTED_FROM:
        return ok("broker", f"{nodes} node(s), Kafka {told} or later")
    what = f"Kafka {told} or later, below {TESTED_FROM}" if told else "older than Kafka 2.7"
    return warn("broker", f"{nodes} node(s), {what}: not tested with it", f"upgrade it to {TESTED_FROM}")


async def _creates_topics(client: AIOKafkaAdminClient, node: int) -> list[Finding]:
    name = "auto.create.topics.enable"
    try:
        (answer,) = await client.describe_configs([ConfigResource(ConfigResourceType.BROKER, str(node), {name: None})])
    except KafkaError:
        return []
    for _code, _message, _kind, _name, entries, *_rest in answer.resources:
        if any(entry[0] == name and entry[1] == "true" for entry in entries):
            return [
                warn(
                    "broker",
                    f"{name} is true: a misspelt topic is created with a number of partitions of its own",
                    f"set {name}=false on the broker",
                )
            ]
    return []


async def topics(address: str, specs: tuple[TopicSpec, ...]) -> list[Finding]:
    """Differences from the specification, partitions without a leader, copies that are out of sync."""
    found = [
        fail("topics", f"{it.topic}: found {it.found}, expected {it.expected}", it.mend)
        for it in await plan(address, specs)
    ]
    async with admin(address) as client:
        # Asked about one that is missing, a careless broker would create it.
        there = set(await client.list_topics())
        wanted = {spec.name: spec for spec in specs if spec.name in there}
        for topic in await client.describe_topics(sorted(wanted)) if wanted else ():
            found += _copies(wanted[topic["topic"]], topic["partitions"])
    if found:
        return found
    (partitions,) = {spec.partitions for spec in specs}
    return [ok("topics", f"{len(specs)} with {partitions} partitions each, settings as they must be")]


def _copies(spec: TopicSpec, partitions: list[dict]) -> list[Finding]:
    least = int(spec.config.get("min.insync.replicas", "1"))
    count = Counter(
        "leaderless" if it["leader"] < 0
        else "refuses" if len(it["isr"]) < least
        else "behind" if len(it["isr"]) < len(it["replicas"])
        else "few" if len(it["replicas"]) < spec.replication
        else "fine"
        for it in partitions
    )  # fmt: skip
    copies = f"kafka.replication is {spec.replication}"
    told = (
        ("leaderless", fail, "without a leader", "start the nodes that hold them"),
        ("refuses", fail, f"with fewer than {least} copies in sync: writes are refused", "start the missing nodes"),
        ("behind", warn, "with copies that are out of sync", "start the missing nodes, or wait for them"),
        ("few", warn, f"with too few copies, {copies}", "kafka-reassign-partitions adds copies"),
    )
    return [
        make("topics", f"{spec.name}: {count[kind]} partition(s) {what}", fix)
        for kind, make, what, fix in told
        if count[kind]
    ]
