"""The catalogue of models: operators tell its keeper, which tells all scopes and publishes the newest entries."""

from msgspec.structs import replace

from ..model.command import Command, UpdateCatalog
from ..model.knowledge import (
    Aggregate,
    CatalogEntry,
    CatalogModel,
    CatalogNews,
    Member,
    Reader,
    Sighting,
    catalog_aggregates,
)
from .conclusion import Conclusion
from .identity import derived_id

MAX_MODELS = 50
"""Models of the catalogue, retired ones among them: every scope keeps all of it."""


def welcome(before: Aggregate, sighting: Sighting, known: Member | None, at_ms: int) -> Conclusion:
    """A scope asks for the catalogue; one that is known already hears of changes only."""
    member = Member(sighting.number, sighting.home, at_ms, Reader())
    members = dict(sorted({**before.members, sighting.member: member}.items()))
    after = replace(before, members=members)
    if known is not None or not before.catalog:
        return Conclusion(aggregate=after)
    return Conclusion(aggregate=after, mail=((sighting.member, CatalogNews(models=tuple(before.catalog.values()))),))


def refusal(before: Aggregate, keeper: str, model: CatalogModel) -> tuple[str, str] | None:
    """Why a model cannot be put into the catalogue, with a code and a sentence; None when it can."""
    if not keeper.startswith(catalog_aggregates(1)[0].removesuffix("0")):
        return "no_catalog", f"{keeper} keeps no catalogue"
    if model.estimate.model not in before.catalog and len(before.catalog) >= MAX_MODELS:
        return "too_many_models", f"the catalogue has {len(before.catalog)} models, at most {MAX_MODELS}"
    return None


def update(before: Aggregate, model: CatalogModel) -> Conclusion:
    """The catalogue with this model; told to all readers when it changed."""
    name = model.estimate.model
    if before.catalog.get(name) == model:
        return Conclusion(aggregate=before)
    after = replace(before, catalog=dict(sorted({**before.catalog, name: model}.items())))
    news = CatalogNews(models=(model,))
    return Conclusion(aggregate=after, mail=tuple((scope, news) for scope in after.members))


def entry(command: Command, at_ms: int) -> CatalogEntry:
    """What is published of an update. Every keeper publishes it, under the same key."""
    assert isinstance(command.instruction, UpdateCatalog)
    return CatalogEntry(
        id=derived_id(command.id, "catalog"), at_ms=at_ms, model=command.instruction.model, actor=command.actor
    )
