"""The leader of the group divides the partitions only when it knows all topics.

A broker that has just started answers for a moment that it knows none, and aiokafka keeps that answer for five minutes.
Faust's assignor passes over topics that are missing, so that nobody was given any partition, all members were ready,
and nothing was decided until somebody looked (seen on Apache Kafka 4.3.1 after a broker was killed).
"""

import asyncio
import logging
import time
from typing import Any

from aiokafka.errors import UnknownTopicOrPartitionError

log = logging.getLogger(__name__)

ASK_AGAIN_S = 0.2


def require_topics(consumer: Any, limit_s: float) -> None:
    """Let the group coordinator of an aiokafka consumer ask the broker again while a subscribed topic is missing.

    It does so before it assigns. After `limit_s`, which must lie within the session, joining the group fails with
    `UnknownTopicOrPartitionError`, which ends the worker.
    """
    coordinator, client = consumer._coordinator, consumer._client
    perform = coordinator._perform_assignment

    def missing() -> list[str]:
        known = client.cluster.partitions_for_topic
        return sorted(topic for topic in consumer._subscription.topics if not known(topic))

    async def perform_whole(response: Any) -> Any:
        until_s = time.monotonic() + limit_s
        while topics := missing():
            if time.monotonic() > until_s:
                log.error("topics are missing: no partitions are assigned", extra={"topics": topics})
                raise UnknownTopicOrPartitionError(f"topics are missing: {', '.join(topics)}")
            log.warning("topics are not known yet: the broker is asked again", extra={"topics": topics})
            await client.force_metadata_update()
            if missing():
                await asyncio.sleep(ASK_AGAIN_S)
        return await perform(response)

    coordinator._perform_assignment = perform_whole
