"""A real Kafka for the tests: external, Docker or embedded, chosen as the product chooses, and named in the report."""

import os
from collections.abc import Iterator
from uuid import uuid4

import pytest

from decision_stream.broker.choose import Broker, BrokerKind, broker
from tests.conftest import used_services
from tests.kafka.bench import Bench

PARTITIONS = 4


@pytest.fixture(scope="session")
def kafka() -> Iterator[Broker]:
    """One Kafka for all tests; `DS_TEST_KAFKA=external|embedded|docker` forces a kind, and what cannot be had fails."""
    forced = os.environ.get("DS_TEST_KAFKA")
    with broker(BrokerKind(forced) if forced else None) as found:
        used_services.append(f"Kafka: {found.description}")
        yield found


@pytest.fixture
def bench(kafka: Broker) -> Iterator[Bench]:
    """Topics of its own on that Kafka, and workers that are ended with the test."""
    name = uuid4().hex[:8]
    made = Bench(
        bootstrap_servers=kafka.bootstrap_servers, app_id=f"test-{name}", prefix=f"t{name}.", partitions=PARTITIONS
    )
    made.create_topics()
    yield made
    made.end_workers()


@pytest.fixture(params=["batches", "events"])
def both_ways(request: pytest.FixtureRequest, bench: Bench) -> None:
    """The test runs twice: with records in batches, the way that is used, and with Faust's own events, one a record."""
    bench.settings["batched"] = request.param == "batches"
