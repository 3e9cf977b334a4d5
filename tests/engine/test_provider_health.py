"""A provider's incident: seen on scopes that changed nothing, told to the others, and not blamed on their changes."""

from msgspec.structs import replace

from decision_stream.engine.step import step
from decision_stream.model.actuation import BreakRoute
from decision_stream.model.configuration import Configuration
from decision_stream.model.knowledge import (
    MEMBERS,
    Aggregate,
    CatalogReader,
    Contribution,
    ProviderReport,
    Sighting,
    Signal,
    aggregate_of,
)
from decision_stream.model.policy import KnowledgePolicy, Policy
from decision_stream.model.state import ColdState, ConfigurationVersion, ScopeState
from tests.engine.neighbours import Neighbours
from tests.factories import MINUTE_MS, PREMIUM, START_MS, estimate, insight

CHEAP = Configuration(model="cheap")
OURS = "acme/support/chat"
OTHERS = tuple(f"acme/other/r{number}" for number in range(6))
WATCH = aggregate_of("provider", "openai", OURS, 1)


def provided(*models: str, provider: str = "openai"):
    return tuple(replace(estimate(model), provider=provider) for model in models)


def changed_an_hour_ago(neighbours: Neighbours) -> None:
    """Our change of this scope, from premium to cheap, is completed and recent."""
    history = (
        ConfigurationVersion(configuration=PREMIUM, since_ms=START_MS - 9_000_000, healthy=True),
        ConfigurationVersion(configuration=CHEAP, since_ms=START_MS - 3_600_000, decision_id="d1", healthy=True),
    )
    neighbours[OURS].state = ScopeState(scope=OURS, cold=ColdState(configuration=CHEAP, history=history))


def failing(neighbours: Neighbours, scopes, minutes: range) -> None:
    for minute in minutes:
        for scope in scopes:
            neighbours.tell(insight(minute, scope=scope, configuration=CHEAP, error_rate=0.5))


def well(neighbours: Neighbours, scopes, minutes: range) -> None:
    for minute in minutes:
        for scope in scopes:
            neighbours.tell(insight(minute, scope=scope, configuration=CHEAP))


def of_one_provider() -> Neighbours:
    neighbours = Neighbours(Policy(catalog=provided("cheap", "premium")))
    changed_an_hour_ago(neighbours)
    well(neighbours, (OURS, *OTHERS), range(3))
    return neighbours


def test_an_incident_on_other_scopes_is_not_blamed_on_our_change():
    neighbours = of_one_provider()
    failing(neighbours, OTHERS, range(3, 7))
    heard = neighbours[OURS].state.cold.knowledge.incidents["openai"]
    assert heard.has_incident and (heard.witnesses, heard.needed) == (7, 4) and heard.troubled >= 4
    failing(neighbours, (OURS,), range(7, 12))
    (directive, *_) = neighbours[OURS].directives
    assert isinstance(directive.order, BreakRoute)
    methods = [evidence.method for evidence in directive.decision.evidence]
    assert methods[-1] == "coincidence" and "openai has an incident" in directive.decision.decision.reason
    assert neighbours[OURS].state.cold.history[-1].decision_id == "d1", "our change stays"


def test_without_other_scopes_in_trouble_our_change_is_blamed():
    neighbours = of_one_provider()
    failing(neighbours, (OURS,), range(3, 8))
    (directive, *_) = neighbours[OURS].directives
    assert directive.decision.kind == "rollback" and directive.decision.decision.reverts == "d1"


def test_scopes_that_changed_too_are_no_witnesses():
    neighbours = Neighbours(Policy(catalog=provided("cheap", "premium")))
    changed_an_hour_ago(neighbours)
    for scope in OTHERS:
        neighbours[scope].state = ScopeState(scope=scope, cold=neighbours[OURS].state.cold)
    well(neighbours, (OURS, *OTHERS), range(3))
    failing(neighbours, OTHERS, range(3, 8))
    assert neighbours[OURS].state.cold.knowledge.incidents == {}
    failing(neighbours, (OURS,), range(8, 13))
    assert neighbours[OURS].directives[0].decision.decision.reverts == "d1"


def test_another_provider_that_is_well_is_a_way_out():
    neighbours = Neighbours(Policy(catalog=(*provided("cheap"), *provided("premium", provider="anthropic"))))
    changed_an_hour_ago(neighbours)
    well(neighbours, (OURS, *OTHERS), range(3))
    failing(neighbours, OTHERS, range(3, 7))
    failing(neighbours, (OURS,), range(7, 12))
    decision = neighbours[OURS].directives[0].decision
    assert decision.decision.target_configuration_id == PREMIUM.id and decision.decision.reverts is None
    assert "failing over to another provider" in decision.decision.reason


def test_the_end_of_an_incident_is_told_and_our_change_may_be_blamed_again():
    neighbours = of_one_provider()
    failing(neighbours, OTHERS, range(3, 7))
    assert neighbours[OURS].state.cold.knowledge.incidents
    well(neighbours, OTHERS, range(20, 120))
    assert neighbours[OURS].state.cold.knowledge.incidents == {}
    assert "provider_recovered" in {it.code for effects in neighbours[WATCH].effects for it in effects.alerts}
    failing(neighbours, (OURS,), range(120, 126))
    assert neighbours[OURS].directives[0].decision.decision.reverts == "d1"


def test_what_was_heard_is_void_after_a_while():
    neighbours = of_one_provider()
    failing(neighbours, OTHERS, range(3, 7))
    later = 7 + Policy().knowledge.incident_ms // MINUTE_MS
    failing(neighbours, (OURS,), range(later, later + 5))
    assert neighbours[OURS].directives[0].decision.decision.reverts == "d1"


def test_a_quiet_scope_tells_once_a_day():
    neighbours = of_one_provider()
    before = neighbours[OURS].state
    told = [neighbours.tell(insight(minute, scope=OURS, configuration=CHEAP)).signals for minute in range(3, 200)]
    assert not any(told) and neighbours[OURS].state.cold is before.cold
    effects = neighbours.tell(insight(24 * 60, scope=OURS, configuration=CHEAP))
    assert [message.content for message in effects.signals] == [
        CatalogReader(),
        Contribution(),
        ProviderReport(provider="openai"),
    ]


def test_switched_off_nothing_is_told():
    neighbours = Neighbours(Policy(knowledge=KnowledgePolicy(enabled=False)))
    well(neighbours, OTHERS, range(5))
    assert set(neighbours.routes) == set(OTHERS)


def sighting(number: int, member: str = OURS, *, minute: float = 0.0, **report: object) -> Sighting:
    return Sighting(
        id=f"{member}-{number}",
        scope=WATCH,
        at_ms=START_MS + int(minute * MINUTE_MS),
        member=member,
        number=number,
        content=ProviderReport(provider="openai", **report),
    )


def test_an_older_sighting_that_comes_again_changes_nothing():
    state, _ = step(ScopeState(scope=WATCH), sighting(2, is_troubled=True), Policy())
    for number in (1, 2):
        after, effects = step(state, sighting(number), Policy())
        assert after is state and effects.verdict == "stale" and not effects.signals


def test_a_signal_that_comes_again_changes_nothing_and_moves_no_clock():
    neighbours = of_one_provider()
    failing(neighbours, OTHERS, range(3, 7))
    signal = next(it for effects in neighbours[WATCH].effects for it in effects.signals if it.scope == OURS)
    assert isinstance(signal, Signal)
    before = neighbours[OURS].state
    after, effects = step(before, replace(signal, at_ms=before.hot.at_ms + 9_000_000), Policy())
    assert after is before and effects.verdict == "stale"


def test_a_scope_that_comes_during_an_incident_is_told():
    neighbours = of_one_provider()
    failing(neighbours, OTHERS, range(3, 7))
    well(neighbours, ("acme/new/route",), range(8, 9))
    assert "openai" in neighbours["acme/new/route"].state.cold.knowledge.incidents


def test_an_aggregate_is_bounded():
    state = ScopeState(scope=WATCH)
    for number in range(MEMBERS + 1):
        state, effects = step(state, sighting(1, f"a/b/{number}"), Policy())
    assert effects.verdict == "refused" and effects.reasons[0].code == "too_many_members"
    aggregate = state.cold.aggregate
    assert isinstance(aggregate, Aggregate) and len(aggregate.members) == MEMBERS


def test_a_silent_scope_is_forgotten():
    state, _ = step(ScopeState(scope=WATCH), sighting(1), Policy())
    state, _ = step(state, sighting(1, OTHERS[0], minute=3 * 24 * 60), Policy())
    assert list(state.cold.aggregate.members) == [OTHERS[0]]
