"""One strategy's failure: fenced, counted, paused when it repeats, probed; the safety strategy always speaks."""

from dataclasses import dataclass, field

import pytest

from decision_stream.engine.evaluate import evaluate
from decision_stream.engine.turn import Turn
from decision_stream.model.effect import Effects
from decision_stream.model.policy import Policy
from decision_stream.model.state import ScopeState
from decision_stream.strategies.protocol import Opinion
from decision_stream.strategies.registry import STRATEGIES
from tests.factories import SCOPE, insight


@dataclass
class Broken:
    """A strategy that fails in one of its two verbs until it is mended."""

    name: str = "pareto"
    verb: str = "propose"
    mended: bool = False
    calls: list[int] = field(default_factory=list)
    complete: bool = True

    def priority(self, policy):
        return 1

    def is_enabled(self, policy):
        return True

    def observe(self, hot, insight, policy):
        self.calls.append(insight.at_ms)
        return self._fail("observe", hot)

    def propose(self, view):
        return self._fail("propose", Opinion())

    def _fail(self, verb, answer):
        if verb == self.verb and not self.mended:
            raise ZeroDivisionError(f"no answer from {object()!r}")
        return answer


def told(broken: Broken, minutes: range, state: ScopeState | None = None) -> tuple[ScopeState, list[Effects]]:
    """Tell insights to the broken strategy in front of all others."""
    state, all_effects = state or ScopeState(scope=SCOPE), []
    strategies = (broken, *(strategy for strategy in STRATEGIES if strategy.name != broken.name))
    for minute in minutes:
        event = insight(minute, error_rate=0.3 if minute > 2 else 0.01)
        turn = Turn(state, event.id, event.at_ms, Policy())
        all_effects.append(evaluate(turn, event, strategies))
        state = turn.state
    return state, all_effects


def codes(effects: Effects) -> list[tuple[str, str]]:
    return [(reason.source, reason.code) for reason in effects.reasons]


@pytest.mark.parametrize("verb", ["observe", "propose"])
def test_a_broken_strategy_does_not_silence_the_others(verb):
    _, effects = told(Broken(verb=verb), range(8))
    assert ("pareto", "strategy_fault") in codes(effects[0])
    assert ("threshold_based", "all_within_limits") in codes(effects[0])
    assert any(output.kind == "circuit_break" for each in effects for output in each.outputs)


def test_a_fault_is_told_without_addresses_so_that_it_replays():
    _, effects = told(Broken(), range(1))
    (reason,) = [reason for reason in effects[0].reasons if reason.code == "strategy_fault"]
    assert reason.detail.startswith("ZeroDivisionError: no answer from <object object at 0x>")


def test_a_strategy_that_fails_repeatedly_is_paused_and_probed_ever_later():
    broken = Broken(verb="observe")
    state, effects = told(broken, range(100))
    minutes = [(at_ms - broken.calls[0]) // 60_000 for at_ms in broken.calls]
    assert minutes == [0, 1, 2, 3, 4, 14, 34, 74]
    assert ("pareto", "strategy_paused") in codes(effects[7])
    assert [alert.code for each in effects for alert in each.alerts if "paused" in alert.code] == [
        "strategy_paused"
    ] * 4
    health = state.cold.strategies["pareto"]
    assert health.faults == 8 and health.opens == 4


def test_a_probe_that_succeeds_ends_the_suspicion_and_keeps_the_count():
    broken = Broken()
    state, _ = told(broken, range(10))
    broken.mended = True
    state, effects = told(broken, range(10, 40), state)
    assert [learning.what for each in effects for learning in each.learnings] == ["strategy_recovered:pareto"]
    health = state.cold.strategies["pareto"]
    assert (health.faults, health.opens, health.paused_until_ms) == (5, 0, 0)


def test_the_safety_strategy_is_asked_however_often_it_fails():
    broken = Broken(name="threshold_based", verb="observe")
    _, effects = told(broken, range(50))
    assert len(broken.calls) == 50
    assert [alert.code for each in effects for alert in each.alerts][:1] == ["safety_strategy_fault"]
