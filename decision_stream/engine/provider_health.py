"""A provider's incident, concluded from scopes that fell into trouble at nearly the same time.

Only scopes without a recent change of ours are witnesses of an incident: a mistake that we roll out everywhere must not
pass for one. How many are needed is in stats/coincidence.py.
"""

from collections.abc import Mapping

from msgspec.structs import replace

from ..model.knowledge import Aggregate, Member, ProviderHealth, ProviderReport, Sighting, Witness
from ..model.policy import DAY_MS, KnowledgePolicy
from ..stats.coincidence import false_alarms_per_day, least_needed
from .conclusion import Conclusion


def take(before: Aggregate, sighting: Sighting, known: Member | None, at_ms: int, rules: KnowledgePolicy) -> Conclusion:
    """A scope has told how it is: an incident may begin, go on or end, and who comes during one is told of it."""
    report = sighting.content
    assert isinstance(report, ProviderReport)
    was = known.fact if known is not None else None
    witness = _witness(report, was if isinstance(was, Witness) else None, min(sighting.at_ms, at_ms))
    member = Member(sighting.number, sighting.home, at_ms, witness)
    members = dict(sorted({**before.members, sighting.member: member}.items()))
    witnesses = {name: it.fact for name, it in members.items() if isinstance(it.fact, Witness)}
    said = before.incident if before.incident is not None and at_ms < before.incident.until_ms else None
    news = _news(report.provider, sighting.member, witnesses, said, at_ms, rules)
    standing = said if news is None else news
    after = replace(
        before, members=members, incident=standing if standing is not None and standing.has_incident else None
    )
    if news is not None:
        mail = tuple((name, news) for name, it in witnesses.items() if it.is_present)
        return Conclusion(aggregate=after, mail=mail, alert=_told(news))
    is_new = witness.is_present and not (isinstance(was, Witness) and was.is_present)
    mail = ((sighting.member, standing),) if is_new and standing is not None else ()
    return Conclusion(aggregate=after, mail=mail)


def counts(member: Member, at_ms: int, rules: KnowledgePolicy) -> bool:
    """Whether a member counts: who went elsewhere in trouble does so while the incident may last, for it fled."""
    fact = member.fact
    if not isinstance(fact, Witness) or fact.is_present:
        return True
    return fact.onset_ms > 0 and at_ms - member.heard_at_ms < rules.incident_ms


def _witness(report: ProviderReport, was: Witness | None, at_ms: int) -> Witness:
    """What the scope says now; a trouble that goes on keeps its onset."""
    onset_ms = 0
    if report.is_troubled:
        onset_ms = was.onset_ms if was is not None and was.onset_ms else at_ms
    return Witness(onset_ms, report.is_changed, report.is_present)


def _news(
    provider: str,
    teller: str,
    witnesses: Mapping[str, Witness],
    said: ProviderHealth | None,
    at_ms: int,
    rules: KnowledgePolicy,
) -> ProviderHealth | None:
    """An incident begins, goes on beyond what was said, or ends; None when there is no news."""
    told = witnesses[teller]
    window_ms = rules.coincidence_ms
    if said is not None:
        still_troubled = len(_troubled(witnesses, said.since_ms))
        fact = {"witnesses": len(witnesses), "troubled": still_troubled}
        if 2 * still_troubled < said.needed:
            return replace(said, has_incident=False, until_ms=at_ms, **fact)
        if told.onset_ms and not told.is_changed and said.until_ms - at_ms < rules.incident_ms // 2:
            return replace(said, until_ms=at_ms + rules.incident_ms, **fact)
        return None
    # Only with the onset of a trouble: that is when the rule may speak by chance.
    if not told.onset_ms or told.is_changed:
        return None
    needed = least_needed(
        len(witnesses), rules.own_troubles_per_day, window_ms / DAY_MS, rules.days_between_false_incidents
    )
    if needed is None:
        return None
    troubled = _troubled(witnesses, at_ms - window_ms)
    if teller not in troubled or len(troubled) < needed:
        return None
    per_day = false_alarms_per_day(len(witnesses), needed, rules.own_troubles_per_day, window_ms / DAY_MS)
    return ProviderHealth(
        provider=provider,
        has_incident=True,
        since_ms=min(witnesses[name].onset_ms for name in troubled),
        until_ms=at_ms + rules.incident_ms,
        witnesses=len(witnesses),
        troubled=len(troubled),
        needed=needed,
        days_between_false_incidents=1.0 / per_day,
    )


def _told(health: ProviderHealth) -> tuple[str, str]:
    """Code and text of an alert about it."""
    return (
        "provider_incident" if health.has_incident else "provider_recovered",
        f"{health.provider}: {health.troubled} of {health.witnesses} scopes in trouble without a change of ours, "
        f"{health.needed} needed; by chance less than once in {health.days_between_false_incidents:.0f} days",
    )


def _troubled(witnesses: Mapping[str, Witness], since_ms: int) -> list[str]:
    return [name for name, it in witnesses.items() if it.onset_ms and it.onset_ms >= since_ms and not it.is_changed]
