"""Experiments from the offer of a prompt to the winner in full use, with a dishonest world here and there."""

import random
from itertools import pairwise

import pytest
from msgspec.structs import replace

from decision_stream.model.actuation import BeginExperiment, EndExperiment, UpdateAllocation, UpdateConfiguration
from decision_stream.model.command import Approve, Autonomy, Offer, Revert, SetAutonomy, Tick, Withdraw
from decision_stream.model.metrics import ArmSample
from decision_stream.model.outcome import CONTROL, TREATMENT, OutcomeStatus
from decision_stream.model.policy import (
    AbTestingPolicy,
    AdaptiveParametersPolicy,
    EpsilonGreedy,
    FixedAllocation,
    Policy,
    ThompsonSampling,
    TunedParameter,
    UpperConfidenceBound,
)
from decision_stream.stats.false_discovery import Ledger
from decision_stream.stats.moments import Moments
from decision_stream.strategies.adaptive_parameters import PATIENCE
from tests.engine.route import Route
from tests.factories import MINUTE_MS, START_MS, command, estimate, insight, outcome

RULES = AbTestingPolicy(min_effect=0.03, min_sample_size=200, max_duration_ms=12 * 3_600_000)
POLICY = Policy(ab_testing=RULES)
ADAPTIVE = (ThompsonSampling(), UpperConfidenceBound(exploration_param=0.1), EpsilonGreedy())


class Lab:
    """A route whose arms have true qualities; each minute brings both arms' sums and an insight."""

    def __init__(self, qualities: dict[str, float], policy: Policy = POLICY, seed: int = 1, skew: float = 1.0) -> None:
        self.route = Route(policy=policy)
        self.qualities, self.skew = qualities, skew
        self.rng = random.Random(seed)
        self.minute, self.seen = 0, 0.8
        self.costs: dict[str, float] = {}

    def run(self, minutes: int) -> "Lab":
        for _ in range(minutes):
            self.minute += 1
            at_ms = START_MS + self.minute * MINUTE_MS
            self._measure(at_ms)
            self.route.tell(insight(self.minute, quality=self.seen, requests=1_000, quality_samples=400))
        assert "strategy_fault" not in self.route.codes()
        return self

    def offer(self, *names: str) -> "Lab":
        self.route.tell(command(self.minute + 0.2, Offer(variants=names)))
        return self

    @property
    def cold(self):
        return self.route.state.cold

    def orders(self, kind: type) -> list:
        return [directive.order for directive in self.route.directives if isinstance(directive.order, kind)]

    def _measure(self, at_ms: int) -> None:
        live = next((live for live in self.cold.live if live.state == "monitoring"), None)
        if live is None:
            return
        directive = next(it for it in reversed(self.route.directives) if it.decision.id == live.decision.id)
        if isinstance(directive.order, BeginExperiment | UpdateAllocation):
            arms = {
                name: self._arm(name, round(400 * share)) for name, share in directive.order.shares.items() if share
            }
        elif isinstance(directive.order, UpdateConfiguration) and directive.order.weight < 1.0:
            weight = directive.order.weight
            prompt = directive.order.configuration.prompt or "trial"
            arms = {
                CONTROL: self._arm(CONTROL, round(400 * (1 - weight))),
                TREATMENT: self._arm(prompt, round(400 * weight)),
            }
        else:
            return
        self.route.tell(outcome(directive, OutcomeStatus.MEASURED, at_ms, self.minute, arms=arms))

    def _arm(self, name: str, requests: int) -> ArmSample:
        requests = round(requests * (self.skew if name != CONTROL else 1.0))
        quality = min(1.0, max(0.0, self.rng.gauss(self.qualities[name], 0.2 / requests**0.5)))
        return ArmSample(
            requests=requests,
            quality=Moments(requests, quality, requests * 0.04),
            cost_usd=Moments(requests, self.costs.get(name, 0.02), requests * 0.005**2),
            latency_ms=Moments(requests, 1_000.0, requests * 90_000.0),
        )


def test_a_better_prompt_is_found_ramped_up_and_ends_in_use():
    lab = Lab({CONTROL: 0.8, "stepwise": 0.86}).offer("stepwise").run(260)
    assert lab.route.kinds[:2] == ["start_experiment", "conclude_experiment"]
    assert lab.cold.configuration.prompt == "stepwise"
    assert lab.cold.experiment is None
    conclusion = next(d.decision for d in lab.route.directives if d.decision.kind == "conclude_experiment")
    assert conclusion.decision.winner == "stepwise"
    assert conclusion.confidence > 0.95
    assert conclusion.impact.quality.delta == pytest.approx(0.075, abs=0.03)
    assert conclusion.evidence[0].method == "reflection_bound"
    weights = [order.weight for order in lab.orders(UpdateConfiguration)]
    assert weights[0] == POLICY.ramp.initial_weight
    assert weights[-1] == 1.0


def test_the_split_is_ended_before_the_winners_ramp_begins():
    lab = Lab({CONTROL: 0.8, "stepwise": 0.86}).offer("stepwise").run(120)
    orders = [type(directive.order).__name__ for directive in lab.route.directives]
    assert orders[:4] == ["BeginExperiment", "UpdateAllocation", "EndExperiment", "UpdateConfiguration"]


def test_equal_prompts_end_without_a_winner_at_the_planned_size():
    lab = Lab({CONTROL: 0.8, "same": 0.8}, seed=3).offer("same").run(400)
    assert [order.winner for order in lab.orders(EndExperiment)] == [None]
    assert lab.cold.configuration.prompt is None
    assert lab.cold.tried == ("premium:same",)
    lab.run(60)
    assert lab.route.kinds.count("start_experiment") == 1


def test_false_winners_are_as_rare_as_promised():
    wins = 0
    for seed in range(60):
        lab = Lab({CONTROL: 0.8, "same": 0.8}, seed=100 + seed).offer("same").run(150)
        wins += bool(lab.orders(UpdateConfiguration))
    assert wins <= 1


def test_a_model_that_gets_worse_for_all_arms_at_once_does_not_hide_behind_the_experiment():
    """No arm differs from another, so that no guard of the experiment can tell."""
    lab = Lab({CONTROL: 0.8, "same": 0.8}, replace(POLICY, ab_testing=replace(RULES, min_effect=0.005)))
    lab.run(40).offer("same").run(20)
    assert lab.cold.experiment is not None
    lab.seen = 0.72
    lab.qualities = dict.fromkeys(lab.qualities, 0.72)
    lab.run(30)
    # The arms acquit the experiment, and there is no other configuration to go to.
    assert lab.route.kinds == ["start_experiment"]
    degraded = [alert for effects in lab.route.effects for alert in effects.alerts if alert.code == "degraded"]
    assert len(degraded) == 1 and "no other configuration is known to be good" in degraded[0].detail


def test_a_harmful_prompt_is_stopped_at_once_and_buried():
    policy = Policy(ab_testing=replace(RULES, min_sample_size=50_000))
    lab = Lab({CONTROL: 0.8, "terse": 0.55}, policy).offer("terse").run(30)
    assert [order.winner for order in lab.orders(EndExperiment)] == [None]
    assert "prompt=terse" in lab.cold.tombstones
    alerts = [alert.code for effects in lab.route.effects for alert in effects.alerts]
    assert "experiment_harm" in alerts


def test_units_that_go_astray_end_the_experiment_without_a_winner():
    lab = Lab({CONTROL: 0.8, "stepwise": 0.86}, skew=0.7).offer("stepwise").run(60)
    assert [order.winner for order in lab.orders(EndExperiment)] == [None]
    assert any(alert.code == "sample_ratio_mismatch" for effects in lab.route.effects for alert in effects.alerts)


def test_two_challengers_share_alpha_and_the_better_one_wins():
    lab = Lab({CONTROL: 0.8, "good": 0.83, "best": 0.88}).offer("good", "best").run(400)
    assert lab.cold.configuration.prompt == "best"
    begun = lab.orders(BeginExperiment)[0]
    assert begun.shares == {CONTROL: 0.5, "good": 0.25, "best": 0.25}


def test_a_route_with_too_little_traffic_says_what_it_could_see():
    policy = Policy(ab_testing=replace(RULES, min_effect=0.001))
    lab = Lab({CONTROL: 0.8}, policy).offer("stepwise").run(20)
    assert "underpowered" in lab.route.codes()
    assert not lab.route.directives


def test_nothing_offered_nothing_started_and_withdrawn_is_not_offered():
    lab = Lab({CONTROL: 0.8}).run(20)
    assert "no_candidates" in lab.route.codes()
    lab.offer("stepwise")
    lab.route.tell(command(lab.minute + 0.4, Withdraw(variants=("stepwise",))))
    assert not lab.run(20).route.directives


@pytest.mark.parametrize("allocation", ADAPTIVE, ids=lambda it: type(it).__name__)
def test_shares_that_follow_outcomes_find_the_better_prompt(allocation):
    policy = Policy(ab_testing=replace(RULES, allocation_strategy=allocation))
    lab = Lab({CONTROL: 0.8, "stepwise": 0.84}, policy).offer("stepwise").run(360)
    assert lab.cold.configuration.prompt == "stepwise"
    begun, updates = lab.orders(BeginExperiment), lab.orders(UpdateAllocation)
    assert begun[0].shares == {CONTROL: 0.5, "stepwise": 0.5}
    assert updates and max(order.shares["stepwise"] for order in updates) > 0.8
    assert all(min(order.shares.values()) >= RULES.min_share - 1e-6 for order in updates)
    conclusion = next(d.decision for d in lab.route.directives if d.decision.kind == "conclude_experiment")
    assert conclusion.evidence[0].method == "empirical_bernstein"
    assert conclusion.evidence[0].interval.low > 0.0
    assert conclusion.impact.quality.delta == pytest.approx(0.05, abs=0.03)


def test_false_winners_under_thompson_sampling_are_as_rare_as_promised():
    policy = Policy(ab_testing=replace(RULES, allocation_strategy=ThompsonSampling(), min_sample_size=100))
    wins = 0
    for seed in range(40):
        lab = Lab({CONTROL: 0.8, "same": 0.8}, policy, seed=500 + seed).offer("same").run(120)
        wins += bool(lab.orders(UpdateConfiguration))
    assert wins <= 0.05 * 40


def test_a_harmful_prompt_is_stopped_at_once_under_thompson_sampling():
    policy = Policy(ab_testing=replace(RULES, allocation_strategy=ThompsonSampling(), early_stopping=False))
    lab = Lab({CONTROL: 0.8, "terse": 0.55}, policy).offer("terse").run(30)
    assert "prompt=terse" in lab.cold.tombstones


def test_astray_units_end_an_experiment_whose_shares_follow_outcomes():
    policy = Policy(ab_testing=replace(RULES, allocation_strategy=ThompsonSampling()))
    lab = Lab({CONTROL: 0.8, "stepwise": 0.82}, policy, skew=0.6).offer("stepwise").run(60)
    assert any(alert.code == "sample_ratio_mismatch" for effects in lab.route.effects for alert in effects.alerts)


def test_following_outcomes_is_planned_three_times_as_long():
    plans = []
    for allocation in (FixedAllocation(), ThompsonSampling()):
        policy = Policy(ab_testing=replace(RULES, allocation_strategy=allocation, online_fdr=False))
        lab = Lab({CONTROL: 0.8, "same": 0.8}, policy).offer("same").run(18)
        plans.append(lab.cold.experiment.planned_pairs)
    assert plans[1] == pytest.approx(3.0 * plans[0])


def test_an_experiment_locks_the_scope_against_other_changes():
    policy = Policy(ab_testing=replace(RULES, min_effect=0.01))
    lab = Lab({CONTROL: 0.8, "same": 0.8}, policy, seed=5).offer("same").run(20)
    assert lab.cold.experiment is not None
    lab.minute += 1
    cheaper = (estimate("cheap", quality=0.8, cost_usd=0.001, p95_ms=1_500.0),)
    for _ in range(3):
        lab.minute += 1
        lab.route.tell(insight(lab.minute, quality=0.8, candidates=cheaper))
    assert "model_switch" not in lab.route.kinds
    assert "facet_taken" in lab.route.codes()


def test_one_conclusion_at_a_time_waits_for_approval():
    lab = Lab({CONTROL: 0.8, "same": 0.8}).offer("same").run(18)
    assert lab.cold.experiment is not None
    lab.route.tell(command(lab.minute + 0.5, SetAutonomy(level=Autonomy.RECOMMEND)))
    while len(lab.route.proposals) < 5:
        lab.run(1)
    assert {proposal.kind for proposal in lab.route.proposals[1:]} == {"conclude_experiment"}
    assert [live.decision.kind for live in lab.cold.live if live.state == "awaiting_approval"] == [
        "conclude_experiment"
    ]


def test_an_experiment_that_is_being_taken_back_is_not_concluded():
    def lab() -> Lab:
        return Lab({CONTROL: 0.8, "stepwise": 0.86}).offer("stepwise")

    found = lab()
    while "conclude_experiment" not in found.route.kinds:
        found.run(1)
    other = lab().run(found.minute - 1)
    other.route.acknowledge = False
    start = other.cold.experiment.decision_id
    other.minute += 1
    other._measure(START_MS + other.minute * MINUTE_MS)
    other.route.tell(command(other.minute, Revert(decision_id=start)))
    assert [live.state for live in other.cold.live if live.decision.id == start] == ["rolling_back"]
    other.route.tell(insight(other.minute, quality=other.seen, requests=1_000, quality_samples=400))
    assert "conclude_experiment" in {proposal.kind for proposal in other.route.proposals}
    assert "conclude_experiment" not in other.route.kinds


def test_a_silent_actuator_does_not_keep_an_experiment_for_ever():
    lab = Lab({CONTROL: 0.8, "same": 0.8}, seed=6).offer("same").run(20)
    over_ms = RULES.max_duration_ms // MINUTE_MS + 40
    lab.route.tell(command(over_ms, Tick()))
    assert lab.cold.experiment is None
    assert [order.winner for order in lab.orders(EndExperiment)] == [None]


def test_an_operator_approves_the_start_when_the_scope_is_not_on_autopilot():
    lab = Lab({CONTROL: 0.8, "stepwise": 0.86})
    lab.route.tell(command(0.1, SetAutonomy(level=Autonomy.APPROVE)))
    lab.offer("stepwise").run(20)
    waiting = next(live for live in lab.cold.live if live.state == "awaiting_approval")
    assert not lab.route.directives
    lab.route.tell(command(lab.minute + 0.5, Approve(decision_id=waiting.decision.id)))
    assert lab.cold.experiment is not None


def test_reports_of_unknown_arms_are_refused_and_change_nothing():
    lab = Lab({CONTROL: 0.8, "same": 0.8}, seed=7).offer("same").run(18)
    directive = lab.route.directives[-1]
    before = lab.cold.experiment
    stranger = outcome(
        directive, OutcomeStatus.MEASURED, START_MS + 19 * MINUTE_MS, 999, arms={"stranger": ArmSample()}
    )
    lab.route.tell(stranger)
    assert lab.cold.experiment == before
    assert "unknown_arm" in lab.route.codes()


ONE_TEST = Policy(ab_testing=replace(RULES, online_fdr=False))


def second_test(lab: Lab) -> Lab:
    """Until the first test has found its candidate."""
    while not lab.cold.experiment or not lab.cold.experiment.candidate:
        lab.run(1)
        assert lab.minute < 300
    return lab


def test_a_winner_must_win_again_on_sums_that_begin_with_nothing():
    lab = second_test(Lab({CONTROL: 0.8, "stepwise": 0.86}).offer("stepwise"))
    again = lab.cold.experiment
    assert all(not sample.requests for sample in again.samples.values())
    assert again.alpha == Ledger().level(RULES.alpha, RULES.idle_alpha) < RULES.alpha
    assert lab.cold.ledger == Ledger(1)
    assert lab.orders(UpdateAllocation)[-1].shares == {CONTROL: 0.5, "stepwise": 0.5}
    lab.run(200)
    assert lab.cold.ledger == Ledger(1, (1,))
    assert lab.cold.configuration.prompt == "stepwise"


def test_what_was_served_before_the_second_test_does_not_count_in_it():
    lab = second_test(Lab({CONTROL: 0.8, "stepwise": 0.86}).offer("stepwise"))
    first = lab.route.directives[0]
    arms = {name: lab._arm(name, 5_000) for name in (CONTROL, "stepwise")}
    at_ms = START_MS + lab.minute * MINUTE_MS + 1
    lab.route.tell(outcome(first, OutcomeStatus.MEASURED, at_ms, 9_999, arms=arms))
    assert "unknown_step" in lab.route.codes()
    assert all(not sample.requests for sample in lab.cold.experiment.samples.values())


def test_a_candidate_that_was_luck_ends_quietly():
    lab = second_test(Lab({CONTROL: 0.8, "stepwise": 0.86}).offer("stepwise"))
    lab.qualities["stepwise"] = 0.8
    lab.run(400)
    ends = [it.decision.decision for it in lab.route.directives if it.decision.kind == "conclude_experiment"]
    assert lab.orders(EndExperiment)[-1].winner is None
    assert not lab.orders(UpdateConfiguration)
    assert lab.cold.ledger == Ledger(1)
    assert all(end.winner is None for end in ends)
    assert lab.cold.tried == ("premium:stepwise",)


def test_without_the_purse_the_first_win_is_the_last_word():
    lab = Lab({CONTROL: 0.8, "stepwise": 0.86}, ONE_TEST).offer("stepwise").run(260)
    assert not lab.orders(UpdateAllocation)
    assert lab.cold.configuration.prompt == "stepwise"
    assert lab.cold.ledger == Ledger()


def test_under_shares_that_follow_outcomes_the_purse_pays_for_the_only_test():
    policy = Policy(ab_testing=replace(RULES, allocation_strategy=ThompsonSampling()))
    lab = Lab({CONTROL: 0.8, "same": 0.8}, policy).offer("same").run(18)
    assert lab.cold.experiment.alpha == Ledger().level(RULES.alpha, RULES.idle_alpha)
    assert lab.cold.ledger == Ledger(1)


TUNING = Policy(
    adaptive_parameters=AdaptiveParametersPolicy(
        parameters=(TunedParameter(name="temperature", low=0.0, high=2.0, default=1.0),),
        optimization_mode="maximize_quality",
        min_improvement=0.03,
        update_interval_ms=10 * MINUTE_MS,
        trial_pairs=20_000,
    ),
)


def test_tuning_tries_within_bounds_keeps_its_trials_and_adopts_what_is_proven():
    lab = Lab({CONTROL: 0.8, "trial": 0.86}, TUNING).run(500)
    trials = [order.configurations["trial"].parameters["temperature"] for order in lab.orders(BeginExperiment)]
    assert trials
    assert all(0.0 <= value <= 2.0 for value in trials)
    assert lab.cold.trials
    assert lab.cold.configuration.parameters.get("temperature") in trials


def test_trials_that_find_nothing_become_rare():
    lab = Lab({CONTROL: 0.8, "trial": 0.8}, TUNING).run(1_500)
    starts = [it.at_ms for it in lab.route.directives if isinstance(it.order, BeginExperiment)]
    gaps = [after - before for before, after in pairwise(starts)]
    assert len(gaps) > PATIENCE + 1
    assert gaps[-1] - gaps[0] > 4 * TUNING.adaptive_parameters.update_interval_ms
    assert gaps[PATIENCE:] == sorted(gaps[PATIENCE:])


def test_a_latin_hypercube_is_tried_before_the_search_goes_on():
    rules = replace(TUNING.adaptive_parameters, search_strategy="latin_hypercube", design_points=4)
    lab = Lab({CONTROL: 0.8, "trial": 0.8}, replace(TUNING, adaptive_parameters=rules)).run(900)
    tried = [order.configurations["trial"].parameters["temperature"] for order in lab.orders(BeginExperiment)]
    assert len(tried) >= 5, tried
    assert sorted(int(value / 0.5) for value in tried[:4]) == [0, 1, 2, 3], "one in each quarter of the range"


def test_a_proven_small_step_goes_to_all_traffic_and_bakes_there():
    (tuned,) = TUNING.adaptive_parameters.parameters
    near = replace(TUNING.adaptive_parameters, parameters=(tuned,), trust_region=1.0)
    lab = Lab({CONTROL: 0.8, "trial": 0.86}, replace(TUNING, adaptive_parameters=near)).run(500)
    weights = [order.weight for order in lab.orders(UpdateConfiguration)]
    assert weights and set(weights) == {1.0}
    assert "temperature" in lab.cold.configuration.parameters


def test_a_bad_trial_is_ended_and_remembered_as_a_loss():
    lab = Lab({CONTROL: 0.8, "trial": 0.6}, TUNING).run(80)
    assert lab.cold.trials
    assert all(trial.gain < 0.0 for trial in lab.cold.trials)
    assert lab.cold.configuration.parameters == {}


@pytest.mark.parametrize(("quality", "adopted"), [(0.8, True), (0.775, False)])
def test_a_cheaper_setting_is_adopted_only_where_quality_is_kept(quality, adopted):
    """A tenth of the cost is saved; 3 % of the quality is more than all changes together may give up."""
    cheap = replace(TUNING.adaptive_parameters, optimization_mode="minimize_cost")
    lab = Lab({CONTROL: 0.8, "trial": quality}, replace(TUNING, adaptive_parameters=cheap))
    lab.costs["trial"] = 0.018
    lab.run(400)
    assert lab.orders(BeginExperiment)
    assert ("temperature" in lab.cold.configuration.parameters) is adopted
    said = {d.decision.decision.reason.partition(":")[0] for d in lab.route.directives if "conclude" in d.decision.kind}
    assert adopted or said == {"quality_not_kept"}


def test_without_parameters_nothing_is_tuned():
    lab = Lab({CONTROL: 0.8}).run(20)
    assert "no_parameters" in lab.route.codes()


def test_when_an_experiment_ends_the_measurements_are_those_of_the_control():
    lab = Lab({CONTROL: 0.8, "same": 0.8}, replace(POLICY, ab_testing=replace(RULES, min_effect=0.005)))
    lab.costs = {"same": 0.01}
    # Insights tell of all that is served, evenly split: a quarter less than the control costs.
    lab.run(40).offer("same").run(30)
    assert lab.cold.experiment is not None
    shown = lab.route.state.hot.live
    lab.route.tell(command(lab.minute + 0.5, Revert(decision_id=lab.cold.experiment.decision_id)))
    assert lab.cold.experiment is None
    found = lab.route.state.hot.live
    within = 1.0 - 0.98**29.5
    assert found.cost_usd == pytest.approx(shown.cost_usd * (0.02 / 0.015) ** within, rel=0.01)
    assert found.quality == pytest.approx(shown.quality, abs=0.01) and found.weight == shown.weight
