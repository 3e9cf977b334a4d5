"""Every decision type has an order (the seed left four of seven without one)."""

import pytest

from decision_stream.engine.orders import in_trust_region, order_for
from decision_stream.model.actuation import (
    BeginExperiment,
    BreakRoute,
    EndExperiment,
    RestoreConfiguration,
    SetTraffic,
    SetVariantTraffic,
    UpdateConfiguration,
    UpdateParameters,
)
from decision_stream.model.configuration import Configuration, ConfigurationChanges, ParameterChange, PromptChange
from decision_stream.model.decision import (
    DECISION_KINDS,
    CircuitBreak,
    ConcludeExperiment,
    ModelSwitch,
    ParameterAdjustment,
    PromptVariant,
    Rollback,
    StartExperiment,
)
from decision_stream.model.policy import AdaptiveParametersPolicy, Policy, TunedParameter

TARGET = Configuration(model="b", parameters={"temperature": 0.5})
CASES = [
    (ModelSwitch(from_model="a", to_model="b", reason="r"), UpdateConfiguration(configuration=TARGET, weight=0.2)),
    (
        ParameterAdjustment(
            parameters=(
                ParameterChange(name="temperature", old=None, new=0.5),
                ParameterChange(name="top_p", old=0.9, new=None),
            ),
            reason="r",
        ),
        UpdateParameters(parameters={"temperature": 0.5, "top_p": None}),
    ),
    (PromptVariant(variant="v", share=0.3), SetVariantTraffic(variant="v", share=0.3)),
    (
        StartExperiment(experiment_id="e", variants=("control", "v"), shares=(0.5, 0.5)),
        BeginExperiment(experiment_id="e", shares={"control": 0.5, "v": 0.5}, configurations={"control": TARGET}),
    ),
    (
        CircuitBreak(duration_ms=60_000, reason="r", share=0.25, refuge=TARGET),
        SetTraffic(weight=0.75, duration_ms=60_000, refuge=TARGET),
    ),
    (ConcludeExperiment(experiment_id="e"), EndExperiment(experiment_id="e", winner=None)),
    (Rollback(target_configuration_id=TARGET.id, reason="r"), RestoreConfiguration(configuration=TARGET)),
    (CircuitBreak(duration_ms=1_000, reason="r"), BreakRoute(duration_ms=1_000)),
]


@pytest.mark.parametrize(("decision", "order"), CASES, ids=lambda case: type(case).__name__)
def test_a_decision_becomes_its_order(decision, order):
    assert order_for(decision, TARGET, 0.2) == order


def test_the_winner_of_an_experiment_is_ramped_like_a_switch():
    decision = ConcludeExperiment(experiment_id="e", winner="v")
    assert order_for(decision, TARGET, 0.2) == UpdateConfiguration(configuration=TARGET, weight=0.2)


def test_an_experiment_tells_the_configuration_of_every_arm():
    changes = ConfigurationChanges(prompt=PromptChange(old=None, new="v"))
    start = StartExperiment(experiment_id="e", variants=("control", "v"), shares=(0.5, 0.5), challengers={"v": changes})
    order = order_for(start, TARGET, 1.0)
    assert isinstance(order, BeginExperiment)
    assert order.configurations == {"control": TARGET, "v": TARGET.patched(changes)}


def test_no_decision_type_is_left_out():
    assert {type(decision) for decision, _ in CASES} == set(DECISION_KINDS)


TUNED = Policy(
    adaptive_parameters=AdaptiveParametersPolicy(
        parameters=(
            TunedParameter(name="temperature", low=0.0, high=2.0, default=0.7),
            TunedParameter(name="max_tokens", low=256.0, high=8192.0, default=1024.0, log=True, integer=True),
        )
    )
)
WINNER = ConcludeExperiment(experiment_id="e", winner="trial")


@pytest.mark.parametrize(
    ("name", "old", "new", "inside"),
    [
        ("temperature", 0.7, 0.79, True),
        ("temperature", None, 0.75, True),
        ("temperature", 0.7, 0.9, False),
        ("max_tokens", 1024, 1200, True),
        ("max_tokens", 1024, 2048, False),
        ("temperature", "hot", 0.7, False),
        ("top_p", 0.9, 0.91, False),
    ],
)
def test_the_trust_region_holds_small_moves_of_tuned_parameters(name, old, new, inside):
    changes = ConfigurationChanges(parameters=(ParameterChange(name=name, old=old, new=new),))
    assert in_trust_region(WINNER, changes, TUNED) is inside


def test_a_small_move_together_with_a_prompt_is_outside_the_trust_region():
    small = ParameterChange(name="temperature", old=0.7, new=0.75)
    changes = ConfigurationChanges(parameters=(small,), prompt=PromptChange(old=None, new="short"))
    assert not in_trust_region(WINNER, changes, TUNED)
