"""Every decision type has an order (the seed left four of seven without one)."""

import pytest

from decision_stream.engine.orders import order_for
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
