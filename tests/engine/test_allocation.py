"""Explorations and experiments whose shares follow outcomes, on a market with a known truth."""

import msgspec
import pytest
from msgspec.structs import replace

from decision_stream.engine.allocation import MAX_PERIODS
from decision_stream.model.actuation import BeginExperiment, EndExperiment, UpdateAllocation
from decision_stream.model.command import Autonomy, Pin, SetAutonomy
from decision_stream.model.insight import Budget
from decision_stream.model.metrics import ArmSample
from decision_stream.model.outcome import CONTROL, OutcomeStatus
from decision_stream.model.policy import Policy, ReinforcementPolicy, Weights
from decision_stream.model.state import ColdState, HotState, ScopeState
from tests.engine.market import Market, Truth, guess
from tests.factories import MINUTE_MS, START_MS, command, estimate, outcome

CHEAP = {"premium": Truth(), "cheap": Truth(cost_usd=0.004)}
EQUAL = {"premium": Truth(), "same": Truth()}
ENDLESS = {"error_budget": 1e-200, "futility": 0.0}
"""Nothing is ever proven, and everything stays likely: the exploration goes on."""
ENCODER = msgspec.msgpack.Encoder(order="deterministic")


def policy(models: dict[str, Truth], **rules: object) -> Policy:
    catalog = tuple(guess(model, truth) for model, truth in models.items() if model != "premium")
    return Policy(catalog=catalog, reinforcement=ReinforcementPolicy(**rules))


def exploring(models: dict[str, Truth] = CHEAP, minutes: int = 38, **rules: object) -> Market:
    market = Market(models, policy(models, **rules)).run(minutes)
    assert market.cold.experiment is not None
    return market


def test_the_better_model_is_explored_proven_ramped_up_and_ends_in_use():
    market = Market(CHEAP, policy(CHEAP)).run(150)
    assert market.switches == ["cheap"]
    assert market.model == "cheap"
    switch = next(it.decision for it in market.route.directives if it.decision.kind == "model_switch")
    bound = next(it for it in switch.evidence if it.method == "off_policy_bound")
    assert bound.interval.low > market.policy.reinforcement.min_gain
    assert bound.interval.low < 0.096 < bound.interval.high
    assert "effective size" in bound.detail
    assert "propensities" in bound.detail
    assert switch.impact.cost.delta == pytest.approx(-0.8, abs=0.02)


def test_the_split_is_ended_before_the_ramp_begins():
    market = Market(CHEAP, policy(CHEAP)).run(60)
    orders = [type(it.order).__name__ for it in market.route.directives]
    first = orders.index("UpdateConfiguration")
    assert orders[first - 1] == "EndExperiment"
    assert market.cold.experiment is None


def test_every_share_is_a_logged_propensity_and_none_is_below_its_floor():
    market = exploring({**CHEAP, "good": Truth(quality=0.86), "bad": Truth(quality=0.72)}, **ENDLESS)
    market.run(60)
    for order in [*market.orders(BeginExperiment), *market.orders(UpdateAllocation)]:
        assert sum(order.shares.values()) == pytest.approx(1.0, abs=1e-9)
        assert min(order.shares.values()) >= 0.01 - 1e-6
        assert order.shares[CONTROL] >= 1.0 - market.policy.reinforcement.exploration_rate - 1e-6
    assert all(order.context["intercept"] == 1.0 for order in market.orders(UpdateAllocation))


def test_the_slice_goes_to_the_better_arm():
    models = {**EQUAL, "good": Truth(quality=0.88), "poor": Truth(quality=0.76)}
    market = exploring(models, **ENDLESS).run(120)
    assert market.share_of("good") > 4.0 * market.share_of("poor")


@pytest.mark.parametrize("algorithm", ["thompson_sampling", "lin_ucb", "contextual_thompson", "epsilon_greedy"])
def test_every_algorithm_finds_the_better_model(algorithm):
    market = Market(CHEAP, policy(CHEAP, algorithm=algorithm)).run(200)
    assert market.switches == ["cheap"]


def test_false_switches_are_as_rare_as_promised():
    wrong = 0
    for seed in range(40):
        market = Market(
            {"premium": Truth(), "same": Truth(), "twin": Truth()},
            policy({"premium": Truth(), "same": Truth(), "twin": Truth()}, min_gain=0.0, futility=0.0),
            seed=1_000 + seed,
            wave=lambda minute: 0.05 if minute % 240 > 120 else 0.0,
        ).run(240)
        wrong += bool(market.switches)
    assert wrong <= 0.05 * 40


def test_equal_models_are_left_alone_and_explored_ever_more_rarely():
    market = Market(EQUAL, policy(EQUAL)).run(1_500)
    begun = [it.at_ms for it in market.route.directives if isinstance(it.order, BeginExperiment)]
    assert market.switches == []
    assert market.model == "premium"
    assert 1 <= len(begun) <= 8


def test_a_worse_model_is_stopped_by_its_guards_and_buried():
    models = {"premium": Truth(), "bad": Truth(quality=0.5)}
    market = Market(models, policy(models, **ENDLESS)).run(200)
    assert "model=bad" in market.cold.tombstones
    assert market.switches == []
    assert "experiment_harm" in [alert.code for effects in market.route.effects for alert in effects.alerts]


def credit(market: Market) -> tuple[bytes, float]:
    """What is known of the arms, and how many rewards were learnt."""
    return ENCODER.encode(market.cold.bandit), market.cold.bandit.clock


def report(market: Market, *, step: int | None = None, at_minute: float | None = None, number: int = 5_000):
    """A report of a window of the running exploration."""
    directive = market.route.directives[-1]
    arms = {name: market.sample(market.model if name == CONTROL else name, 0.5) for name in directive.order.shares}
    at_ms = START_MS + int((market.minute if at_minute is None else at_minute) * MINUTE_MS)
    made = outcome(directive, OutcomeStatus.MEASURED, at_ms, number, arms=arms)
    return made if step is None else replace(made, step=step)


def test_a_repeated_report_changes_nothing():
    market = exploring(**ENDLESS)
    again = report(market)
    market.route.tell(again)
    before = market.cold
    market.route.tell(again)
    assert market.cold is before
    assert "already_credited" in market.route.codes()


def test_a_late_report_is_credited_to_the_shares_it_was_served_under():
    market = exploring(minutes=50, **ENDLESS)
    first, newest = market.cold.experiment.periods[0], market.cold.experiment.periods[-1]
    assert first.step < newest.step
    market.route.tell(report(market, step=first.step))
    after = market.cold.experiment.periods
    assert sum(after[0].units) > sum(first.units)
    assert after[-1].units == newest.units


def test_a_report_that_is_too_late_or_of_forgotten_shares_is_lost_and_not_bad():
    market = exploring(minutes=80, **ENDLESS)
    before = credit(market)
    market.route.tell(report(market, at_minute=market.minute - 31, number=6_000))
    market.route.tell(report(market, step=99, number=6_001))
    assert credit(market) == before
    assert {"reward_too_late", "unknown_step"} <= market.route.codes()


def test_an_arm_without_a_scored_request_earns_nothing_instead_of_zero():
    market = exploring(**ENDLESS)
    arm_id = next(iter(market.cold.bandit.evidence), None)
    before = market.cold.bandit.arms
    directive = market.route.directives[-1]
    arms = {CONTROL: market.sample("premium", 0.9), "cheap": ArmSample(requests=50)}
    market.route.tell(
        outcome(directive, OutcomeStatus.MEASURED, START_MS + market.minute * MINUTE_MS, 7_000, arms=arms)
    )
    after = market.cold.bandit.arms
    assert arm_id is not None
    assert after[arm_id] == before[arm_id]
    assert "reward_lost" in market.route.codes()


def test_lost_and_doubled_and_shuffled_reports_still_find_the_better_model():
    def careless(market: Market, reports):
        held = market.__dict__.setdefault("held", [])
        rng = market.rng
        for one in reports:
            if rng.random() < 0.7:
                held.append((market.minute + rng.choice([0, 0, 1, 3]), one))
            if rng.random() < 0.1:
                held.append((market.minute, one))
        due = [one for when, one in held if when <= market.minute]
        market.__dict__["held"] = [it for it in held if it[0] > market.minute]
        rng.shuffle(due)
        return due

    market = Market(CHEAP, policy(CHEAP), deliver=careless).run(250)
    assert market.switches[:1] == ["cheap"]


def test_nothing_heard_counts_for_nothing_unless_the_policy_gives_a_default():
    def silent(**rules):
        market = exploring(minutes=31, **ENDLESS, update_interval_ms=0, **rules)
        known = market.cold.bandit
        market.deliver = lambda market, reports: [replace(one, arms={}) for one in reports]
        market.run(MAX_PERIODS + 3)
        return known, market.cold.bandit

    before, after = silent()
    assert after.clock == before.clock
    before, after = silent(default_reward=0.2)
    assert after.clock > before.clock


def test_the_state_of_an_exploration_is_bounded():
    models = {"premium": Truth(), **{f"m{number}": Truth(cost_usd=0.02) for number in range(30)}}
    market = Market(models, policy(models, **ENDLESS, max_arms=8, rest_ms=0, max_duration_ms=1_800_000))
    sizes = []
    for _ in range(12):
        market.run(40)
        sizes.append(len(ENCODER.encode(market.cold.bandit)))
        cold = market.cold
        assert len(cold.bandit.arms) <= 8 and len(cold.bandit.evidence) <= 8
        assert cold.experiment is None or len(cold.experiment.periods) <= MAX_PERIODS
        assert msgspec.msgpack.decode(ENCODER.encode(cold), type=ColdState) == cold
    assert max(sizes) < 10_000


def test_an_exploration_gives_way_to_a_proven_switch_of_another_strategy():
    market = exploring(EQUAL, **ENDLESS)
    cheaper = (estimate("cheap", quality=0.8, cost_usd=0.001, p95_ms=1_500.0),)
    market.models["cheap"] = Truth(cost_usd=0.001)
    market.more = lambda minute: {"candidates": cheaper}
    market.run(4)
    kinds = [(it.decision.kind, it.decision.strategy) for it in market.route.directives if it.step == 0]
    assert ("model_switch", "pareto") in kinds
    assert market.cold.experiment is None
    assert len(market.orders(EndExperiment)) == 1


def test_an_exploration_gives_way_to_safety_and_is_not_blamed():
    market = exploring(EQUAL, **ENDLESS)
    market.more = lambda minute: {"error_rate": 0.4}
    market.run(6)
    kinds = market.route.kinds
    assert "circuit_break" in kinds
    assert "rollback" not in kinds
    assert market.cold.experiment is None
    alerts = [alert.code for effects in market.route.effects for alert in effects.alerts]
    assert "rollback_failed" not in alerts


@pytest.mark.parametrize("instruction", [Pin(), SetAutonomy(level=Autonomy.OBSERVE)])
def test_a_human_ends_an_exploration_and_none_begins(instruction):
    market = exploring(EQUAL, **ENDLESS, rest_ms=0)
    market.route.tell(command(market.minute + 0.5, instruction))
    assert market.cold.experiment is None
    market.run(60)
    assert market.cold.experiment is None


def test_an_unsteady_route_is_not_explored():
    market = Market(CHEAP, policy(CHEAP), more=lambda minute: {"stability": 0.6}).run(60)
    assert market.route.directives == []
    steady = exploring(EQUAL, **ENDLESS)
    steady.more = lambda minute: {"stability": 0.5}
    steady.run(2)
    assert steady.cold.experiment is None


def test_money_spent_on_exploring_ends_it_for_the_day():
    models = {"premium": Truth(), "dearer": Truth(cost_usd=0.0215)}
    rules = policy(models, **ENDLESS, exploration_budget_usd=0.5, rest_ms=0)
    market = Market(models, rules).run(90)
    assert len(market.orders(BeginExperiment)) == 1
    assert market.cold.experiment is None
    assert "exploration_budget_spent" in market.route.codes()
    assert market.cold.bandit.spent_usd < 0.7
    # The route's day begins at minute 107.
    assert len(market.run(40).orders(BeginExperiment)) > 1


def test_the_same_events_give_the_same_bytes():
    one, other = (ENCODER.encode(Market(CHEAP, policy(CHEAP), seed=9).run(120).route.state.cold) for _ in range(2))
    assert one == other


def test_an_arm_that_changes_is_learnt_anew():
    models = {"premium": Truth(), "other": Truth(quality=0.87)}
    market = exploring(models, minutes=120, **ENDLESS)
    market.models["other"] = Truth(quality=0.76)
    market.run(40)
    assert "arm_changed" in [alert.code for effects in market.route.effects for alert in effects.alerts]


def test_units_of_an_adaptive_split_that_go_astray_are_noticed():
    def skewed(market: Market, reports):
        return [
            replace(
                one,
                arms={
                    name: sample if name == CONTROL else market.sample(name, 0.4) for name, sample in one.arms.items()
                },
            )
            for one in reports
        ]

    market = exploring(EQUAL, **ENDLESS)
    market.deliver = skewed
    market.run(5)
    assert market.cold.experiment is None
    alerts = [alert.code for effects in market.route.effects for alert in effects.alerts]
    assert "sample_ratio_mismatch" in alerts


@pytest.mark.parametrize("models", [CHEAP, EQUAL])
def test_storing_and_loading_the_state_after_every_event_changes_nothing(models):
    def played(restarts: bool) -> bytes:
        def restarted(market: Market, reports):
            cold = msgspec.msgpack.decode(ENCODER.encode(market.cold), type=ColdState)
            hot = msgspec.msgpack.decode(ENCODER.encode(market.route.state.hot), type=HotState)
            market.route.state = ScopeState(scope=market.route.state.scope, hot=hot, cold=cold)
            return reports

        market = Market(models, policy(models), seed=4, deliver=restarted if restarts else lambda market, it: it)
        market.run(90)
        assert market.orders(BeginExperiment)
        return ENCODER.encode(market.route.state)

    assert played(restarts=True) == played(restarts=False)


def test_while_spending_runs_ahead_the_slice_goes_to_what_is_cheap():
    models = {"premium": Truth(), "cheap": Truth(cost_usd=0.004, quality=0.78), "dear": Truth(cost_usd=0.021)}

    def share_of_dear(limit_usd: float) -> float:
        def more(minute: int) -> dict[str, object]:
            # Told when the exploration is under way: none with a dearer model begins beyond the budget.
            if minute < 35:
                return {}
            left_ms = 6 * 3_600_000
            return {
                "budget": Budget(
                    daily_limit_usd=limit_usd, spent_usd=0.0, resets_at_ms=START_MS + minute * MINUTE_MS + left_ms
                )
            }

        market = Market(
            models, policy(models, **ENDLESS, weights=Weights(quality=1.0, cost=0.0, latency=0.0)), more=more
        )
        market.run(70)
        return market.share_of("dear") / (market.share_of("dear") + market.share_of("cheap"))

    # 1,000 requests a minute at .02 USD for six hours are 7,200 USD.
    assert share_of_dear(3_600.0) < 0.6 * share_of_dear(100_000.0)
