"""Pooled priors: what some scopes of a tenant measured lets the next one start warm, as far as they agree."""

from math import exp, log

import pytest
from msgspec.structs import replace

from decision_stream.engine.pooling import KEPT_OF_A_SCOPE, pooled
from decision_stream.engine.step import step
from decision_stream.model.command import Tick
from decision_stream.model.knowledge import MEMBERS, Comparison, Contribution, PooledComparison, Sighting
from decision_stream.model.outcome import CONTROL, TREATMENT, OutcomeStatus
from decision_stream.model.policy import Policy
from decision_stream.model.state import Live, ScopeState
from decision_stream.strategies.estimates import estimate_in_use, log_errors
from decision_stream.strategies.models import known_models
from decision_stream.strategies.priors import refined
from tests.engine.neighbours import Neighbours
from tests.factories import MINUTE_MS, START_MS, arm, command, estimate, insight, outcome

POOL = ":prior/acme/0"
FIRST = tuple(f"acme/service/{number}" for number in range(5))
NEW, STRANGER = "acme/service/new", "globex/service/new"
PROVEN = (estimate("cheap", quality=0.895, cost_usd=0.002, p95_ms=1_900.0),)
GUESS = (estimate("cheap", quality=0.85, cost_usd=0.002, p95_ms=1_900.0, samples=0),)


def switched(neighbours: Neighbours, scope: str, *, quality: float) -> None:
    """This scope ramps the cheap model up, or takes it back, and measures both."""
    for minute in range(4):
        neighbours.tell(insight(minute, scope=scope, candidates=PROVEN))
    route = neighbours[scope]
    decision_id = route.directives[-1].decision.id
    for number in range(80):
        if all(live.decision.id != decision_id for live in route.state.cold.live):
            return
        arms = {TREATMENT: arm(100, quality=quality, cost_usd=0.002), CONTROL: arm(100)}
        at_ms = START_MS + (10 + number) * MINUTE_MS
        neighbours.tell(outcome(route.directives[-1], OutcomeStatus.MEASURED, at_ms, number, arms=arms))
        neighbours.tell(command(10 + number + 0.5, Tick(), scope=scope))


def proposed(neighbours: Neighbours, scope: str) -> list[str]:
    for minute in range(200, 212):
        neighbours.tell(insight(minute, scope=scope, candidates=GUESS))
    return neighbours[scope].kinds


def test_a_new_scope_starts_from_what_the_others_measured_and_a_stranger_does_not():
    neighbours = Neighbours()
    for number, scope in enumerate(FIRST):
        switched(neighbours, scope, quality=0.892 + 0.002 * number)
    assert proposed(neighbours, NEW) == ["model_switch"]
    (prior,) = neighbours[NEW].state.cold.knowledge.priors
    assert (prior.old, prior.new, prior.scopes) == ("cheap", "premium", 5)
    assert exp(prior.cost) == pytest.approx(10.0, rel=0.05)
    assert proposed(neighbours, STRANGER) == [] and neighbours[STRANGER].state.cold.knowledge.priors == ()


def test_scopes_that_disagree_prove_nothing_for_the_next_one():
    neighbours = Neighbours()
    for number, scope in enumerate(FIRST):
        switched(neighbours, scope, quality=0.6 + 0.07 * number)
    assert proposed(neighbours, NEW) == []


def test_a_scope_hears_of_the_others_and_not_of_itself():
    neighbours = Neighbours()
    for scope in FIRST[:4]:
        switched(neighbours, scope, quality=0.9)
    neighbours.tell(insight(24 * 60 + 200, scope=FIRST[0]))
    assert neighbours[FIRST[0]].state.cold.knowledge.priors == ()
    neighbours.tell(insight(1, scope=NEW))
    assert [prior.scopes for prior in neighbours[NEW].state.cold.knowledge.priors] == [4]


def test_a_question_that_is_told_again_is_answered_under_the_same_id_only_with_the_same_words():
    def asked(minute: int) -> Sighting:
        return Sighting(
            id="question", scope=POOL, at_ms=START_MS + minute * MINUTE_MS, member=NEW, number=1, content=Contribution()
        )

    measured = Contribution(comparisons=(comparison(),))
    told = [replace(asked(1), id=f"told-{member}", member=member, content=measured) for member in FIRST]
    state, answers = ScopeState(scope=POOL), []
    for event in (asked(0), asked(0), *told, asked(0)):
        state, effects = step(state, event, Policy())
        answers += [signal for signal in effects.signals if signal.scope == NEW]
    assert len(answers) == 3 and [len(answer.content.pooled) for answer in answers] == [0, 0, 1]
    assert answers[0] == answers[1] and answers[2].id != answers[0].id


def comparison(old: str = "a", new: str = "b", quality: float = -0.01) -> Comparison:
    return Comparison(old=old, new=new, quality=quality, cost=-2.0, latency=0.1, samples=500)


def test_both_directions_of_a_pair_are_one():
    turned = Comparison(old="b", new="a", quality=0.01, cost=2.0, latency=-0.1, samples=500)
    (found,) = pooled([comparison(), turned, comparison(), turned])
    assert (found.old, found.new, found.scopes, found.samples) == ("a", "b", 4, 2_000)
    assert (found.quality, found.quality_variance, found.cost) == (-0.01, 0.0, -2.0)
    assert pooled([comparison()] * 3) == ()


def in_use(samples: float = 10_000.0):
    live = Live(
        weight=10.0,
        requests=samples,
        quality=0.9,
        quality_stddev=0.2,
        quality_samples=samples,
        cost_usd=0.02,
        cost_stddev_usd=0.005,
        latency_p50_ms=1_000.0,
        latency_p95_ms=2_000.0,
    )
    return estimate_in_use(live, "a")


def prior(old: str = "a", new: str = "b") -> PooledComparison:
    return PooledComparison(
        old=old,
        new=new,
        scopes=6,
        samples=6_000,
        quality=log(0.95),
        quality_variance=0.0004,
        cost=log(0.1),
        cost_variance=0.01,
        latency=log(1.2),
        latency_variance=0.0049,
    )


def test_the_estimate_has_the_errors_of_the_ratio_and_of_the_model_in_use_together():
    here = in_use()
    found = refined({"b": replace(estimate("b", samples=0), provider="mill")}, here, (prior(),))["b"]
    assert found.quality == pytest.approx(0.855) and found.cost_usd == pytest.approx(0.002)
    assert found.latency_p95_ms == pytest.approx(2_400.0) and found.provider == "mill"
    expected = [(own**2 + other**2) ** 0.5 for own, other in zip(log_errors(here), (0.02, 0.1, 0.07), strict=True)]
    assert log_errors(found) == pytest.approx(expected, rel=0.01)


def test_a_pair_is_read_from_either_side_and_only_offered_models_are_refined():
    here = in_use()
    turned = replace(prior("b", "a"), quality=-log(0.95), cost=-log(0.1), latency=-log(1.2))
    listed = {"b": estimate("b", samples=0)}
    assert refined(listed, here, (turned,)) == refined(listed, here, (prior(),))
    assert refined({}, here, (prior(),)) == {}
    assert refined(listed, here, (prior("c", "b"),)) == listed
    assert refined(listed, in_use(99.0), (prior(),)) == listed, "too little is measured here to compare with"


def test_what_was_measured_here_counts_more_the_more_there_is():
    here, told = in_use(), estimate("b", quality=0.86, cost_usd=0.002)
    few = refined({"b": replace(told, samples=20)}, here, (prior(),))["b"]
    many = refined({"b": replace(told, samples=100_000)}, here, (prior(),))["b"]
    assert 0.855 < few.quality < 0.8575 < many.quality <= 0.86


def test_a_pool_remembers_a_bounded_number_of_scopes_and_pairs_and_answers_everyone():
    state = ScopeState(scope=POOL)
    for number in range(MEMBERS + 5):
        sighting = Sighting(
            id=f"s{number}",
            scope=POOL,
            at_ms=START_MS + number,
            member=f"acme/service/{number}",
            home=3,
            number=1,
            content=Contribution(comparisons=tuple(comparison(new=f"m{pair}") for pair in range(5))),
        )
        state, effects = step(state, sighting, Policy())
        assert [signal.scope for signal in effects.signals] == [f"acme/service/{number}"]
    members = state.cold.aggregate.members
    assert len(members) == MEMBERS and "acme/service/0" not in members
    assert all(len(member.fact.comparisons) == KEPT_OF_A_SCOPE for member in members.values())
    before = state
    asked = replace(sighting, id="ask", member="acme/service/quiet", content=Contribution())
    state, effects = step(before, asked, Policy())
    assert len(effects.signals[0].content.pooled) == KEPT_OF_A_SCOPE and effects.signals[0].home == 3
    assert state.cold is before.cold, "who only asks leaves no trace"


def test_without_measurements_of_the_model_in_use_priors_say_nothing():
    cold = ScopeState(scope=NEW).cold
    assert known_models(Policy(catalog=GUESS), cold, 0) == {"cheap": GUESS[0]}
