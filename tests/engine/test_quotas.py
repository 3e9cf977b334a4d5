"""A tenant's slots: never more than the cap, in the order of waiting, and no decision waits for their owner."""

from collections import deque
from random import Random

import pytest
from msgspec.structs import replace

from decision_stream.engine.step import step
from decision_stream.model.actuation import Directive
from decision_stream.model.decision import Proposal
from decision_stream.model.knowledge import Claim, Needs, Sighting, Slot
from decision_stream.model.policy import KnowledgePolicy, Policy, RampPolicy
from decision_stream.model.state import ScopeState
from tests.engine.neighbours import Neighbours
from tests.factories import MINUTE_MS, START_MS, estimate, insight

OWNER = ":tenant/acme/0"
SCOPES = tuple(f"acme/service/{number}" for number in range(6))
CHEAP = (estimate("cheap", quality=0.895, cost_usd=0.002, p95_ms=1_900.0),)
SHORT = RampPolicy(max_duration_ms=15 * MINUTE_MS)


def capped(changes: int = 2, **more: object) -> Policy:
    return Policy(knowledge=KnowledgePolicy(tenant_changes=changes, **more), ramp=SHORT)


def changing(states, scopes=SCOPES) -> list[str]:
    """The scopes with a change under way."""
    return [
        scope
        for scope in scopes
        if any(not it.decision.is_safety and it.decision.kind == "model_switch" for it in states[scope].cold.live)
    ]


def test_two_of_six_may_change_and_the_next_ones_follow_when_they_are_done():
    neighbours = Neighbours(capped())
    for minute in range(4):
        for scope in SCOPES:
            neighbours.tell(insight(minute, scope=scope, candidates=CHEAP if minute == 3 else ()))
    states = {scope: neighbours[scope].state for scope in SCOPES}
    assert changing(states) == [], "no scope begins before it was granted a slot"
    seen: set[str] = set()
    for minute in range(4, 120):
        for scope in SCOPES:
            neighbours.tell(insight(minute, scope=scope, candidates=CHEAP))
            states = {name: neighbours[name].state for name in SCOPES}
            seen |= set(changing(states))
            assert len(changing(states)) <= 2
    assert seen == set(SCOPES), "everyone had a turn"
    assert "tenant_quota" in neighbours[SCOPES[-1]].codes()


class Mail:
    """Messages on their way: in order between two parties, in any order otherwise, and some of them twice."""

    def __init__(self, seed: int, policy: Policy) -> None:
        self.draw = Random(seed)
        self.policy = policy
        self.states = {scope: ScopeState(scope=scope) for scope in (*SCOPES, OWNER)}
        self.waiting: dict[tuple[str, str], deque] = {}
        self.past: list[tuple[str, object]] = []

    def tell(self, event) -> None:
        state = self.states.get(event.scope) or ScopeState(scope=event.scope)
        self.states[event.scope], effects = step(state, event, self.policy)
        for output in effects.outputs:
            if not isinstance(output, Directive):
                self.tell(output)
        for message in effects.signals:
            self.waiting.setdefault((event.scope, message.scope), deque()).append(message)
        self.check()

    def deliver(self) -> None:
        """One message of some pair arrives; now and then one that came before comes again."""
        pairs = sorted(pair for pair, messages in self.waiting.items() if messages)
        if pairs:
            message = self.waiting[self.draw.choice(pairs)].popleft()
            self.past.append(message)
            self.tell(message)
        if self.past and self.draw.random() < 0.1:
            self.tell(self.draw.choice(self.past))

    def check(self) -> None:
        aggregate = self.states[OWNER].cold.aggregate
        if aggregate is not None:
            granted = sum(Slot.CHANGE in member.fact.granted for member in aggregate.members.values())
            assert granted <= 2, "the owner grants no more than the cap"
        believed = [
            scope
            for scope in SCOPES
            if (quota := self.states[scope].cold.knowledge.quota) is not None and Slot.CHANGE in quota.slots
        ]
        assert len(believed) <= 2, "no more scopes than the cap believe that they hold a slot"
        unheard = [scope for scope in SCOPES if self.states[scope].cold.knowledge.quota is None]
        assert len(set(changing(self.states)) - set(unheard)) <= 2


@pytest.mark.parametrize("seed", range(20))
def test_the_sum_of_what_is_granted_never_exceeds_the_cap_whatever_the_mail_does(seed):
    mail = Mail(seed, capped(slot_idle_ms=3 * MINUTE_MS))
    for scope in SCOPES:
        mail.tell(insight(0, scope=scope))
    for _ in range(60):
        mail.deliver()
    changed: set[str] = set()
    for minute in range(1, 150):
        for scope in mail.draw.sample(SCOPES, len(SCOPES)):
            if mail.draw.random() < 0.8:
                mail.tell(insight(minute, scope=scope, candidates=CHEAP if mail.draw.random() < 0.7 else ()))
            for _ in range(mail.draw.randrange(4)):
                mail.deliver()
        changed |= set(changing(mail.states))
    assert len(changed) >= 4, f"seed {seed}: the slots go round"


def needs(number: int, scope: str, *slots: Slot, minute: float = 0.0) -> Sighting:
    return Sighting(
        id=f"{scope}-{number}",
        scope=OWNER,
        at_ms=START_MS + int(minute * MINUTE_MS),
        member=scope,
        number=number,
        content=Needs(slots=slots),
    )


def told(*sightings: Sighting, policy: Policy | None = None):
    state = ScopeState(scope=OWNER)
    for sighting in sightings:
        state, effects = step(state, sighting, policy or capped(1))
    return state, {signal.scope: signal.content.slots for signal in effects.signals}


def test_who_waited_longest_comes_next():
    a, b, c = SCOPES[:3]
    _, mail = told(
        needs(1, a, Slot.CHANGE, minute=0),
        needs(1, c, Slot.CHANGE, minute=1),
        needs(1, b, Slot.CHANGE, minute=2),
        needs(2, a, minute=3),
    )
    assert mail == {a: (), c: (Slot.CHANGE,)}


def test_a_scope_that_died_with_a_slot_loses_it_after_two_days():
    a, b = SCOPES[:2]
    _, mail = told(needs(1, a, Slot.CHANGE), needs(1, b, Slot.CHANGE, minute=60))
    assert mail == {b: ()}
    _, mail = told(needs(1, a, Slot.CHANGE), needs(1, b, Slot.CHANGE, minute=3 * 24 * 60))
    assert mail == {b: (Slot.CHANGE,)}


def test_a_scope_that_was_away_counts_on_its_slot_no_more():
    neighbours = Neighbours(capped())
    scope = SCOPES[0]
    for minute in range(4):
        neighbours.tell(insight(minute, scope=scope, candidates=CHEAP if minute == 3 else ()))
    assert neighbours[scope].state.cold.knowledge.quota.slots == (Slot.CHANGE,)
    back = 36 * 60
    others = tuple(needs(9, other, Slot.CHANGE) for other in SCOPES[1:3])
    neighbours[OWNER].state = told(*others, policy=capped())[0]
    neighbours.tell(insight(back, scope=scope, candidates=CHEAP))
    assert neighbours[scope].kinds == []


def test_a_lowered_cap_takes_nothing_away_that_is_in_use():
    a, b = SCOPES[:2]
    state, _ = told(needs(1, a, Slot.CHANGE), needs(1, b, Slot.CHANGE), policy=capped(2))
    state, effects = step(state, needs(2, a, Slot.CHANGE), capped(1))
    assert [signal.content.slots for signal in effects.signals] == [(Slot.CHANGE,)]
    facts = [member.fact for member in state.cold.aggregate.members.values()]
    assert all(isinstance(fact, Claim) and fact.granted for fact in facts)


def test_experiments_have_slots_of_their_own():
    a, b = SCOPES[:2]
    policy = Policy(knowledge=KnowledgePolicy(tenant_changes=1, tenant_experiments=1))
    _, mail = told(needs(1, a, Slot.CHANGE), needs(1, b, Slot.EXPERIMENT), policy=policy)
    assert mail == {b: (Slot.EXPERIMENT,)}


def test_without_an_answer_a_scope_goes_by_its_own_limits():
    policy = capped()
    state = ScopeState(scope=SCOPES[0])
    verdicts = []
    for minute in range(5):
        state, effects = step(state, insight(minute, scope=SCOPES[0], candidates=CHEAP), policy)
        for output in effects.outputs:
            if isinstance(output, Proposal):
                state, judged = step(state, output, policy)
                verdicts.append(judged.verdict)
    assert "approved" in verdicts


def test_without_a_cap_nothing_is_asked():
    neighbours = Neighbours()
    for minute in range(5):
        neighbours.tell(insight(minute, scope=SCOPES[0], candidates=CHEAP))
    assert OWNER not in neighbours.routes and neighbours[SCOPES[0]].kinds == ["model_switch"]


def test_a_cap_that_shards_cannot_share_is_refused():
    with pytest.raises(ValueError, match="fewer than 4 shards"):
        KnowledgePolicy(tenant_changes=3, shards=4)


def test_an_answer_to_an_older_need_is_passed_over():
    neighbours = Neighbours(capped())
    scope = SCOPES[0]
    for minute in range(4):
        neighbours.tell(insight(minute, scope=scope, candidates=CHEAP if minute == 3 else ()))
    signals = [it for effects in neighbours[OWNER].effects for it in effects.signals if it.scope == scope]
    first = next(it for it in signals if not it.content.slots)
    before = neighbours[scope].state
    after, effects = step(before, replace(first, number=99), neighbours.policy)
    assert after.cold.knowledge.quota == before.cold.knowledge.quota
    assert effects.reasons[0].code == "answer_to_an_older_need"
