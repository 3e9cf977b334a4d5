"""The catalogue of models from outside: a file, what the topic holds, and the commands between them."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from uuid import uuid4

import msgspec
import yaml
from aiokafka import AIOKafkaProducer

from ..model.command import Command, UpdateCatalog
from ..model.knowledge import CatalogEntry, CatalogModel, catalog_aggregates
from ..model.metrics import ModelEstimate
from ..stream.address import client_options
from ..wire.codec import encode
from .topic import records_of

RETIRED = "retired"


class BadCatalog(Exception):
    """The file is no catalogue; the message says where and what is expected."""


def parsed(path: Path) -> tuple[CatalogModel, ...]:
    """The models of a YAML file: a list, or a mapping with the list under `catalog` as in a settings file.

    Each has the fields of an estimate, and may have `retired: true`. Raises `BadCatalog`.
    """
    try:
        document = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as fault:
        raise BadCatalog(f"{path} cannot be read: {fault}") from fault
    listed = document.get("catalog") if isinstance(document, dict) else document
    if not isinstance(listed, list) or not all(isinstance(item, dict) for item in listed):
        raise BadCatalog(f"{path}: expected a list of models, each a mapping with `model`, `quality`, `cost_usd`, ...")
    models: dict[str, CatalogModel] = {}
    for place, item in enumerate(listed):
        model = _model(path, place, item)
        if model.estimate.model in models:
            raise BadCatalog(f"{path}: {model.estimate.model} is listed twice")
        models[model.estimate.model] = model
    return tuple(models.values())


def _model(path: Path, place: int, item: dict[str, object]) -> CatalogModel:
    fields = {key: value for key, value in item.items() if key != RETIRED}
    known = set(ModelEstimate.__struct_fields__)
    unknown = sorted(map(str, fields.keys() - known))
    if unknown:
        raise BadCatalog(f"{path}[{place}]: unknown {', '.join(unknown)}; known: {RETIRED}, {', '.join(sorted(known))}")
    try:
        estimate = msgspec.convert(fields, ModelEstimate, strict=False)
        return CatalogModel(estimate=estimate, is_retired=msgspec.convert(item.get(RETIRED, False), bool))
    except msgspec.ValidationError as fault:
        raise BadCatalog(f"{path}[{place}]: {fault}") from fault


def newest(values: Iterable[bytes]) -> dict[str, CatalogEntry]:
    """The newest entry of each model, by name, of the topic's values in their order."""
    entries = [msgspec.json.decode(value, type=CatalogEntry) for value in values]
    found = {entry.model.estimate.model: entry for entry in entries}
    return {name: found[name] for name in sorted(found)}


def read(bootstrap_servers: str, topic: str) -> dict[str, CatalogEntry]:
    """What the catalogue's topic holds now. Raises `BrokerUnavailable`."""
    return newest(asyncio.run(_values(bootstrap_servers, topic)))


async def _values(bootstrap_servers: str, topic: str) -> list[bytes]:
    return [record.value async for record in records_of(bootstrap_servers, topic)]


def changed(wanted: Iterable[CatalogModel], held: Mapping[str, CatalogEntry]) -> list[CatalogModel]:
    """The models that are not in the catalogue as wanted. One that is not listed stays as it is."""
    return [model for model in wanted if model.estimate.model not in held or held[model.estimate.model].model != model]


def commands(models: Iterable[CatalogModel], shards: int, actor: str, reason: str, at_ms: int) -> list[Command]:
    """The commands that bring these models into the catalogue: one for each model and keeper."""
    return [
        Command(
            id=f"catalog:{uuid4()}",
            scope=keeper,
            at_ms=at_ms,
            instruction=UpdateCatalog(model=model),
            actor=actor,
            reason=reason,
        )
        for model in models
        for keeper in catalog_aggregates(shards)
    ]


def publish(bootstrap_servers: str, topic: str, told: Iterable[Command]) -> None:
    """Send commands to their keepers, and wait until the broker has them."""
    asyncio.run(_publish(bootstrap_servers, topic, told))


async def _publish(bootstrap_servers: str, topic: str, told: Iterable[Command]) -> None:
    producer = AIOKafkaProducer(**client_options(bootstrap_servers), acks="all")
    await producer.start()
    try:
        for command in told:
            await producer.send_and_wait(topic, encode(command), key=command.scope.encode())
    finally:
        await producer.stop()


def now_ms() -> int:
    """The clock of this machine, in milliseconds since 1970 UTC."""
    return int(time.time() * 1_000)
