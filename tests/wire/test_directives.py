"""The contract for actuators, on the directives of a real engine run: once each, never stale, across restarts."""

from random import Random

import msgspec
import pytest

from decision_stream.wire.directives import DirectiveFilter, FilterState, Ruling
from tests.engine.route import Route
from tests.engine.test_step import ramped_to_the_end, told_of_a_cheaper_model


@pytest.fixture(scope="module")
def directives():
    route = Route()
    told_of_a_cheaper_model(route)
    ramped_to_the_end(route, quality=0.6)
    assert len({directive.sequence for directive in route.directives}) == 2
    return route.directives


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
            kept = msgspec.msgpack.decode(msgspec.msgpack.encode(judge.state), type=FilterState)
            judge = DirectiveFilter(kept)
        if judge.rule(directive) is Ruling.ACT:
            acted.append(directive)
    assert acted == directives


def test_memory_is_bounded(directives):
    judge = DirectiveFilter(kept=2)
    for directive in directives:
        judge.rule(directive)
    assert len(judge.state.ids) == 2
