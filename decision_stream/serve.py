"""Serves a worker with its probes and metrics and, if so set, the API, once the topics are as they must be."""

import asyncio
import logging
import os
from typing import TYPE_CHECKING

from .broker.topics import plan, topic_table
from .edge.health import HealthServer
from .edge.logs import DecisionLog
from .edge.metrics import Metrics
from .edge.observers import Observers
from .edge.tracing import tracing
from .settings import Settings
from .stream.worker import Worker

if TYPE_CHECKING:
    from .edge.api.server import Cohosted

log = logging.getLogger(__name__)

EXIT_TOPICS = 3


class CannotServe(Exception):
    """The API that is to be co-hosted cannot begin."""


async def serve(settings: Settings, bootstrap_servers: str) -> int:
    """Run a worker until it is stopped; returns the exit status."""
    kafka = settings.kafka
    address = settings.address(bootstrap_servers)
    specs = topic_table(
        prefix=kafka.topic_prefix, app_id=kafka.app_id, partitions=kafka.partitions, replication=kafka.replication
    )
    wrong = await plan(address, specs)
    for change in wrong:
        log.error("topic is not as it must be", extra={"topic": change.topic, "why": str(change)})
    if wrong:
        return EXIT_TOPICS
    metrics = Metrics()
    monitoring = settings.monitoring
    traces = tracing(monitoring.enable_tracing, os.environ)
    observers = (metrics, DecisionLog(), traces) if traces is not None else (metrics, DecisionLog())
    worker = Worker(settings.stream(address, begins_traces=traces is not None), Observers(*observers))
    metrics.watch_lag(worker.lag)
    metrics.watch_readiness(lambda: worker.health().ready)
    render = metrics.render if monitoring.enable_prometheus else None
    server = HealthServer(monitoring.host, monitoring.metrics_port, worker.health, render)
    try:
        await server.start()
    except OSError as fault:
        log.error(
            "probes cannot listen", extra={"host": monitoring.host, "port": monitoring.metrics_port, "why": str(fault)}
        )
        return EXIT_TOPICS
    log.info("probes listen", extra={"host": monitoring.host, "port": server.port})
    api = None
    try:
        if settings.api.cohost:
            api = _cohosted(settings, address)
        await worker.run()
    except CannotServe as fault:
        log.error("api cannot be served", extra={"why": str(fault)})
        return EXIT_TOPICS
    finally:
        if api is not None:
            await api.stop()
        await server.stop()
        if traces is not None:
            await asyncio.to_thread(traces.stop)
    return 0


def _cohosted(settings: Settings, address: str) -> "Cohosted":
    """The API in this process, begun. Raises `CannotServe`."""
    try:
        from .edge.api.access import Unprotected
        from .edge.api.server import Cohosted, Engine
    except ModuleNotFoundError as missing:
        raise CannotServe(f"{missing.name} is missing; install decision-stream[api]") from None
    kafka = settings.kafka
    engine = Engine(
        bootstrap_servers=address,
        prefix=kafka.topic_prefix,
        partitions=kafka.partitions,
        app_id=kafka.app_id,
        policy=settings.policy,
    )
    api = Cohosted(settings.api, engine)
    try:
        api.start()
    except Unprotected as fault:
        raise CannotServe(str(fault)) from None
    except OSError as fault:
        raise CannotServe(f"{settings.api.host}:{settings.api.port}: {fault.strerror or fault}") from None
    return api
