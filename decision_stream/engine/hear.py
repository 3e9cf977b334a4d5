"""A scope takes in what an aggregate has concluded, and decides nothing yet: its next insight meets what it knows."""

from msgspec.structs import replace

from ..model.effect import Effects
from ..model.journal import Stage, Verdict
from ..model.knowledge import CatalogModel, CatalogNews, FleetPause, Knowledge, Priors, ProviderHealth, Quota, Signal
from . import slots
from .turn import Turn

MAX_AGGREGATES = 64


def hear(turn: Turn, signal: Signal) -> Effects:
    """Step of the hear stage."""
    knowledge = turn.cold.knowledge
    newest = knowledge.heard.get(signal.aggregate, -1)
    if signal.number <= newest:
        turn.refuse("knowledge", "already_heard", signal.aggregate, float(signal.number), float(newest))
        return turn.effects(Stage.HEAR, Verdict.STALE)
    heard = dict(sorted({**knowledge.heard, signal.aggregate: signal.number}.items()))
    if len(heard) > MAX_AGGREGATES:
        turn.refuse("knowledge", "too_many_aggregates", signal.aggregate, float(len(heard)), float(MAX_AGGREGATES))
        return turn.effects(Stage.HEAR, Verdict.REFUSED)
    knowledge = replace(knowledge, heard=heard)
    turn.update(knowledge=knowledge)
    match signal.content:
        case ProviderHealth() as health:
            turn.update(knowledge=_with_health(knowledge, health))
            turn.learned(f"provider_incident:{health.provider}", None, 1.0 if health.has_incident else 0.0)
        case CatalogNews(models=models):
            turn.update(knowledge=_with_models(knowledge, models))
            turn.learned("catalog", None, float(len(models)))
        case Priors(pooled=pooled):
            if pooled != knowledge.priors:
                turn.update(knowledge=replace(knowledge, priors=pooled))
            turn.learned("priors", None, float(len(pooled)))
        case Quota() as quota:
            if not slots.hear(turn, quota):
                turn.refuse("knowledge", "answer_to_an_older_need", signal.aggregate, float(quota.answers))
            turn.learned("tenant_slots", None, float(len(quota.slots)))
        case FleetPause() as pause:
            turn.update(knowledge=replace(knowledge, pause=pause))
            turn.learned("fleet_pause", None, float(pause.opens))
    return turn.effects(Stage.HEAR, Verdict.LEARNED)


def _with_health(knowledge: Knowledge, health: ProviderHealth) -> Knowledge:
    incidents = {name: it for name, it in knowledge.incidents.items() if name != health.provider}
    if health.has_incident:
        incidents = dict(sorted({**incidents, health.provider: health}.items()))
    return replace(knowledge, incidents=incidents)


def _with_models(knowledge: Knowledge, models: tuple[CatalogModel, ...]) -> Knowledge:
    known = {**knowledge.catalog, **{model.estimate.model: model for model in models}}
    return replace(knowledge, catalog=dict(sorted(known.items())))
