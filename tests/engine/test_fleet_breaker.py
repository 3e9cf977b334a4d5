"""The pause of all scopes: it takes failures on many of them, a few probe, and a success or time ends it."""

import pytest
from msgspec.structs import replace

from decision_stream.engine.step import step
from decision_stream.model.command import Approve, Autonomy, Tick
from decision_stream.model.effect import Effects
from decision_stream.model.knowledge import Attempts, FleetPause, Sighting
from decision_stream.model.outcome import OutcomeStatus
from decision_stream.model.policy import BreakerPolicy, Policy, SafetyPolicy
from decision_stream.model.state import ColdState, Knowledge, ScopeState
from tests.engine.neighbours import Neighbours
from tests.factories import MINUTE_MS, START_MS, command, estimate, insight, outcome

WATCH = ":breaker/all/0"
SCOPES = tuple(f"tenant-{number}/service/route" for number in range(12))
CHEAP = (estimate("cheap", cost_usd=0.002),)
RULES = BreakerPolicy()
# One scope's own breaker and the burial of what failed would hide that of all scopes.
POLICY = Policy(breaker=replace(RULES, min_decisions=100))


class Watch:
    """The aggregate alone, told how changes end."""

    def __init__(self, policy: Policy = POLICY) -> None:
        self.policy, self.state, self.told = policy, ScopeState(scope=WATCH), 0

    def tell(self, scope: str, minute: float, failed: bool | None = None, begun: float | None = None) -> Effects:
        self.told += 1
        at_ms = START_MS + int(minute * MINUTE_MS)
        begun_ms = 0 if failed is None else START_MS + int((minute - 1 if begun is None else begun) * MINUTE_MS)
        content = Attempts(begun_at_ms=begun_ms, failed=bool(failed))
        sighting = Sighting(
            id=f"s{self.told}", scope=WATCH, at_ms=at_ms, member=scope, number=self.told, content=content
        )
        self.state, effects = step(self.state, sighting, self.policy)
        return effects

    def opened(self) -> FleetPause:
        """Most changes of eight scopes fail from minute 1 on; four others have nothing to tell."""
        for scope in SCOPES:
            self.tell(scope, 0.0)
        for number, scope in enumerate(SCOPES[:8]):
            self.tell(scope, number + 1.0, failed=number >= 3)
        pause = self.state.cold.aggregate.pause
        assert pause is not None
        return pause


def pauses(effects: Effects) -> dict[str, FleetPause]:
    return {signal.scope: signal.content for signal in effects.signals}


def minute(at_ms: int) -> float:
    return (at_ms - START_MS) / MINUTE_MS


def test_it_opens_when_most_scopes_fail_and_tells_all_of_them():
    watch = Watch()
    for scope in SCOPES:
        watch.tell(scope, 0.0)
    for number, scope in enumerate(SCOPES[:7]):
        assert watch.tell(scope, number + 1.0, failed=number >= 3).signals == ()
    effects = watch.tell(SCOPES[7], 8.0, failed=True)
    told = pauses(effects)
    assert set(told) == set(SCOPES)
    assert [(it.failed, it.scopes) for it in told.values()] == [(5, 8)] * 12
    assert minute(told[SCOPES[0]].until_ms) == 8.0 + RULES.fleet_open_ms / MINUTE_MS
    assert [alert.code for alert in effects.alerts] == ["fleet_breaker_opened"]
    # The scopes whose changes did well, then those without any; names break the tie.
    assert [scope for scope, it in told.items() if it.may_probe] == sorted(SCOPES[:3], key=SCOPES.index)


@pytest.mark.parametrize("failures", [range(0), range(4)], ids=["all well", "half"])
def test_it_stays_closed_while_no_more_than_half_fail(failures):
    watch = Watch()
    for number, scope in enumerate(SCOPES[:8]):
        assert watch.tell(scope, number + 1.0, failed=number in failures).alerts == ()


def test_one_scope_that_fails_again_and_again_has_one_vote():
    watch = Watch()
    for number in range(30):
        assert watch.tell(SCOPES[0], number + 1.0, failed=True).alerts == ()
    for number, scope in enumerate(SCOPES[1:8]):
        watch.tell(scope, 31.0 + number, failed=False)
    assert watch.tell(SCOPES[0], 40.0, failed=True).alerts == ()


def test_failures_of_long_ago_are_forgotten():
    watch = Watch()
    for number, scope in enumerate(SCOPES[:7]):
        watch.tell(scope, number + 1.0, failed=True)
    later = RULES.fleet_window_ms / MINUTE_MS + 7.0
    assert watch.tell(SCOPES[7], later, failed=True).alerts == ()


def test_it_can_be_turned_off():
    watch = Watch(Policy(breaker=replace(RULES, fleet_scopes=0)))
    for number, scope in enumerate(SCOPES):
        assert watch.tell(scope, number + 1.0, failed=True).alerts == ()


def test_late_results_change_nothing_and_who_comes_later_is_told():
    watch = Watch()
    pause = watch.opened()
    assert watch.tell(SCOPES[0], 9.0, failed=False, begun=0.5).signals == ()
    assert watch.tell(SCOPES[1], 60.0, failed=True, begun=7.0).signals == ()
    assert watch.state.cold.aggregate.pause == pause
    assert pauses(watch.tell("late/service/route", 20.0)) == {"late/service/route": pause}


def test_a_probe_that_succeeds_ends_it_and_clears_the_votes():
    watch = Watch()
    begun = minute(watch.opened().until_ms) + 1.0
    effects = watch.tell(SCOPES[0], begun + 40.0, failed=False, begun=begun)
    assert set(pauses(effects)) == set(SCOPES)
    assert all(it.lapses_ms <= effects.signals[0].at_ms for it in pauses(effects).values())
    assert watch.state.cold.aggregate.pause is None
    for number, scope in enumerate(SCOPES[:7]):
        assert watch.tell(scope, begun + 50.0 + number, failed=True).alerts == ()


def test_a_probe_that_fails_begins_it_anew_for_twice_as_long_up_to_the_longest():
    watch = Watch()
    pause, spans = watch.opened(), []
    for _ in range(7):
        begun = minute(pause.until_ms) + 1.0
        watch.tell(SCOPES[0], begun + 1.0, failed=True, begun=begun)
        pause = watch.state.cold.aggregate.pause
        spans.append((minute(pause.until_ms) - begun - 1.0) * MINUTE_MS / RULES.fleet_open_ms)
    assert spans == [2.0, 4.0, 8.0, 16.0, 24.0, 24.0, 24.0]


def test_one_that_lapsed_lasts_longer_when_failures_go_on():
    watch = Watch()
    pause = watch.opened()
    lapsed = minute(pause.lapses_ms) + 1.0
    effects = watch.tell(SCOPES[11], lapsed + 5.0, failed=True, begun=lapsed)
    assert pauses(effects)[SCOPES[0]].opens == 2


def paused(scope: str, pause: FleetPause, policy: Policy = POLICY) -> Neighbours:
    neighbours = Neighbours(policy)
    neighbours[scope].state = ScopeState(scope=scope, cold=ColdState(knowledge=Knowledge(pause=pause)))
    return neighbours


def begun_at(neighbours: Neighbours, scope: str, minutes: range) -> list[int]:
    """The minutes at which a change was ordered on a scope whose candidate is plainly better."""
    found = []
    for number in minutes:
        before = len(neighbours[scope].directives)
        neighbours.tell(insight(number, scope=scope, candidates=CHEAP))
        if len(neighbours[scope].directives) > before:
            found.append(number)
    return found


PAUSE = FleetPause(until_ms=START_MS + 10 * MINUTE_MS, lapses_ms=START_MS + 20 * MINUTE_MS, failed=5, scopes=8, opens=1)


def test_a_paused_scope_begins_nothing_until_it_lapses():
    neighbours = paused(SCOPES[0], PAUSE)
    assert begun_at(neighbours, SCOPES[0], range(1, 25))[0] == 20
    refused = [reason for effects in neighbours[SCOPES[0]].effects for reason in effects.reasons]
    assert any(reason.code == "breaker" and "5 of 8 failed" in reason.detail for reason in refused)


def test_a_probe_may_try_one_change_after_the_pause():
    neighbours = paused(SCOPES[0], replace(PAUSE, may_probe=True, lapses_ms=START_MS + 1_000 * MINUTE_MS))
    assert begun_at(neighbours, SCOPES[0], range(1, 12)) == [10]
    route = neighbours[SCOPES[0]]
    neighbours.tell(outcome(route.directives[-1], OutcomeStatus.FAILED, START_MS + 12 * MINUTE_MS))
    other = (estimate("other", cost_usd=0.001),)
    for number in range(30, 60):
        neighbours.tell(insight(number, scope=SCOPES[0], candidates=other))
    assert len([kind for kind in route.kinds if kind == "model_switch"]) == 1
    assert any("one probe" in reason.detail for effects in route.effects for reason in effects.reasons)


def test_safety_passes_it():
    neighbours = paused(SCOPES[0], PAUSE)
    for number in range(10):
        neighbours.tell(insight(number, scope=SCOPES[0], p95_ms=12_000.0))
    assert neighbours[SCOPES[0]].kinds == ["circuit_break"]


def test_what_waits_for_a_person_waits_for_its_end_too():
    scope = SCOPES[0]
    neighbours = Neighbours(replace(POLICY, safety=SafetyPolicy(autonomy=Autonomy.APPROVE)))
    for number in range(1, 8):
        neighbours.tell(insight(number, scope=scope, candidates=CHEAP))
    route = neighbours[scope]
    (waiting,) = [live.decision.id for live in route.state.cold.live if live.state == "awaiting_approval"]
    knowledge = replace(route.state.cold.knowledge, pause=PAUSE)
    route.state = replace(route.state, cold=replace(route.state.cold, knowledge=knowledge))
    neighbours.tell(command(9, Approve(decision_id=waiting), scope=scope))
    assert "breaker" in route.codes() and route.directives == []
    neighbours.tell(command(21, Approve(decision_id=waiting), scope=scope))
    assert route.kinds == ["model_switch"]


def test_failures_on_many_real_scopes_pause_one_that_did_nothing_yet_and_a_quiet_one_tells_nothing():
    neighbours = Neighbours(POLICY)
    for number in range(6):
        neighbours.tell(insight(number, scope="quiet/service/route"))
    for scope in SCOPES:
        for number in range(5):
            neighbours.tell(insight(number, scope=scope, candidates=CHEAP))
        assert neighbours[scope].kinds == ["model_switch"]
    for place, scope in enumerate(SCOPES):
        route = neighbours[scope]
        at_ms = START_MS + (6 + place) * MINUTE_MS
        neighbours.tell(outcome(route.directives[-1], OutcomeStatus.FAILED, at_ms, number=place))
        neighbours.tell(command(7.5 + place, Tick(), scope=scope))
    watch = neighbours[WATCH].state.cold.aggregate
    assert watch.pause is not None and "quiet/service/route" not in watch.members
    assert all(neighbours[scope].state.cold.knowledge.pause is not None for scope in SCOPES)
    new = "new/service/route"
    assert len(begun_at(neighbours, new, range(30, 36))) == 1, "it asks with its first change, which goes its way"
    assert neighbours[new].state.cold.knowledge.pause is not None
