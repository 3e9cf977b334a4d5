"""The survey of the candidates: what is remembered of it is what a fresh look would find."""

from random import Random

from msgspec.structs import replace

from decision_stream.model.policy import ParetoPolicy, Policy
from decision_stream.model.state import ColdState, HotState, Purse, ScopeState, Tombstone
from decision_stream.strategies import frontier
from decision_stream.strategies.estimates import scored
from decision_stream.strategies.frontier import Survey, survey
from decision_stream.strategies.protocol import View
from tests.factories import PREMIUM, SCOPE, START_MS, estimate, insight

POLICY = Policy()
OTHER = Policy(pareto=ParetoPolicy(min_quality_threshold=0.85, max_cost_threshold_usd=0.015))


def looked(cold: ColdState, *, quality: float = 0.9, purse: Purse | None = None, policy: Policy = POLICY) -> Survey:
    view = View(
        state=ScopeState(scope=SCOPE, hot=HotState(purse=purse), cold=cold),
        insight=insight(1),
        configuration=cold.configuration or PREMIUM,
        policy=policy,
        at_ms=START_MS,
    )
    return survey(view, scored(estimate(PREMIUM.model, quality=quality), policy.pareto), policy.pareto)


def fresh(cold: ColdState, **seen) -> Survey:
    frontier._remembered.clear()
    return looked(cold, **seen)


def test_while_nothing_lets_a_candidate_out_the_survey_is_the_same_object():
    cold = ColdState(configuration=PREMIUM, estimates={"a": estimate("a"), "b": estimate("b", cost_usd=0.001)})
    first = fresh(cold)
    assert looked(replace(cold, decision_sequence=1), quality=0.85) is first
    assert looked(cold, quality=0.95) != first


def test_what_is_remembered_is_what_a_fresh_look_would_find():
    draw = Random(5)
    kept = 0
    for _ in range(300):
        names = [PREMIUM.model, "a", "b", "c", "d"][draw.randrange(2) :]
        estimates = {
            name: estimate(
                name,
                quality=draw.uniform(0.8, 0.95),
                cost_usd=draw.uniform(0.001, 0.02),
                samples=draw.choice((50, 500, 5_000)),
            )
            for name in names
        }
        cold = ColdState(configuration=PREMIUM, estimates=estimates)
        buried = replace(cold, tombstones={"model=a": Tombstone(until_ms=START_MS + draw.choice((-1, 1)))})
        other = replace(cold, configuration=replace(PREMIUM, model="b"))
        poor = Purse(limit_usd=1.0, spent_usd=0.0, told_at_ms=0, resets_at_ms=1, per_request_limit_usd=0.01)
        seen = [
            (
                draw.choice((cold, cold, cold, buried, other)),
                {
                    "quality": draw.uniform(0.75, 1.0),
                    "purse": draw.choice((None, None, poor)),
                    "policy": draw.choice((POLICY, POLICY, OTHER)),
                },
            )
            for _ in range(12)
        ]
        frontier._remembered.clear()
        found = [looked(state, **it) for state, it in seen]
        kept += len(found) - len({id(it) for it in found})
        assert found == [fresh(state, **it) for state, it in seen]
    assert kept > 100


def test_so_many_surveys_are_remembered_and_no_more():
    for number in range(frontier.MOST_REMEMBERED + 5):
        looked(ColdState(configuration=PREMIUM, estimates={"a": estimate("a", quality=0.9 + number * 1e-6)}))
    assert 0 < len(frontier._remembered) <= frontier.MOST_REMEMBERED
