"""A tenant's slots: how many of its scopes may change something, or experiment, at once, handed out by one owner.

Every scope says which slots it wants or holds; free ones go to those that have waited longest. A slot is free again
when its scope says so, or has been silent for twice the renewal time, after which the scope counts on it no more.
"""

from collections.abc import Mapping

from msgspec.structs import replace

from ..model.knowledge import Aggregate, Claim, Member, Needs, Quota, Sighting, Slot
from ..model.policy import KnowledgePolicy
from .conclusion import Conclusion


def take(before: Aggregate, sighting: Sighting, known: Member | None, at_ms: int, rules: KnowledgePolicy) -> Conclusion:
    """A scope has told its needs: it is answered, and so is everyone whose turn it is now."""
    needs = sighting.content
    assert isinstance(needs, Needs)
    was = known.fact if known is not None and isinstance(known.fact, Claim) else Claim()
    since = {slot: was.since.get(slot, at_ms) for slot in needs.slots}
    claim = Claim(since, tuple(slot for slot in was.granted if slot in needs.slots))
    members = {**before.members, sighting.member: Member(sighting.number, sighting.home, at_ms, claim)}
    granted = _granted(members, sighting.scope, rules)
    mail: list[tuple[str, Quota]] = []
    after: dict[str, Member] = {}
    for scope in sorted(members):
        member = members[scope]
        fact = member.fact
        assert isinstance(fact, Claim)
        after[scope] = replace(member, fact=replace(fact, granted=granted[scope]))
        if scope == sighting.member or granted[scope] != fact.granted:
            mail.append((scope, Quota(slots=granted[scope], answers=member.number)))
    return Conclusion(aggregate=replace(before, members=after), mail=tuple(mail))


def share_of(cap: int, aggregate: str, shards: int) -> int:
    """The part of a cap that one of several aggregates hands out; the parts add up to it.

    >>> [share_of(5, f":tenant/acme/{shard}", 3) for shard in range(3)]
    [2, 2, 1]
    """
    shard = int(aggregate.rpartition("/")[2])
    return (cap + shards - 1 - shard) // shards


def _granted(members: Mapping[str, Member], aggregate: str, rules: KnowledgePolicy) -> dict[str, tuple[Slot, ...]]:
    """Who holds which slots: whoever holds one keeps it, the rest goes by how long a scope has waited, then by name."""
    claims = {scope: member.fact for scope, member in members.items() if isinstance(member.fact, Claim)}
    found: dict[str, tuple[Slot, ...]] = dict.fromkeys(claims, ())
    for slot in Slot:
        cap = share_of(rules.tenant_slots(slot), aggregate, rules.shards)
        asking = [scope for scope, claim in claims.items() if slot in claim.since]
        order = sorted(asking, key=lambda it: (slot not in claims[it].granted, claims[it].since[slot], it))
        # A cap that was lowered takes no slot away that is in use: its holder gives it back.
        holding = sum(slot in claims[scope].granted for scope in asking)
        for scope in order[: max(cap, holding)]:
            found[scope] = (*found[scope], slot)
    return found
