"""Conflicts: one deterministic answer, losers named, bystanders untouched."""

from itertools import permutations

from decision_stream.engine.conflicts import Candidate, resolve
from decision_stream.model.configuration import ConfigurationChanges, ModelChange, ParameterChange, PromptChange
from decision_stream.model.decision import CircuitBreak, ModelSwitch, ParameterAdjustment, PromptVariant
from decision_stream.model.state import ColdState, PendingProposal
from decision_stream.strategies.protocol import Idea

MODEL = ConfigurationChanges(model=ModelChange(old="a", new="b"))
PROMPT = ConfigurationChanges(prompt=PromptChange(old=None, new="v"))
TUNED = ParameterChange(name="temperature", old=None, new=0.5)
SWITCH = Idea(decision=ModelSwitch(from_model="a", to_model="b", reason="r"), changes=MODEL)
VARIANT = Idea(decision=PromptVariant(variant="v", share=1.0), changes=PROMPT)
TUNING = Idea(
    decision=ParameterAdjustment(parameters=(TUNED,), reason="r"), changes=ConfigurationChanges(parameters=(TUNED,))
)
BREAK = Idea(decision=CircuitBreak(duration_ms=1_000, reason="r"))


def candidate(idea: Idea, strategy: str, priority: int) -> Candidate:
    return Candidate(idea=idea, strategy=strategy, priority=priority, rank=0)


def test_safety_suppresses_everything_else():
    low = candidate(BREAK, "threshold_based", 1)
    winners, losers = resolve([candidate(SWITCH, "pareto", 90), candidate(VARIANT, "x", 100), low], ColdState())
    assert winners == [low]
    assert [reason.code for reason in losers] == ["superseded", "superseded"]


def test_bystanders_of_a_conflict_go_on_and_the_loser_is_named():
    rivals = [candidate(SWITCH, "pareto", 90), candidate(SWITCH, "reinforcement", 80), candidate(TUNING, "tuner", 70)]
    for order in permutations(rivals):
        winners, losers = resolve(list(order), ColdState())
        assert [winner.strategy for winner in winners] == ["pareto", "tuner"]
        assert [(loser.source, loser.code) for loser in losers] == [("reinforcement", "superseded")]


def test_equal_priorities_are_decided_by_name():
    pair = [candidate(SWITCH, "b", 50), candidate(SWITCH, "a", 50)]
    assert resolve(pair, ColdState())[0][0].strategy == resolve(pair[::-1], ColdState())[0][0].strategy == "a"


def test_a_facet_on_its_way_through_validation_is_taken_except_for_safety():
    pending = PendingProposal(id="p", kind="model_switch", facets=MODEL.facets, deadline_ms=1)
    both = [candidate(SWITCH, "pareto", 90), candidate(BREAK, "threshold_based", 200)]
    assert [loser.code for loser in resolve(both[:1], ColdState(pending=(pending,)))[1]] == ["facet_taken"]
    assert resolve(both, ColdState(pending=(pending,)))[0] == both[1:]
