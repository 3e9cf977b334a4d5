"""The pause of optimisation on all scopes, when the changes of too many of them fail at the same time.

A scope that fails alone has a breaker of its own. When most scopes that change something fail, the cause is none of
theirs: an actuator that serves something else than it is told, a wrong catalogue, a mistake of the engine. Each scope
has one vote, the end of its newest change, so that one that fails often opens nothing alone.

After the pause a few scopes, named when it began, may try one change each. A success ends the pause for all and clears
the votes, a failure begins it anew for twice as long. Without either it lapses, for nobody else may try.
"""

from msgspec.structs import replace

from ..model.knowledge import Aggregate, Attempt, Attempts, FleetPause, Member, Sighting
from ..model.policy import BreakerPolicy
from .conclusion import Conclusion

MAX_OPENS = 20
_NONE_ENDED = Attempt()


def take(before: Aggregate, sighting: Sighting, known: Member | None, at_ms: int, rules: BreakerPolicy) -> Conclusion:
    """A scope is about to change something, or tells how a change ended."""
    report = sighting.content
    assert isinstance(report, Attempts)
    was = known.fact if known is not None and isinstance(known.fact, Attempt) else _NONE_ENDED
    fact = Attempt(at_ms, report.begun_at_ms, report.failed) if report.begun_at_ms else was
    member = Member(sighting.number, sighting.home, at_ms, fact)
    after = replace(before, members=dict(sorted({**before.members, sighting.member: member}.items())))
    pause = before.pause
    standing = pause if pause is not None and at_ms < pause.lapses_ms else None
    if standing is not None and (not report.begun_at_ms or report.begun_at_ms < standing.until_ms):
        # A result of what was begun before is late and changes nothing; who was not told of the pause is told now.
        mail = () if known is not None else ((sighting.member, standing),)
        return Conclusion(aggregate=after, mail=mail)
    if not report.begun_at_ms:
        return Conclusion(aggregate=after)
    if pause is not None and report.begun_at_ms >= pause.until_ms:
        # A pause that lapsed is judged by the first result after it too, so that the next one lasts longer.
        return _opened(after, at_ms, rules, pause.opens) if report.failed else _closed(after, at_ms)
    if report.failed and _too_many_failed(after, at_ms, rules):
        return _opened(after, at_ms, rules, 0 if pause is None else pause.opens)
    return Conclusion(aggregate=after)


def _votes(aggregate: Aggregate, at_ms: int, rules: BreakerPolicy) -> dict[str, bool]:
    """Whether the newest change of each scope failed, of those that ended within the window."""
    facts = {name: member.fact for name, member in aggregate.members.items()}
    return {
        name: fact.failed
        for name, fact in facts.items()
        if isinstance(fact, Attempt) and fact.ended_at_ms and at_ms - fact.ended_at_ms < rules.fleet_window_ms
    }


def _too_many_failed(aggregate: Aggregate, at_ms: int, rules: BreakerPolicy) -> bool:
    votes = _votes(aggregate, at_ms, rules)
    return 0 < rules.fleet_scopes <= len(votes) and sum(votes.values()) > rules.fleet_failure_share * len(votes)


def _opened(aggregate: Aggregate, at_ms: int, rules: BreakerPolicy, opens: int) -> Conclusion:
    votes = _votes(aggregate, at_ms, rules)
    until_ms = at_ms + min(rules.fleet_open_ms * 2**opens, rules.max_open_ms)
    pause = FleetPause(
        until_ms=until_ms,
        lapses_ms=until_ms + rules.fleet_probe_ms,
        failed=sum(votes.values()),
        scopes=len(votes),
        opens=min(opens + 1, MAX_OPENS),
    )
    probes = _probes(aggregate, rules)
    mail = tuple((name, replace(pause, may_probe=name in probes)) for name in aggregate.members)
    told = (
        f"the newest changes of {pause.failed} of {pause.scopes} scopes failed; no scope begins one until {until_ms}, "
        f"then {len(probes)} may try one each"
    )
    return Conclusion(aggregate=replace(aggregate, pause=pause), mail=mail, alert=("fleet_breaker_opened", told))


def _closed(aggregate: Aggregate, at_ms: int) -> Conclusion:
    """All scopes begin anew: what failed before says nothing any more."""
    members = {name: replace(member, fact=_NONE_ENDED) for name, member in aggregate.members.items()}
    over = FleetPause(until_ms=at_ms, lapses_ms=at_ms)
    mail = tuple((name, over) for name in members)
    told = ("fleet_breaker_closed", "a change succeeded after the pause; all scopes go on")
    return Conclusion(aggregate=replace(aggregate, members=members, pause=None), mail=mail, alert=told)


def _probes(aggregate: Aggregate, rules: BreakerPolicy) -> set[str]:
    """Scopes whose newest change did not fail, then those heard of latest: they are the likeliest to try again."""

    def rank(name: str) -> tuple[bool, int, str]:
        member = aggregate.members[name]
        return isinstance(member.fact, Attempt) and member.fact.failed, -member.heard_at_ms, name

    return set(sorted(aggregate.members, key=rank)[: rules.fleet_probes])
