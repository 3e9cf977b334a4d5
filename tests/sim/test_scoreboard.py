"""The larger world and its players: known truth, faulty transport, baselines, and judgements of runs."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from msgspec import structs

from decision_stream.model.configuration import Configuration
from decision_stream.model.decision import Rollback
from decision_stream.model.metrics import ModelEstimate
from decision_stream.model.policy import ParetoPolicy
from decision_stream.settings import parse
from decision_stream.sim.catalog import MODELS
from decision_stream.sim.incidents import HARMFUL, Incident, IncidentKind
from decision_stream.sim.policy import SIMULATED_SETTINGS
from decision_stream.sim.scoreboard import baselines
from decision_stream.sim.scoreboard.brain import Engine
from decision_stream.sim.scoreboard.chance import count, generator, moments
from decision_stream.sim.scoreboard.judging import _Judge, judged
from decision_stream.sim.scoreboard.literal import Literal
from decision_stream.sim.scoreboard.observer import Observer
from decision_stream.sim.scoreboard.play import Adopted, Made, Match, Played
from decision_stream.sim.scoreboard.scenario import build
from decision_stream.sim.scoreboard.scenarios import ScenarioName
from decision_stream.sim.scoreboard.timeline import Accountant
from decision_stream.sim.scoreboard.world import START, RouteWorld
from decision_stream.sim.scoreboard.worth import utility
from decision_stream.strategies.estimates import scored

POLICY = parse(SIMULATED_SETTINGS, {}).policy
FINGERPRINT = """
import json
from decision_stream.settings import parse
from decision_stream.sim.policy import SIMULATED_SETTINGS
from decision_stream.sim.scoreboard.scenarios import ScenarioName
from decision_stream.sim.scoreboard.season import play
season = play(ScenarioName.STANDARD, 3, parse(SIMULATED_SETTINGS, {}).policy, days=1, scopes=2)
print(json.dumps({name: [verdict.account.worth, sorted(verdict.counts.items())]
                  for name, verdict in season.verdicts.items()}))
"""


def world(
    kind: IncidentKind | None = None, amount: float = 0.2, *, days: int = 1, name=ScenarioName.CALM
) -> RouteWorld:
    """A route without incidents, or with one on the model in use from noon for two hours."""
    scenario = build(name, 5, days=days, scopes=1)
    route = scenario.routes[0]
    if kind is not None:
        model = START.model if kind in HARMFUL else ""
        incident = Incident(
            name="it",
            kind=kind,
            scope=route.name,
            model=model,
            start_minute=720,
            end_minute=840,
            amount=amount,
            good_answers=frozenset({"rollback", "circuit_break", "model_switch"} if model else ()),
        )
        route = replace(route, incidents=(incident,))
    return RouteWorld(scenario, route, POLICY)


NOON, MORNING = slice(150, 165), slice(100, 140)


@pytest.mark.parametrize(
    ("kind", "column", "amount", "change"),
    [
        (IncidentKind.QUALITY_REGRESSION, "quality", 0.2, -0.2),
        (IncidentKind.PRICE_CHANGE, "cost_usd", 10.0, 9.0),
        (IncidentKind.LATENCY_SPIKE, "p95_ms", 5.0, 4.0),
        (IncidentKind.OUTAGE, "errors", 0.5, 0.49),
        (IncidentKind.JUDGE_BIAS, "seen", 0.05, -0.05),
        (IncidentKind.METRIC_LOSS, "scored", 1.0, -1.0),
    ],
)
def test_an_incident_changes_what_it_says_while_it_lasts(kind, column, amount, change):
    calm, struck = (getattr(it.figures(START), column) for it in (world(), world(kind, amount)))
    scale = calm[NOON] if kind in (IncidentKind.PRICE_CHANGE, IncidentKind.LATENCY_SPIKE) else 1.0
    assert (struck[NOON] - calm[NOON]) / scale == pytest.approx(np.full(15, change))
    assert (struck[MORNING] == calm[MORNING]).all()


def test_drift_comes_slowly_and_a_harder_mix_is_nobodys_fault():
    calm, drifting = (it.figures(START).quality for it in (world(), world(IncidentKind.QUALITY_DRIFT, 0.1)))
    lost = (calm - drifting)[144:168]
    assert lost[0] == 0.0 and lost[-1] == pytest.approx(0.1) and (np.diff(lost) > 0.0).all()
    shifted = world(IncidentKind.MIX_SHIFT, 0.5)
    for name in MODELS:
        both = (it.figures(Configuration(model=name)).quality for it in (world(), shifted))
        before, after = (quality[NOON].mean() for quality in both)
        assert after < before - 0.02
    assert (shifted.floor[NOON] < world().floor[NOON]).all(), "what is allowed follows the mix"


def test_a_placebo_changes_nothing():
    assert (world(IncidentKind.PLACEBO).figures(START).worth == world().figures(START).worth).all()


def test_a_trap_looks_good_in_mirrored_requests_and_serves_worse():
    scenario = build(ScenarioName.TRAP, 5, days=1, scopes=1)
    (trapped,) = scenario.routes
    honest = RouteWorld(scenario, replace(trapped, traps={}), POLICY)
    it = RouteWorld(scenario, trapped, POLICY)
    trap = Configuration(model=next(iter(trapped.traps)))
    assert it.figures(trap).quality == pytest.approx(honest.figures(trap).quality - 0.10)
    assert it.mirrored(trap, 150, 4_000).quality.mean == pytest.approx(honest.figures(trap).seen[149], abs=0.01)


def test_what_a_window_is_worth_is_the_engines_own_objective():
    rules = ParetoPolicy()
    estimate = ModelEstimate(
        model="m",
        quality=0.83,
        quality_stddev=0.2,
        cost_usd=0.004,
        cost_stddev_usd=0.001,
        latency_p50_ms=900.0,
        latency_p95_ms=2_100.0,
        samples=100,
    )
    found = utility(np.array(0.83), np.array(0.004), np.array(2_100.0), rules)
    assert float(found) == pytest.approx(scored(estimate, rules).utility)


def test_draws_have_the_moments_they_are_drawn_from():
    normals = generator(1).standard_normal((4_000, 4))
    few = [count(40, 0.05, float(row[0])) for row in normals]
    many = [count(400, 0.25, float(row[0])) for row in normals]
    assert np.mean(few) == pytest.approx(2.0, abs=0.12) and np.mean(many) == pytest.approx(100.0, abs=0.6)
    drawn = [moments(25, 0.8, 0.2, float(row[1]), float(row[2])) for row in normals]
    assert np.mean([it.mean for it in drawn]) == pytest.approx(0.8, abs=0.003)
    assert np.std([it.mean for it in drawn]) == pytest.approx(0.04, rel=0.06)
    assert np.mean([it.variance for it in drawn]) == pytest.approx(0.04, rel=0.03)


@pytest.mark.parametrize("name", list(ScenarioName))
def test_nobody_beats_the_oracle_and_accounts_add_up(name):
    scenario = build(name, 2, days=1, scopes=2)
    for route in scenario.routes:
        it = RouteWorld(scenario, route, POLICY)
        accountant = Accountant(it)
        best = accountant.of(baselines.oracle(it))
        others = [
            baselines.oracle_fixed(it),
            *(baselines.always(model) for model in sorted(MODELS)),
            Match(it, Engine(route.name, POLICY)).run().timeline,
            Match(it, Literal(route.name)).run().timeline,
        ]
        for other in others:
            found = accountant.of(other)
            assert found.requests == pytest.approx(it.arrivals.sum())
            # The oracle's grid of parameters is fine, not endless.
            assert found.worth <= best.worth + 1e-3 * best.requests
            assert sum(accountant.by_hour(other, "cost_usd")) == pytest.approx(found.cost_usd)


def run(it: RouteWorld) -> Played:
    return Match(it, Engine(it.scope, POLICY)).run()


def test_events_that_come_twice_lead_to_nothing_twice():
    it = world(IncidentKind.DISORDER, days=2)
    it.route = replace(it.route, incidents=(replace(it.route.incidents[0], start_minute=0, end_minute=it.minutes),))
    played = run(it)
    assert played.repeated > 100 and played.repeated_with_effect == 0


def test_an_actuator_that_fails_leaves_no_decision_open():
    it = world(IncidentKind.ACTUATOR_FAULTS, days=2)
    it.route = replace(it.route, incidents=(replace(it.route.incidents[0], start_minute=0, end_minute=it.minutes),))
    engine = Engine(it.scope, POLICY)
    played = Match(it, engine).run()
    failed = engine.state.cold.counters.by_state
    assert played.made and {"failed", "rolled_back", "rollback_failed"} & failed.keys()


def test_a_sudden_regression_is_answered_and_its_delay_told():
    it = world(IncidentKind.QUALITY_REGRESSION, 0.2)
    verdict = judged(it, Accountant(it), run(it))
    for answer in verdict.answers:
        assert answer.detected_minutes is not None and 0 <= answer.detected_minutes < 120
        assert answer.exposed > 0.0
    assert world(IncidentKind.JUDGE_BIAS).route.incidents and verdict.scope_days == 1


@pytest.mark.parametrize(("minute", "unprovoked"), [(600, 1), (750, 0)])
def test_a_promotion_that_leaves_a_model_in_an_incident_is_told_apart(minute, unprovoked):
    """By the day that follows, without incidents, both are wrong."""
    route = world(IncidentKind.QUALITY_REGRESSION)
    played = Match(route, Engine(route.scope, POLICY)).run()
    decision, worst = played.made[0].decision, Configuration(model="delta")
    played.adopted = [Adopted(minute=minute, decision=decision, before=START, after=worst)]
    counts = judged(route, Accountant(route), played).counts
    assert (counts["wrong_promotions"], counts["wrong_promotions_unprovoked"]) == (1, unprovoked)


def test_what_is_claimed_during_an_incident_is_held_against_what_is_left_of_it():
    """A model whose price rose twenty times is left within minutes, for a saving that no calm day would show."""
    it = world(IncidentKind.PRICE_CHANGE, 20.0)
    played = run(it)
    (switch,) = (made for made in played.made if made.decision.kind == "model_switch" and 720 <= made.minute < 740)
    calm = [it.figures(end, troubled=False).cost_usd.mean() for end in (switch.left, switch.target)]
    assert switch.decision.impact.cost.interval.high < calm[1] / calm[0] - 1.0
    verdict = judged(it, Accountant(it), replace(played, made=[switch]))
    assert verdict.stated["impact on cost"] == verdict.held["impact on cost"] == 1


def test_what_a_guard_claims_is_held_against_the_whole_ramp():
    """Harm that began within the ramp is in the guard's sums for as long as it was there, by the pairs of then."""
    it, new = world(), Configuration(model="cedar")
    played = Played()
    for minute, share in ((0, 0.0), (600, 0.05), (610, 0.5), (620, 0.0)):
        arms = ((START, 1.0 - share), (new, share)) if share else ((START, 1.0),)
        played.timeline.serve(minute, arms)
    began = run(it).made[0]
    began = replace(began, minute=600)
    undone = Rollback(target_configuration_id=START.id, reverts=began.decision.id, reason="guard")
    guard = Made(minute=620, decision=structs.replace(began.decision, id="r", decision=undone), left=new, target=START)
    played.made = [began, guard]
    first, weights = _Judge(it, Accountant(it), played)._pairs_of_ramp(guard)
    pairs = it.arrivals[120:124] * np.array([0.0475, 0.0475, 0.25, 0.25])
    assert first == 120
    np.testing.assert_allclose(weights, np.append(pairs, 0.0) / pairs.sum())


def test_arms_spread_as_the_tails_of_their_model_do():
    it = world()
    spread = {}
    for model in ("atlas", "cedar"):
        sample = it.sample(it.scope, Configuration(model=model), 720, 5_000, "tails", 5_000.0).latency_ms
        spread[model] = sample.variance**0.5 / sample.mean
    assert spread["cedar"] > 2.0 * spread["atlas"]


def test_the_observer_says_no_score_where_none_was_given():
    it = world(IncidentKind.METRIC_LOSS)
    insight = Observer(it).insight(155, ((START, 1.0),))
    assert insight.quality.samples == 0 and insight.performance.requests > 0


def test_two_processes_with_other_hash_seeds_play_the_same():
    told = [
        subprocess.run(
            [sys.executable, "-c", FINGERPRINT],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "4242")
    ]
    assert told[0] == told[1] and set(json.loads(told[0])) >= {"engine", "oracle", "seed taken literally"}
