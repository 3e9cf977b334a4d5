"""Reading a topic once, from what it still keeps to its present end."""

from collections.abc import AsyncIterator

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaConnectionError
from aiokafka.structs import ConsumerRecord

from ..broker.failure import BrokerUnavailable
from ..stream.address import client_options

WAIT_MS = 2_000


async def records_of(bootstrap_servers: str, topic: str) -> AsyncIterator[ConsumerRecord]:
    """The records in the order of each partition; what arrives meanwhile is left for another time.

    Raises `BrokerUnavailable` when no Kafka answers or there is no such topic.
    """
    parts = await _partitions(bootstrap_servers, topic)
    consumer = AIOKafkaConsumer(**client_options(bootstrap_servers), auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign(parts)
        ends = await consumer.end_offsets(parts)
        await consumer.seek_to_beginning(*parts)
        while [part for part in parts if await consumer.position(part) < ends[part]]:
            for part, found in (await consumer.getmany(timeout_ms=WAIT_MS)).items():
                for record in found:
                    if record.offset < ends[part]:
                        yield record
    finally:
        await consumer.stop()


async def _partitions(bootstrap_servers: str, topic: str) -> list[TopicPartition]:
    admin = AIOKafkaAdminClient(**client_options(bootstrap_servers))
    try:
        await admin.start()
        (found,) = await admin.describe_topics([topic])
    except KafkaConnectionError as fault:
        raise BrokerUnavailable(f"no Kafka answers at {bootstrap_servers}: {fault}") from fault
    finally:
        await admin.close()
    if not found["partitions"]:
        raise BrokerUnavailable(f"topic {topic} does not exist; is the prefix right? `decision-stream topics check`")
    return [TopicPartition(topic, number) for number in sorted(part["partition"] for part in found["partitions"])]
