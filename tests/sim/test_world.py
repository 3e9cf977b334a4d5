"""The simulated world: its truth, its independence of order, its actuator and its scorecard."""

import subprocess
import sys

import pytest
from msgspec.structs import replace

from decision_stream.model.actuation import Directive
from decision_stream.model.configuration import Configuration
from decision_stream.model.outcome import CONTROL, TREATMENT, OutcomeStatus
from decision_stream.model.state import ScopeState
from decision_stream.settings import parse
from decision_stream.sim.actuator import MINUTE_MS, Actuator
from decision_stream.sim.analyzer import Analyzer
from decision_stream.sim.catalog import CEDAR, DELTA, MODELS
from decision_stream.sim.incidents import IncidentKind
from decision_stream.sim.inprocess import simulate
from decision_stream.sim.policy import DEMO_SETTINGS, SLOW_MS, START_MS
from decision_stream.sim.world import INCIDENTS, LAST_MINUTE, SCOPES, World
from tests.engine.route import Route
from tests.factories import estimate, insight

CHAT = "acme/support/chat"
POLICY = parse(DEMO_SETTINGS, {}).policy
FINGERPRINT = """
from decision_stream.model.configuration import Configuration
from decision_stream.sim.world import World
world = World(7)
print([world.requests(scope, 5) for scope in world.scopes])
print(world.sample("acme/support/chat", Configuration(model="atlas"), 3, 50, "x", 1e3))
"""


def test_one_model_is_dominated_and_the_others_are_a_trade_off():
    def beats(one, other):
        return (
            one.accuracy >= other.accuracy
            and one.cost_usd <= other.cost_usd
            and one.latency_p95_ms <= other.latency_p95_ms
            and one.latency_mean_ms <= other.latency_mean_ms
        )

    dominated = {
        other.name for other in MODELS.values() for one in MODELS.values() if one != other and beats(one, other)
    }
    assert dominated == {DELTA.name}


def test_a_sample_is_near_the_truth():
    world = World(3)
    truth = world.truth(CHAT, "atlas", 10)
    seen = world.sample(CHAT, Configuration(model="atlas"), 10, 40_000, "test", truth.latency_p95_ms)
    assert seen.quality.mean == pytest.approx(truth.quality, abs=0.006)
    assert seen.cost_usd.mean == pytest.approx(truth.cost_usd, rel=0.02)
    assert seen.slow / seen.requests == pytest.approx(0.05, abs=0.006)
    assert seen.latency_ms.mean == pytest.approx(MODELS["atlas"].latency_mean_ms * 0.97, rel=0.03)


def test_draws_depend_on_nothing_but_what_they_are_for():
    forwards, backwards = World(7), World(7)
    keys = [(scope.name, minute) for scope in SCOPES for minute in range(3)]
    one = {key: forwards.sample(*[key[0], Configuration(model="atlas"), key[1]], 20, "p", 1e3) for key in keys}
    other = {
        key: backwards.sample(*[key[0], Configuration(model="atlas"), key[1]], 20, "p", 1e3) for key in reversed(keys)
    }
    assert one == other and len(set(map(str, one.values()))) == len(keys)


def test_another_process_with_another_hash_seed_sees_the_same_world():
    seen = {
        subprocess.run(
            [sys.executable, "-c", FINGERPRINT],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(seen) == 1


@pytest.fixture
def actuator() -> Actuator:
    return Actuator(World(1), SLOW_MS)


@pytest.fixture
def switch() -> Directive:
    route = Route(acknowledge=False, state=ScopeState(scope=CHAT))
    for minute in range(5):
        candidates = (estimate(CEDAR.name, quality=0.895, cost_usd=0.002, p95_ms=1_900.0),)
        route.tell(insight(minute, scope=CHAT, candidates=candidates))
    return route.directives[0]


def test_a_directive_is_acted_on_once(actuator, switch):
    (report,) = actuator.carry_out(switch)
    assert report.status is OutcomeStatus.APPLIED
    assert actuator.carry_out(switch) == []


def test_a_ramp_is_measured_with_both_arms_at_their_shares(actuator, switch):
    actuator.carry_out(switch)
    (report,) = actuator.measure(CHAT, 5, START_MS + 5 * MINUTE_MS)
    control, treatment = report.arms[CONTROL], report.arms[TREATMENT]
    share = treatment.requests / (treatment.requests + control.requests)
    assert share == pytest.approx(0.05, abs=0.005)
    assert actuator.measure("acme/search/answer", 5, START_MS) == []


def test_a_stale_directive_is_refused(actuator, switch):
    actuator.carry_out(replace(switch, id="newer", sequence=9))
    (report,) = actuator.carry_out(switch)
    assert report.status is OutcomeStatus.FAILED and "later" in report.error


def test_the_analyzer_tells_what_it_saw_and_not_the_truth(actuator):
    world = World(1)
    analyzer = Analyzer(world, actuator)
    told = [analyzer.insight(CHAT, minute, START_MS + minute * MINUTE_MS) for minute in range(1, 6)]
    truth = world.truth(CHAT, "atlas", 1).quality
    assert len({it.quality.score for it in told}) == 5 and truth not in {it.quality.score for it in told}
    assert {it.model for it in told[-1].candidates} == set(MODELS) - {"atlas"}
    assert told[0].configuration == Configuration(model="atlas")


@pytest.mark.parametrize("seed", [7, 101, 102])
def test_the_engine_answers_every_incident_and_leaves_the_placebo_alone(seed):
    card = simulate(World(seed), POLICY, LAST_MINUTE)
    answers = [answer for answer in card.answers() if answer.struck]
    kinds = {answer.incident.kind for answer in answers}
    assert kinds == {incident.kind for incident in INCIDENTS} | {IncidentKind.PLACEBO}
    assert all(answer.is_right for answer in answers), f"seed {seed}: {answers}"
    assert card.unneeded() == []
    assert card.saved_usd > 0.2 * card.baseline_usd and card.quality_change > -0.02


def test_the_better_prompt_wins_and_the_harmful_one_is_dropped():
    card = simulate(World(8), POLICY, 125)
    ends = {made.scope: made.target for made in card.decisions if made.kind == "conclude_experiment"}
    assert ends["globex/agents/tools"].endswith("stepwise")
    assert ends.get("globex/agents/planner", "control") == "control"


def test_the_same_seed_gives_the_same_decisions():
    one, other = (simulate(World(9), POLICY, 140).decisions for _ in range(2))
    assert one == other and one


def test_a_run_without_an_engine_saves_nothing():
    idle = parse("strategies: {pareto: {enabled: false}, reinforcement: {enabled: false}}", {}).policy
    card = simulate(World(9), idle, 30)
    assert card.decisions == [] and card.saved_usd == 0.0 and card.quality_change == 0.0
