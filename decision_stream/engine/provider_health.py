"""A provider's incident, concluded from scopes that fell into trouble at nearly the same time.

Only scopes without a recent change of ours are witnesses of an incident: a mistake that we roll out everywhere must not
pass for one. How many are needed is in stats/coincidence.py.
"""

from collections.abc import Mapping

from msgspec.structs import replace

from ..model.knowledge import Member, ProviderHealth, Sighting, Witness
from ..model.policy import DAY_MS, KnowledgePolicy
from ..stats.coincidence import false_alarms_per_day, least_needed


def heard(sighting: Sighting, known: Witness | None, at_ms: int) -> Witness:
    """What the scope says now; a trouble that goes on keeps its onset."""
    report = sighting.content
    onset_ms = 0
    if report.is_troubled:
        onset_ms = known.onset_ms if known is not None and known.onset_ms else min(sighting.at_ms, at_ms)
    return Witness(onset_ms, report.is_changed, report.is_present)


def counts(witness: Witness, heard_at_ms: int, at_ms: int, rules: KnowledgePolicy) -> bool:
    """Whether a witness counts: who went elsewhere in trouble does so while the incident may last, for it fled."""
    return witness.is_present or (witness.onset_ms > 0 and at_ms - heard_at_ms < rules.incident_ms)


def still(said: ProviderHealth | None, at_ms: int) -> ProviderHealth | None:
    """The incident that was signalled, unless it is void by now."""
    return said if said is not None and at_ms < said.until_ms else None


def standing(said: ProviderHealth | None) -> ProviderHealth | None:
    """What a scope that comes later must be told."""
    return said if said is not None and said.has_incident else None


def concluded(
    sighting: Sighting, members: Mapping[str, Member], said: ProviderHealth | None, at_ms: int, rules: KnowledgePolicy
) -> ProviderHealth | None:
    """An incident begins, goes on beyond what was said, or ends; None when there is no news."""
    witnesses = {name: member.fact for name, member in members.items()}
    told = witnesses[sighting.member]
    window_ms = rules.coincidence_ms
    needed = least_needed(
        len(witnesses), rules.own_troubles_per_day, window_ms / DAY_MS, rules.days_between_false_incidents
    )
    if said is not None:
        still_troubled = len(_troubled(witnesses, said.since_ms))
        fact = {"witnesses": len(witnesses), "troubled": still_troubled}
        if 2 * still_troubled < said.needed:
            return replace(said, has_incident=False, until_ms=at_ms, **fact)
        if told.onset_ms and not told.is_changed and said.until_ms - at_ms < rules.incident_ms // 2:
            return replace(said, until_ms=at_ms + rules.incident_ms, **fact)
        return None
    # Only with the onset of a trouble: that is when the rule may speak by chance.
    if needed is None or not told.onset_ms or told.is_changed:
        return None
    troubled = _troubled(witnesses, at_ms - window_ms)
    if sighting.member not in troubled or len(troubled) < needed:
        return None
    per_day = false_alarms_per_day(len(witnesses), needed, rules.own_troubles_per_day, window_ms / DAY_MS)
    return ProviderHealth(
        provider=sighting.content.provider,
        has_incident=True,
        since_ms=min(witnesses[name].onset_ms for name in troubled),
        until_ms=at_ms + rules.incident_ms,
        witnesses=len(witnesses),
        troubled=len(troubled),
        needed=needed,
        days_between_false_incidents=1.0 / per_day,
    )


def told(health: ProviderHealth) -> tuple[str, str]:
    """Code and text of an alert about it."""
    code = "provider_incident" if health.has_incident else "provider_recovered"
    return code, f"{health.provider}: {in_words(health)}"


def in_words(health: ProviderHealth) -> str:
    """The evidence, in words."""
    return (
        f"{health.troubled} of {health.witnesses} scopes in trouble without a change of ours, {health.needed} needed; "
        f"by chance less than once in {health.days_between_false_incidents:.0f} days"
    )


def _troubled(witnesses: Mapping[str, Witness], since_ms: int) -> list[str]:
    return [name for name, it in witnesses.items() if it.onset_ms and it.onset_ms >= since_ms and not it.is_changed]
