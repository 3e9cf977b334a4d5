"""A human's word: a pin stops what is under way, a held ramp stays guarded, and nothing goes on behind a pin."""

import pytest

from decision_stream.model.command import Approve, Autonomy, Offer, Pause, Pin, Resume, Tick, Unpin
from decision_stream.model.journal import Verdict
from decision_stream.model.outcome import CONTROL, TREATMENT, OutcomeStatus
from decision_stream.model.policy import OnPin, Policy, SafetyPolicy
from tests.engine.route import Route
from tests.engine.test_step import CHEAP, ramped_to_the_end, told_of_a_cheaper_model
from tests.factories import MINUTE_MS, PREMIUM, START_MS, arm, command, insight, outcome


def ramping(**policy: object) -> tuple[Route, str]:
    route = Route(policy=Policy(**policy))
    told_of_a_cheaper_model(route)
    return route, route.directives[0].decision.id


def report(route: Route, minute: int, *, quality: float = 0.9, requests: int = 100) -> None:
    arms = {TREATMENT: arm(requests, quality=quality, cost_usd=0.002), CONTROL: arm(requests)}
    route.tell(outcome(route.directives[-1], OutcomeStatus.MEASURED, START_MS + minute * MINUTE_MS, minute, arms=arms))


def test_a_pin_holds_a_ramp_which_takes_no_step_until_it_is_resumed():
    route, ramped = ramping()
    route.tell(command(6, Pin()))
    assert route.states_of(ramped)[-1] == "paused"
    for minute in range(7, 30):
        report(route, minute)
    assert [directive.order.weight for directive in route.directives] == [0.05]
    refused = route.tell(command(30, Resume(decision_id=ramped)))
    assert refused.verdict is Verdict.REFUSED and refused.reasons[0].code == "pinned"
    route.tell(command(31, Unpin()))
    route.tell(command(32, Resume(decision_id=ramped)))
    for minute in range(32, 40):
        report(route, minute)
    assert route.directives[-1].order.weight > 0.05


def test_a_held_ramp_is_guarded_and_a_breach_rolls_it_back():
    route, ramped = ramping()
    route.tell(command(6, Pause(decision_id=ramped)))
    for minute in range(7, 40):
        if route.kinds[-1] == "model_switch":
            report(route, minute, quality=0.5)
    assert route.states_of(ramped)[-3:] == ["paused", "rolling_back", "rolled_back"]
    assert route.state.cold.configuration == PREMIUM
    assert route.directives[-1].decision.strategy == "ramp_guard"


def test_a_held_ramp_that_nobody_resumes_is_undone():
    route, ramped = ramping()
    route.tell(command(6, Pin()))
    route.tell(command(6 + 5 * 60, Tick()))
    assert route.states_of(ramped)[-1] == "rolled_back"


def test_the_policy_may_take_a_ramp_back_at_a_pin():
    route, ramped = ramping(safety=SafetyPolicy(on_pin=OnPin.ROLL_BACK))
    route.tell(command(6, Pin()))
    assert route.states_of(ramped)[-1] == "rolled_back"
    assert route.directives[-1].decision.strategy == "operator"


def test_a_change_that_is_acknowledged_after_the_pin_is_stopped_too():
    route = Route(acknowledge=False)
    told_of_a_cheaper_model(route, minutes=3)
    (directive,) = route.directives
    route.tell(command(2.2, Pin()))
    route.tell(outcome(directive, OutcomeStatus.APPLIED, START_MS + 2 * MINUTE_MS + 20_000))
    assert route.states_of(directive.decision.id)[-1] == "paused"


def test_a_late_acknowledgement_of_a_step_leaves_the_deadline_of_the_pause():
    route, ramped = ramping()
    route.acknowledge = False
    minute = 7
    while route.directives[-1].order.weight == 0.05:
        report(route, minute)
        minute += 1
    step_up = route.directives[-1]
    route.tell(command(minute - 0.9, Pause(decision_id=ramped)))
    deadline = route.state.cold.live[0].deadline_ms
    route.tell(outcome(step_up, OutcomeStatus.APPLIED, step_up.at_ms + 20_000))
    (live,) = route.state.cold.live
    assert live.deadline_ms == deadline and live.ramp.acknowledged


def test_a_bake_that_was_held_bakes_anew_and_no_longer():
    route, ramped = ramping()
    minute = 7
    while route.directives[-1].order.weight < 1.0:
        report(route, minute)
        minute += 1
    route.tell(command(minute, Pause(decision_id=ramped)))
    route.tell(command(minute + 60, Resume(decision_id=ramped)))
    route.tell(command(minute + 71, Tick()))
    assert route.states_of(ramped)[-1] == "completed" and route.state.cold.configuration == CHEAP


def test_a_pin_ends_an_experiment_without_calling_its_prompts_tried():
    route = Route()
    for minute in range(20):
        route.tell(insight(minute, requests=20_000, quality_samples=10_000))
    route.tell(command(20, Offer(variants=("short",))))
    route.tell(insight(21, requests=20_000, quality_samples=10_000))
    assert route.kinds == ["start_experiment"]
    route.tell(command(22, Pin()))
    assert route.state.cold.experiment is None and route.state.cold.tried == ()
    assert route.states_of(route.directives[0].decision.id)[-1] == "completed"


def test_an_approval_on_a_pinned_scope_is_refused():
    route = Route(policy=Policy(safety=SafetyPolicy(autonomy=Autonomy.APPROVE)))
    told_of_a_cheaper_model(route)
    waiting = route.state.cold.live[0].decision.id
    route.tell(command(6, Pin()))
    refused = route.tell(command(7, Approve(decision_id=waiting)))
    assert refused.verdict is Verdict.REFUSED and refused.reasons[0].code == "pinned" and route.directives == []


@pytest.mark.parametrize("pinned", [False, True])
def test_safety_passes_a_pin(pinned):
    route = Route()
    told_of_a_cheaper_model(route)
    ramped_to_the_end(route)
    if pinned:
        route.tell(command(95, Pin()))
    for minute in range(100, 140):
        route.tell(insight(minute, configuration=CHEAP, cost_usd=0.002))
    for minute in range(140, 150):
        route.tell(insight(minute, configuration=CHEAP, cost_usd=0.002, quality=0.75))
    assert route.state.cold.configuration == PREMIUM
