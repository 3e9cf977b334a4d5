"""What a tenant's scopes measured of two models against each other, pooled for the scopes that have not.

Pooled are ratios from ramps, treatment over concurrent control: how good or dear a model is differs from route to route
far more than how it compares with another. A scope asks when it is first seen and once a day, and is answered at once;
nobody is told unasked, so that the number of scopes is not bounded, only that of those remembered.

What other deployments measured can be imported as sums over their scopes. It counts for a few scopes at most, however
many are behind it: how deployments differ from each other is not in the spread within one.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import TypeVar

from msgspec.structs import replace

from ..model.knowledge import (
    AGGREGATE_MARK,
    MEMBERS,
    Aggregate,
    Compared,
    Comparison,
    Contribution,
    Member,
    PooledComparison,
    Priors,
    SharedComparison,
    Sighting,
)
from ..stats.moments import Moments
from ..stats.pooling import at_most, moments_of, predictive_of
from .conclusion import Conclusion

KEPT_OF_A_SCOPE = 3
"""The newest comparisons of a scope, one for each pair of models."""
MAX_POOLED = 30
MOST_IMPORTED = 8
"""Scopes that an import of a pair counts for at most."""
_POOL = f"{AGGREGATE_MARK}prior/"
_Told = TypeVar("_Told", Comparison, SharedComparison)


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
    return Conclusion(aggregate=after, answer=Priors(pooled=pooled(comparisons, before.imported)))


def refusal(pool: str) -> tuple[str, str] | None:
    """Why an aggregate takes no import, with a code and a sentence; None when it does."""
    return None if pool.startswith(_POOL) else ("no_pool", f"{pool} keeps no priors of a tenant")


def imported(before: Aggregate, comparisons: tuple[SharedComparison, ...]) -> Conclusion:
    """The pool with what other deployments measured instead of what was imported before."""
    kept = merged(comparisons)
    return Conclusion(aggregate=before if kept == before.imported else replace(before, imported=kept))


def merged(comparisons: Iterable[SharedComparison]) -> tuple[SharedComparison, ...]:
    """What several told of the same pairs, added up: one of each pair, in the order of their names.

    >>> one = SharedComparison(
    ...     old="b",
    ...     new="a",
    ...     scopes=4,
    ...     samples=9,
    ...     quality=1.0,
    ...     quality_m2=2.0,
    ...     cost=0.0,
    ...     cost_m2=0.0,
    ...     latency=0.0,
    ...     latency_m2=0.0,
    ... )
    >>> (both,) = merged([one, one])
    >>> both.old, both.scopes, both.samples, both.quality, both.quality_m2
    ('a', 8, 18, -1.0, 4.0)
    """
    found: dict[tuple[str, str], SharedComparison] = {}
    for it in comparisons:
        turned = it if it.old < it.new else _turned(it)
        pair = turned.old, turned.new
        found[pair] = turned if pair not in found else _added(found[pair], turned)
    return tuple(found[pair] for pair in sorted(found))


def shared(comparisons: Iterable[Comparison]) -> tuple[SharedComparison, ...]:
    """What scopes measured of each pair, as sums that tell of none of them."""
    found = _by_pair(comparisons)
    return tuple(_shared(old, new, found[old, new]) for old, new in sorted(found))


def pooled(
    comparisons: Iterable[Comparison], imported: tuple[SharedComparison, ...] = ()
) -> tuple[PooledComparison, ...]:
    """What to expect of each pair that enough scopes compared, those of the most scopes first.

    A comparison of b with a is one of a with b, the other way round.
    """
    own = {(it.old, it.new): it for it in shared(comparisons)}
    others = {(it.old, it.new): _weakened(it) for it in imported}
    sums = merged((*own.values(), *others.values()))
    made = [one for it in sums if (one := _pooled(it)) is not None]
    return tuple(sorted(made, key=lambda it: (-it.scopes, it.old, it.new))[:MAX_POOLED])


def _by_pair(comparisons: Iterable[Comparison]) -> dict[tuple[str, str], list[Comparison]]:
    found: dict[tuple[str, str], list[Comparison]] = defaultdict(list)
    for it in comparisons:
        turned = it if it.old < it.new else _turned(it)
        found[turned.old, turned.new].append(turned)
    return found


def _turned(it: _Told) -> _Told:
    return replace(it, old=it.new, new=it.old, quality=-it.quality, cost=-it.cost, latency=-it.latency)


def _shared(old: str, new: str, told: list[Comparison]) -> SharedComparison:
    parts = [moments_of([it.quality for it in told]), moments_of([it.cost for it in told])]
    return _summed(old, new, sum(it.samples for it in told), (*parts, moments_of([it.latency for it in told])))


def _added(one: SharedComparison, other: SharedComparison) -> SharedComparison:
    parts = tuple(a.merge(b) for a, b in zip(_moments(one), _moments(other), strict=True))
    return _summed(one.old, one.new, one.samples + other.samples, parts)


def _weakened(it: SharedComparison) -> SharedComparison:
    """For as many scopes as an import counts for; requests in proportion."""
    parts = tuple(at_most(moments, MOST_IMPORTED) for moments in _moments(it))
    return _summed(it.old, it.new, it.samples * parts[0].count // it.scopes, parts)


def _moments(it: SharedComparison) -> tuple[Moments, ...]:
    """Of quality, cost and latency, over scopes."""
    return (
        Moments(it.scopes, it.quality, it.quality_m2),
        Moments(it.scopes, it.cost, it.cost_m2),
        Moments(it.scopes, it.latency, it.latency_m2),
    )


def _summed(old: str, new: str, samples: int, parts: tuple[Moments, ...]) -> SharedComparison:
    quality, cost, latency = parts
    return SharedComparison(
        old=old,
        new=new,
        scopes=quality.count,
        samples=samples,
        quality=quality.mean,
        quality_m2=quality.m2,
        cost=cost.mean,
        cost_m2=cost.m2,
        latency=latency.mean,
        latency_m2=latency.m2,
    )


def _pooled(it: SharedComparison) -> PooledComparison | None:
    quality, cost, latency = (predictive_of(moments) for moments in _moments(it))
    if quality is None or cost is None or latency is None:
        return None
    return PooledComparison(
        old=it.old,
        new=it.new,
        scopes=it.scopes,
        samples=it.samples,
        quality=quality[0],
        quality_variance=quality[1],
        cost=cost[0],
        cost_variance=cost[1],
        latency=latency[0],
        latency_variance=latency[1],
    )
