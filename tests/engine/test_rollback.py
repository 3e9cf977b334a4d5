"""Going back: to what, how far, on whose word, and what happens when it does not work."""

from msgspec.structs import replace

from decision_stream.model.command import Approve, Revert, Tick
from decision_stream.model.configuration import Configuration
from decision_stream.model.outcome import OutcomeStatus
from decision_stream.model.policy import EnginePolicy, ParetoPolicy, Policy, RampPolicy, SafetyPolicy
from decision_stream.model.state import PendingProposal
from tests.engine.route import Route
from tests.factories import MINUTE_MS, PREMIUM, START_MS, command, estimate, insight, outcome

QUICK = Policy(
    ramp=RampPolicy(initial_weight=1.0, bake_ms=MINUTE_MS),
    safety=SafetyPolicy(min_time_between_changes_ms=0, max_rollback_depth=2),
    pareto=ParetoPolicy(min_samples=10),
)


def switched(route: Route, model: str, cost_usd: float, minute: int) -> str:
    """Change to another model and let it bake; the decision's id."""
    before = len(route.directives)
    while len(route.directives) == before:
        in_use = route.state.cold.configuration or PREMIUM
        price = route.state.hot.live.cost_usd or 0.4
        rival = estimate(model, cost_usd=cost_usd, samples=9_000)
        route.tell(insight(minute, configuration=in_use, cost_usd=price, candidates=(rival,)))
        minute += 1
        assert minute % 100 < 90, route.codes()
    found = route.directives[before].decision.id
    for _ in range(3):
        route.tell(insight(minute, configuration=Configuration(model=model), cost_usd=cost_usd))
        minute += 1
    assert route.state.cold.configuration == Configuration(model=model)
    return found


def test_only_as_many_configurations_are_kept_as_may_be_gone_back():
    route = Route(policy=QUICK)
    for number in range(4):
        switched(route, f"m{number}", 0.06 / 6.6**number, 100 * number)
    assert [version.configuration.model for version in route.state.cold.history] == ["m1", "m2", "m3"]


def test_a_change_on_which_others_rest_is_not_undone_alone():
    route = Route(policy=QUICK)
    first = switched(route, "m1", 0.06, 0)
    second = switched(route, "m2", 0.009, 100)
    refused = route.tell(command(200, Revert(decision_id=first)))
    assert [reason.code for reason in refused.reasons] == ["not_newest"]
    route.tell(command(201, Revert(decision_id=second)))
    assert route.state.cold.configuration == Configuration(model="m1")


def degraded(policy: Policy) -> Route:
    """A route that switched and then lost its quality."""
    route = Route(policy=policy)
    switched(route, "m1", 0.06, 0)
    for minute in range(10, 20):
        route.tell(insight(minute, configuration=Configuration(model="m1"), cost_usd=0.06, quality=0.3))
    return route


def test_without_automatic_rollbacks_a_rollback_waits_for_a_human():
    assert degraded(QUICK).kinds == ["model_switch", "rollback"]
    route = degraded(replace(QUICK, engine=EnginePolicy(enable_auto_rollback=False)))
    assert route.kinds == ["model_switch"]
    (waiting,) = route.state.cold.live
    assert waiting.state == "awaiting_approval" and waiting.decision.kind == "rollback"
    route.tell(command(21, Approve(decision_id=waiting.decision.id)))
    assert route.state.cold.configuration == PREMIUM


def test_an_actuator_that_serves_something_else_is_told_to_a_human():
    route = Route(policy=QUICK)
    last = switched(route, "m1", 0.06, 0)
    route.acknowledge = False
    route.tell(command(20, Revert(decision_id=last)))
    report = outcome(
        route.directives[-1], OutcomeStatus.APPLIED, START_MS + 20 * MINUTE_MS + 5_000, applied_configuration_id="other"
    )
    effects = route.tell(report)
    assert [alert.code for alert in effects.alerts] == ["rollback_failed"]
    assert route.states_of(last)[-1] == "rollback_failed"


def test_a_half_applied_change_is_undone():
    route = Route(policy=QUICK, acknowledge=False)
    while not route.directives:
        minute = len(route.effects)
        route.tell(insight(minute, candidates=(estimate("m1", cost_usd=0.001, samples=9_000),)))
    route.acknowledge = True
    first = route.directives[0]
    route.tell(outcome(first, OutcomeStatus.PARTIAL_SUCCESS, first.at_ms + 5_000, error="two of three regions"))
    assert route.kinds == ["model_switch", "rollback"] and route.states_of(first.decision.id)[-1] == "rolled_back"


def test_a_rollback_to_what_nobody_remembers_is_refused():
    degrading = degraded(replace(QUICK, engine=EnginePolicy(enable_auto_rollback=False)))
    proposal = next(it for it in degrading.proposals if it.kind == "rollback")
    for target, detail in (("nowhere", "target is unknown"), (PREMIUM.id, "")):
        route = Route(policy=QUICK)
        route.tell(insight(0))
        pending = PendingProposal(id=proposal.id, kind="rollback", facets=(), deadline_ms=START_MS + 10**7)
        route.state = replace(route.state, cold=replace(route.state.cold, pending=(pending,)))
        aimed = replace(
            proposal,
            decision=replace(proposal.decision, target_configuration_id=target, reverts=None),
            based_on_configuration_id=PREMIUM.id,
        )
        effects = route.tell(aimed)
        assert effects.verdict == "rejected"
        assert [(reason.code, reason.detail) for reason in effects.reasons] == [("rollback_target", detail)]


PROMPTED = Configuration(model="m1", prompt="short")


def stacked() -> tuple[Route, str]:
    """A switch of the model, and on top of it a prompt that another decision brought."""
    route = Route(policy=QUICK)
    first = switched(route, "m1", 0.06, 0)
    cold = route.state.cold
    version = replace(cold.history[-1], configuration=PROMPTED, decision_id="prompt-decision")
    cold = replace(cold, configuration=PROMPTED, history=(*cold.history, version))
    route.state = replace(route.state, cold=cold)
    return route, first


def test_undoing_a_change_keeps_a_later_one_of_another_facet():
    route, first = stacked()
    route.tell(command(50, Revert(decision_id=first)))
    kept = Configuration(model=PREMIUM.model, prompt="short")
    assert route.state.cold.configuration == kept
    assert [version.configuration for version in route.state.cold.history] == [PREMIUM, kept]
    assert route.states_of(first)[-1] == "rolled_back"
    route.tell(command(51, Revert(decision_id="prompt-decision")))
    assert route.state.cold.configuration == PREMIUM


def test_no_further_back_than_the_policy_allows():
    route, first = stacked()
    route.policy = replace(QUICK, safety=replace(QUICK.safety, max_rollback_depth=1))
    refused = route.tell(command(50, Revert(decision_id=first)))
    assert [(reason.code, reason.detail) for reason in refused.reasons] == [
        ("too_deep", "2 changes back, at most 1 are allowed")
    ]


def alerts(route: Route) -> list[str]:
    return [alert.code for effects in route.effects for alert in effects.alerts]


def test_a_rollback_that_brings_the_metric_back_is_recorded_as_recovered():
    route = degraded(QUICK)
    rollback = route.directives[-1].decision
    assert route.state.cold.recovery.metrics == ("quality",)
    for minute in range(20, 24):
        route.tell(insight(minute))
    learnt = [it for effects in route.effects for it in effects.learnings if it.what == "recovered"]
    assert [it.decision_id for it in learnt] == [rollback.id] and route.state.cold.recovery is None


def test_a_rollback_that_does_not_help_calls_a_human_at_its_deadline():
    route = degraded(QUICK)
    for minute in range(20, 60):
        route.tell(insight(minute, quality=0.3))
        assert not any(it.what == "recovered" for it in route.effects[-1].learnings)
    assert "not_recovered" in alerts(route) and route.state.cold.recovery is None


def test_a_recovery_that_nobody_can_see_calls_a_human_too():
    route = degraded(QUICK)
    assert route.state.next_deadline_ms() <= route.state.cold.recovery.deadline_ms
    effects = route.tell(command(60, Tick()))
    assert [(alert.code, alert.severity) for alert in effects.alerts] == [("not_recovered", "critical")]
    assert "0 windows" in effects.alerts[0].detail


def test_an_actuator_that_does_not_say_what_it_serves_is_noted():
    assert "rollback_unconfirmed" in degraded(QUICK).codes()


def test_what_only_a_part_of_the_traffic_saw_is_undone_without_forgetting_what_is_usual():
    """The alarms are armed at once; after a change in full use they learn anew."""
    route = Route(policy=replace(QUICK, ramp=RampPolicy()))
    for minute in range(40):
        route.tell(insight(minute))
    baseline = route.state.hot.alarms["quality"].baseline
    assert baseline.count == 30
    route.tell(insight(40, candidates=(estimate("cheap", cost_usd=0.002, samples=9_000),)))
    (switch,) = route.directives
    route.tell(outcome(switch, OutcomeStatus.PARTIAL_SUCCESS, START_MS + 41 * MINUTE_MS, error="one region of two"))
    assert [directive.decision.kind for directive in route.directives] == ["model_switch", "rollback"]
    assert route.state.cold.live == () and route.state.hot.alarms["quality"].baseline == baseline
    assert route.state.hot.live.weight > 28.0
    lost = degraded(QUICK)
    assert lost.kinds == ["model_switch", "rollback"] and lost.state.hot.alarms["quality"].baseline.count < 30
