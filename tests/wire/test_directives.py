"""The contract for actuators, on the directives of a real engine run: once each, never stale, across restarts."""

import json
import re
from pathlib import Path
from random import Random
from types import SimpleNamespace

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings

from decision_stream.wire.directives import DirectiveFilter, FilterState, Ruling
from tests.engine.route import Route
from tests.engine.test_invariants import World, histories, policies
from tests.engine.test_step import ramped_to_the_end, told_of_a_cheaper_model

ROOT = Path(__file__).parents[2]
CASES = json.loads((ROOT / "schemas" / "contract" / "actuator.v1.json").read_text())["cases"]


@pytest.fixture(scope="module")
def directives():
    route = Route()
    told_of_a_cheaper_model(route)
    ramped_to_the_end(route, quality=0.6)
    assert len({directive.sequence for directive in route.directives}) == 2
    return route.directives


def restarted(judge: DirectiveFilter) -> DirectiveFilter:
    return DirectiveFilter(msgspec.msgpack.decode(msgspec.msgpack.encode(judge.state), type=FilterState))


def test_each_is_acted_on_once_in_its_order(directives):
    judge = DirectiveFilter()
    assert [judge.rule(directive) for directive in directives] == [Ruling.ACT] * len(directives)
    assert [judge.rule(directive) for directive in directives] == [Ruling.REPEATED] * len(directives)


def test_an_earlier_decision_after_a_later_one_is_stale(directives):
    judge = DirectiveFilter()
    assert judge.rule(directives[-1]) is Ruling.ACT
    assert judge.rule(directives[0]) is Ruling.STALE


@pytest.mark.parametrize("seed", range(20))
def test_repetitions_and_restarts_anywhere_change_nothing(directives, seed):
    draw = Random(seed)
    delivered = []
    for place, directive in enumerate(directives):
        delivered.append(directive)
        delivered += draw.choices(directives[: place + 1], k=draw.randrange(3))
    judge, acted = DirectiveFilter(), []
    for directive in delivered:
        if draw.random() < 0.3:
            judge = restarted(judge)
        if judge.rule(directive) is Ruling.ACT:
            acted.append(directive)
    assert acted == directives


def test_memory_is_bounded_and_a_forgotten_id_is_not_acted_on_again(directives):
    judge = DirectiveFilter(kept=2)
    for directive in directives:
        judge.rule(directive)
    assert len(judge.state.ids) == 2
    assert Ruling.ACT not in {judge.rule(directive) for directive in directives}


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(policy=policies, history=histories)
def test_first_copies_come_in_rising_order(policy, history):
    world = World(policy)
    for minute in range(12):
        world.play("insight", 5, minute)
        world.play("outcome", 0, 8)
        world.play("measure", 1 if minute % 3 else 0, 2)
    for kind, which, what in history:
        world.play(kind, which, what)
    places = [(directive.sequence, directive.step) for directive in world.directives]
    assert places == sorted(set(places))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_the_library_rules_as_the_contract_says(case):
    judge = DirectiveFilter()
    for delivery in case["deliveries"]:
        if "restart" in delivery:
            judge = restarted(judge)
        else:
            assert judge.rule(SimpleNamespace(**delivery)) == delivery["ruling"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_the_rule_as_the_page_tells_it_is_that_of_the_contract(case):
    page = (ROOT / "docs" / "actuators.md").read_text()
    told: dict = {}
    exec(re.search(r"```python\n(.*?)```", page, re.DOTALL)[1], told)
    kept = {"ids": [], "reached": {}}
    for delivery in case["deliveries"]:
        if "restart" in delivery:
            kept = json.loads(json.dumps(kept))
        else:
            assert told["rule"](delivery, kept) == delivery["ruling"]
