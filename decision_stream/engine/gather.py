"""The step of an aggregate: take in what a scope tells, and tell the scopes it concerns what follows, when it changed.

An aggregate decides nothing. It knows `MEMBERS` scopes at most; who comes after that is told nothing and decides alone,
as every scope does until it has heard something.
"""

from msgspec.structs import replace

from ..model.command import Command, ImportPriors, Tick, UpdateCatalog
from ..model.effect import Effects
from ..model.journal import Stage, Verdict
from ..model.knowledge import (
    MEMBERS,
    Aggregate,
    Attempts,
    CatalogReader,
    Contribution,
    Member,
    Needs,
    ProviderReport,
    Sighting,
    Signal,
)
from ..model.policy import KnowledgePolicy
from . import catalog, fleet_breaker, pooling, provider_health, quotas
from .conclusion import Conclusion, Content
from .identity import derived_id
from .turn import Turn


def gather(turn: Turn, sighting: Sighting) -> Effects:
    """Step of the gather stage: a scope has told something."""
    before = turn.cold.aggregate or Aggregate()
    known = before.members.get(sighting.member)
    if known is not None and sighting.number <= known.number:
        turn.refuse("aggregate", "already_told", sighting.member, float(sighting.number), float(known.number))
        return turn.effects(Stage.GATHER, Verdict.STALE)
    if isinstance(sighting.content, Contribution):
        found = pooling.take(before, sighting, known, turn.at_ms)
        _conclude(turn, found)
        answer = found.answer
        assert answer is not None
        # Who only asks is not remembered, so that a question told again is answered again, perhaps with more: another
        # message, which needs another id.
        _signal(turn, sighting.member, sighting.home, sighting.number, answer, turn.at_ms, answer)
        return turn.effects(Stage.GATHER, Verdict.LEARNED)
    kept = _kept(before.members, turn.at_ms, turn.policy.knowledge)
    if sighting.member not in kept and len(kept) >= MEMBERS:
        turn.refuse("aggregate", "too_many_members", sighting.member, float(len(kept)), float(MEMBERS))
        return turn.effects(Stage.GATHER, Verdict.REFUSED)
    before = replace(before, members=kept)
    match sighting.content:
        case ProviderReport():
            found = provider_health.take(before, sighting, known, turn.at_ms, turn.policy.knowledge)
        case CatalogReader():
            found = catalog.welcome(before, sighting, known, turn.at_ms)
        case Needs():
            found = quotas.take(before, sighting, known, turn.at_ms, turn.policy.knowledge)
        case Attempts():
            found = fleet_breaker.take(before, sighting, known, turn.at_ms, turn.policy.breaker)
    _conclude(turn, found)
    return turn.effects(Stage.GATHER, Verdict.LEARNED)


def direct(turn: Turn, command: Command) -> Effects:
    """Step of the govern stage: an operator has told the keeper of the catalogue, or a pool of priors, something."""
    turn.actor = command.actor
    if isinstance(command.instruction, Tick):
        return turn.effects(Stage.GOVERN, Verdict.APPLIED)
    if turn.has_seen(command.id):
        turn.refuse("aggregate", "already_taken", command.id)
        return turn.effects(Stage.GOVERN, Verdict.STALE)
    turn.see(command.id)
    before = turn.cold.aggregate or Aggregate()
    match command.instruction:
        case UpdateCatalog(model=model):
            refusal = catalog.refusal(before, turn.scope, model)
            if refusal is None:
                _conclude(turn, catalog.update(before, model))
                turn.publish(catalog.entry(command, turn.at_ms))
        case ImportPriors(comparisons=comparisons):
            refusal = pooling.refusal(turn.scope)
            if refusal is None:
                _conclude(turn, pooling.imported(before, comparisons))
                turn.learned("imported_priors", float(len(before.imported)), float(len(comparisons)))
        case _:
            raise AssertionError("the wire lets nothing else through")
    if refusal is not None:
        turn.refuse("aggregate", *refusal)
        return turn.effects(Stage.GOVERN, Verdict.REFUSED)
    return turn.effects(Stage.GOVERN, Verdict.APPLIED)


def _conclude(turn: Turn, found: Conclusion) -> None:
    number = found.aggregate.number + bool(found.mail)
    after = found.aggregate if not found.mail else replace(found.aggregate, number=number)
    if after != turn.cold.aggregate:
        turn.update(aggregate=after)
    if found.alert is not None:
        turn.alert(*found.alert)
    for scope, content in found.mail:
        _signal(turn, scope, after.members[scope].home, number, content)


def _signal(turn: Turn, scope: str, home: int, number: int, content: Content, *causes: object) -> None:
    turn.signal(
        Signal(
            id=derived_id(turn.scope, number, scope, *causes),
            scope=scope,
            at_ms=turn.at_ms,
            aggregate=turn.scope,
            home=home,
            number=number,
            content=content,
        )
    )


def _kept(members: dict[str, Member], at_ms: int, rules: KnowledgePolicy) -> dict[str, Member]:
    """Members that still count: heard of lately, and with something to say."""
    return {
        name: member
        for name, member in members.items()
        if at_ms - member.heard_at_ms <= 2 * rules.renewal_ms and provider_health.counts(member, at_ms, rules)
    }
