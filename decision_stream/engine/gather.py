"""The step of an aggregate: take in what a scope tells, and signal what is concluded from all of them, when it changed.

An aggregate decides nothing. It knows `MEMBERS` scopes at most; who comes after that is told nothing and decides alone,
as every scope does until it has heard something.
"""

from ..model.effect import Effects
from ..model.journal import Stage, Verdict
from ..model.knowledge import MEMBERS, Aggregate, Member, Sighting, Signal
from ..model.policy import KnowledgePolicy
from . import provider_health
from .identity import derived_id
from .turn import Turn


def gather(turn: Turn, sighting: Sighting) -> Effects:
    """Step of the gather stage."""
    before = turn.cold.aggregate or Aggregate()
    known = before.members.get(sighting.member)
    if known is not None and sighting.number <= known.number:
        turn.refuse("aggregate", "already_told", sighting.member, float(sighting.number), float(known.number))
        return turn.effects(Stage.GATHER, Verdict.STALE)
    kept = _kept(before.members, turn.at_ms, turn.policy.knowledge)
    if sighting.member not in kept and len(kept) >= MEMBERS:
        turn.refuse("aggregate", "too_many_members", sighting.member, float(len(kept)), float(MEMBERS))
        return turn.effects(Stage.GATHER, Verdict.REFUSED)
    fact = provider_health.heard(sighting, known.fact if known is not None else None, turn.at_ms)
    member = Member(sighting.number, sighting.home, turn.at_ms, fact)
    members = dict(sorted({**kept, sighting.member: member}.items()))
    said = provider_health.still(before.said, turn.at_ms)
    news = provider_health.concluded(sighting, members, said, turn.at_ms, turn.policy.knowledge)
    number = before.number + (news is not None)
    standing = provider_health.standing(said if news is None else news)
    turn.update(aggregate=Aggregate(members, number, standing))
    if news is not None:
        turn.alert(*provider_health.told(news))
        for name, it in members.items():
            if it.fact.is_present:
                _signal(turn, name, it, number, news)
    elif standing is not None and fact.is_present and (known is None or not known.fact.is_present):
        _signal(turn, sighting.member, member, number, standing)
    return turn.effects(Stage.GATHER, Verdict.LEARNED)


def _kept(members: dict[str, Member], at_ms: int, rules: KnowledgePolicy) -> dict[str, Member]:
    """Members that still count: heard of lately, and with something to say."""
    return {
        name: member
        for name, member in members.items()
        if at_ms - member.heard_at_ms <= 2 * rules.renewal_ms
        and provider_health.counts(member.fact, member.heard_at_ms, at_ms, rules)
    }


def _signal(turn: Turn, scope: str, member: Member, number: int, content: provider_health.ProviderHealth) -> None:
    turn.signal(
        Signal(
            id=derived_id(turn.scope, number, scope, member.number),
            scope=scope,
            at_ms=turn.at_ms,
            aggregate=turn.scope,
            home=member.home,
            number=number,
            content=content,
        )
    )
