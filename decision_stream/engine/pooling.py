"""What a tenant's scopes measured of two models against each other, pooled for the scopes that have not.

Pooled are ratios from ramps, treatment over concurrent control: how good or dear a model is differs from route to route
far more than how it compares with another. A scope asks when it is first seen and once a day, and is answered at once;
nobody is told unasked, so that the number of scopes is not bounded, only that of those remembered.
"""

from collections import defaultdict
from collections.abc import Iterable

from msgspec.structs import replace

from ..model.knowledge import (
    MEMBERS,
    Aggregate,
    Compared,
    Comparison,
    Contribution,
    Member,
    PooledComparison,
    Priors,
    Sighting,
)
from ..stats.pooling import predictive
from .conclusion import Conclusion

KEPT_OF_A_SCOPE = 3
"""The newest comparisons of a scope, one for each pair of models."""
MAX_POOLED = 30


def take(before: Aggregate, sighting: Sighting, known: Member | None, at_ms: int) -> Conclusion:
    """A scope tells what it measured, if anything, and is answered with what all others have."""
    contribution = sighting.content
    assert isinstance(contribution, Contribution)
    after = before
    if contribution.comparisons:
        was = known.fact.comparisons if known is not None and isinstance(known.fact, Compared) else ()
        told = {(it.old, it.new): it for it in (*was, *contribution.comparisons)}
        # Told anew, a pair counts as the newest.
        order = [*(pair for pair in told if told[pair] in was), *(pair for pair in told if told[pair] not in was)]
        fact = Compared(tuple(told[pair] for pair in order[-KEPT_OF_A_SCOPE:]))
        members = {**before.members, sighting.member: Member(sighting.number, sighting.home, at_ms, fact)}
        newest = sorted(members, key=lambda name: (-members[name].heard_at_ms, name))[:MEMBERS]
        after = replace(before, members={name: members[name] for name in sorted(newest)})
    others = (member.fact for name, member in after.members.items() if name != sighting.member)
    comparisons = (it for fact in others if isinstance(fact, Compared) for it in fact.comparisons)
    return Conclusion(aggregate=after, answer=Priors(pooled=pooled(comparisons)))


def pooled(comparisons: Iterable[Comparison]) -> tuple[PooledComparison, ...]:
    """What to expect of each pair that enough scopes compared, those of the most scopes first.

    A comparison of b with a is one of a with b, the other way round.
    """
    found: dict[tuple[str, str], list[Comparison]] = defaultdict(list)
    for it in comparisons:
        turned = it if it.old < it.new else _turned(it)
        found[turned.old, turned.new].append(turned)
    made = [one for (old, new) in sorted(found) if (one := _pooled(old, new, found[old, new])) is not None]
    return tuple(sorted(made, key=lambda it: (-it.scopes, it.old, it.new))[:MAX_POOLED])


def _turned(it: Comparison) -> Comparison:
    return Comparison(
        old=it.new, new=it.old, quality=-it.quality, cost=-it.cost, latency=-it.latency, samples=it.samples
    )


def _pooled(old: str, new: str, told: list[Comparison]) -> PooledComparison | None:
    quality = predictive([it.quality for it in told])
    cost = predictive([it.cost for it in told])
    latency = predictive([it.latency for it in told])
    if quality is None or cost is None or latency is None:
        return None
    return PooledComparison(
        old=old,
        new=new,
        scopes=len(told),
        samples=sum(it.samples for it in told),
        quality=quality[0],
        quality_variance=quality[1],
        cost=cost[0],
        cost_variance=cost[1],
        latency=latency[0],
        latency_variance=latency[1],
    )
