"""Orders of people at the engine: who may approve what he brought about, and what an order expects to find."""

import pytest
from msgspec.structs import replace

from decision_stream.model.command import Approve, Autonomy, Cancel, Offer, Pause, Reject, Revert, Tick
from decision_stream.model.journal import Verdict
from decision_stream.model.lifecycle import DecisionState
from decision_stream.model.policy import Policy, SafetyPolicy
from tests.engine.route import Route
from tests.factories import SCOPE, command, estimate, insight

CHEAPER = (estimate("cheap", quality=0.895, cost_usd=0.002, p95_ms=1_900.0),)
SENSITIVE = SafetyPolicy(sensitive_scopes=(SCOPE,))
CAREFUL = SafetyPolicy(autonomy=Autonomy.APPROVE)


def waiting(safety: SafetyPolicy, submitter: str | None = None) -> tuple[Route, str]:
    """A switch that waits for a person, from insights of the analyzer or of this submitter."""
    route = Route(policy=Policy(safety=safety))
    for minute in range(1, 4):
        told = insight(minute, candidates=CHEAPER)
        route.tell(told if submitter is None else replace(told, id=f"{submitter}/{told.id}"))
    (live,) = route.state.cold.live
    assert live.state is DecisionState.AWAITING_APPROVAL
    return route, live.decision.id


def told(route: Route, minute: float, instruction, **more) -> tuple[Verdict, list[str]]:
    actor = more.pop("actor", "user:ada")
    effects = route.tell(replace(command(minute, instruction, actor=actor), **more))
    return effects.verdict, [reason.code for reason in effects.reasons]


def test_who_submitted_the_insight_of_a_high_risk_change_does_not_approve_it_and_another_does():
    route, identifier = waiting(SENSITIVE, "user:ada")
    assert told(route, 4, Approve(decision_id=identifier)) == (Verdict.REFUSED, ["four_eyes"])
    assert route.state.cold.live[0].state is DecisionState.AWAITING_APPROVAL and not route.directives
    assert told(route, 5, Approve(decision_id=identifier), actor="user:bob")[0] is Verdict.APPLIED
    assert len(route.directives) == 1


def test_a_name_that_begins_alike_is_another_person():
    route, identifier = waiting(SENSITIVE, "user:ada2")
    assert told(route, 4, Approve(decision_id=identifier))[0] is Verdict.APPLIED


@pytest.mark.parametrize("instruction", [Reject, Cancel])
def test_who_brought_a_change_about_may_withdraw_it(instruction):
    route, identifier = waiting(SENSITIVE, "user:ada")
    assert told(route, 4, instruction(decision_id=identifier))[0] is Verdict.APPLIED


@pytest.mark.parametrize(
    ("safety", "submitter"),
    [(CAREFUL, "user:ada"), (SENSITIVE, None), (replace(SENSITIVE, four_eyes=False), "user:ada")],
    ids=["low risk", "of the analyzer", "switched off"],
)
def test_one_pair_of_eyes_is_enough(safety, submitter):
    route, identifier = waiting(safety, submitter)
    assert told(route, 4, Approve(decision_id=identifier))[0] is Verdict.APPLIED


def test_who_offered_the_prompt_of_a_high_risk_experiment_does_not_approve_it():
    route = Route(policy=Policy(safety=SENSITIVE))
    route.tell(command(1, Offer(variants=("stepwise",)), actor="user:ada"))
    route.tell(command(1.5, Offer(variants=("stepwise",)), actor="user:bob"))
    for minute in range(2, 40):
        route.tell(insight(minute, requests=5_000, quality_samples=2_000))
        if route.state.cold.live:
            break
    (live,) = route.state.cold.live
    assert live.decision.kind == "start_experiment" and live.state is DecisionState.AWAITING_APPROVAL
    assert told(route, 41, Approve(decision_id=live.decision.id))[1] == ["four_eyes"]
    assert told(route, 42, Approve(decision_id=live.decision.id), actor="user:bob")[0] is Verdict.APPLIED


def test_an_order_whose_author_saw_another_state_is_refused_when_it_is_applied():
    route, identifier = waiting(CAREFUL)
    seen = {"expected_state": DecisionState.MONITORING}
    assert told(route, 4, Approve(decision_id=identifier), **seen) == (Verdict.REFUSED, ["state_changed"])
    assert route.state.cold.live[0].state is DecisionState.AWAITING_APPROVAL
    seen = {"expected_state": DecisionState.AWAITING_APPROVAL}
    assert told(route, 5, Approve(decision_id=identifier), **seen)[0] is Verdict.APPLIED


def test_of_two_orders_on_the_same_view_the_second_is_refused():
    route, identifier = waiting(CAREFUL)
    seen = {"expected_state": DecisionState.AWAITING_APPROVAL}
    assert told(route, 4, Approve(decision_id=identifier), **seen)[0] is Verdict.APPLIED
    assert told(route, 4.1, Revert(decision_id=identifier), **seen) == (Verdict.REFUSED, ["state_changed"])
    assert told(route, 4.2, Reject(decision_id=identifier), **seen) == (Verdict.REFUSED, ["state_changed"])
    assert route.state.cold.live[0].state is DecisionState.MONITORING


def test_what_time_changed_before_the_order_counts_as_its_state():
    route, identifier = waiting(CAREFUL)
    late = 4 + route.policy.engine.approval_timeout_ms / 60_000
    seen = {"expected_state": DecisionState.AWAITING_APPROVAL}
    assert told(route, late, Approve(decision_id=identifier), **seen) == (Verdict.REFUSED, ["state_changed"])
    assert route.states_of(identifier)[-1] == "expired"


def test_a_decision_that_is_over_is_compared_too_and_an_unknown_one_is_judged_by_the_order():
    route, identifier = waiting(CAREFUL)
    told(route, 4, Reject(decision_id=identifier))
    seen = {"expected_state": DecisionState.AWAITING_APPROVAL}
    assert told(route, 5, Pause(decision_id=identifier), **seen)[1] == ["state_changed"]
    assert told(route, 6, Approve(decision_id="unknown"), **seen)[1] == ["unknown_decision"]


def test_the_same_order_twice_is_one():
    route, identifier = waiting(CAREFUL)
    order = command(4, Approve(decision_id=identifier))
    assert route.tell(order).verdict is Verdict.APPLIED
    again = route.tell(replace(order, at_ms=order.at_ms + 1))
    assert again.verdict is Verdict.STALE and [it.code for it in again.reasons] == ["already_taken"]
    assert len(route.directives) == 1


def test_a_tick_is_no_order():
    route, _ = waiting(CAREFUL)
    assert told(route, 5, Tick()) == (Verdict.APPLIED, [])
