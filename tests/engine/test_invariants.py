"""No history of events, however odd, breaks the engine's promises.

Checked on random histories with a careless actuator.
"""

from collections import defaultdict

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from decision_stream.engine.lifecycle import MOVES, OVER
from decision_stream.engine.step import step
from decision_stream.model.actuation import BeginExperiment, Directive, UpdateAllocation
from decision_stream.model.command import (
    Approve,
    Autonomy,
    Cancel,
    Command,
    Pause,
    Pin,
    Reject,
    Resume,
    Revert,
    SetAutonomy,
    Tick,
    Unpin,
)
from decision_stream.model.configuration import Configuration
from decision_stream.model.decision import Proposal, RiskLevel
from decision_stream.model.insight import Insight
from decision_stream.model.lifecycle import DecisionState
from decision_stream.model.outcome import CONTROL, TREATMENT, Outcome, OutcomeStatus
from decision_stream.model.policy import (
    AbTestingPolicy,
    AdaptiveParametersPolicy,
    BreakerPolicy,
    DegradationPolicy,
    EnginePolicy,
    FixedAllocation,
    ParetoPolicy,
    Policy,
    ReinforcementPolicy,
    SafetyPolicy,
    ThompsonSampling,
    ThresholdPolicy,
    TunedParameter,
)
from decision_stream.model.state import BreakerState, ColdState, HotState, ScopeState
from tests.factories import MINUTE_MS, SCOPE, START_MS, arm, command, estimate, insight, outcome

ENCODER = msgspec.msgpack.Encoder(order="deterministic")

kinds = st.sampled_from(
    ["insight"] * 6
    + ["bad_insight"] * 3
    + ["measure"] * 4
    + ["outcome"] * 3
    + ["repeat", "tick", "far_tick", "command"]
)
histories = st.lists(st.tuples(kinds, st.integers(0, 5), st.integers(0, 11)), min_size=5, max_size=60)
policies = st.sampled_from(
    [
        Policy(
            threshold_based=ThresholdPolicy(
                degradation=DegradationPolicy(baseline_windows=10, average_run_length=50.0)
            ),
            safety=SafetyPolicy(autonomy=autonomy, min_time_between_changes_ms=0 if explores else 4 * MINUTE_MS),
            breaker=BreakerPolicy(min_decisions=2, open_ms=10 * MINUTE_MS),
            # An exploration begins only where nothing else does, and is to be overtaken now and then.
            pareto=ParetoPolicy(tombstone_ms=120_000, min_samples=2_500 if explores else 100),
            engine=EnginePolicy(decision_timeout_ms=90_000),
            ab_testing=AbTestingPolicy(
                enabled=experiments,
                variants=("terse", "stepwise", "kind"),
                min_windows=3,
                min_sample_size=30,
                max_duration_ms=4 * 3_600_000,
                min_effect=0.05,
                allocation_strategy=ThompsonSampling() if explores else FixedAllocation(),
                allocation_interval_ms=60_000,
            ),
            reinforcement=ReinforcementPolicy(
                enabled=explores,
                min_windows=3,
                rest_ms=0,
                update_interval_ms=60_000,
                futility=0.0,
                min_effective_samples=20,
            ),
            catalog=tuple(estimate(f"guess-{number}", samples=0) for number in range(3)) if explores else (),
            adaptive_parameters=AdaptiveParametersPolicy(
                enabled=experiments or not explores,
                parameters=(TunedParameter(name="temperature", low=0.0, high=2.0, default=1.0),),
                update_interval_ms=120_000,
                trial_pairs=100_000,
            ),
        )
        for autonomy in (Autonomy.AUTOPILOT, Autonomy.APPROVE)
        for experiments in (False, True)
        for explores in (False, True)
    ]
)


class World:
    """Feeds one scope and keeps everything that came out."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.state = ScopeState(scope=SCOPE)
        self.minute = 0
        self.events, self.effects, self.queue = [], [], []
        self.taken: set[str] = set()
        self.offered = {"premium"}
        self.approved: set[str] = set()
        self.directives: list[Directive] = []

    def tell(self, event) -> None:
        before = ENCODER.encode(self.state)
        state, effects = step(self.state, event, self.policy)
        assert ENCODER.encode(self.state) == before, "step changed its input"
        assert step(self.state, event, self.policy) == (state, effects), "step is not a function"
        self.events.append(event)
        self.effects.append(effects)
        self._promised(event, effects, state)
        self.state = state
        self.directives += [output for output in effects.outputs if isinstance(output, Directive)]
        self.queue += [output for output in effects.outputs if isinstance(output, Proposal)]
        check(state)
        if self.queue:
            self.tell(self.queue.pop(0))

    def _promised(self, event, effects, after: ScopeState) -> None:
        """What holds of every step: I2, I3, I6, I7, I11 and I12 of a decision engine, beside what `check` sees."""
        before, now_ms = self.state.cold, after.hot.at_ms
        if isinstance(event, Insight):
            self.offered |= {one.model for one in event.candidates} | {event.configuration.model}
        if isinstance(event, Command) and isinstance(event.instruction, Approve) and effects.verdict == "applied":
            self.approved.add(event.instruction.decision_id)
        if isinstance(event, Outcome | Command) and not isinstance(getattr(event, "instruction", None), Tick):
            if event.id in self.taken and event.id in before.seen:
                assert not effects.learnings and not effects.outputs and after.cold == before, "taken in once"
            self.taken.add(event.id)
        for order in effects.outputs:
            if not isinstance(order, Directive):
                continue
            decision, shares = order.decision, getattr(order.order, "shares", None)
            if shares is not None:
                assert abs(sum(shares.values()) - 1.0) < 1e-9 and min(shares.values()) >= 0.0
            if order.step > 0 or decision.is_safety:
                continue
            assert before.breaker.state is not BreakerState.OPEN or now_ms >= before.breaker.until_ms, "breaker"
            if after.cold.breaker.state is BreakerState.HALF_OPEN:
                assert after.cold.breaker.probe_id == decision.id, "one probe"
            if before.changed_at_ms is not None:
                assert now_ms - before.changed_at_ms >= self.policy.safety.min_time_between_changes_ms, "rest"
            if decision.risk.level in (RiskLevel.HIGH, RiskLevel.CRITICAL):
                assert decision.id in self.approved, "high risk goes only with a person's word"
            if decision.changes.model is not None:
                assert decision.changes.model.new in self.offered, "nobody knows this model"

    def play(self, kind: str, which: int, what: int) -> None:
        self.minute += 1
        at_ms = START_MS + self.minute * MINUTE_MS
        live = self.state.cold.live
        configuration = self.state.cold.configuration or Configuration(model="premium")
        match kind:
            case "insight":
                rival = estimate(f"model-{what}", cost_usd=0.001 * (1 + which), samples=500 * (1 + what))
                self.tell(insight(self.minute, candidates=(rival,), configuration=configuration))
            case "bad_insight":
                self.tell(
                    insight(
                        self.minute,
                        configuration=configuration if which else Configuration(model="other"),
                        quality=0.3 if what % 2 else 0.9,
                        p95_ms=20_000.0 if what % 3 else 2_000.0,
                        error_rate=0.5 if what % 4 == 0 else 0.01,
                    )
                )
            case "measure" | "outcome" if self.directives:
                directive = self.directives[-1 - which // 2 % len(self.directives)]
                status = OutcomeStatus.MEASURED if kind == "measure" else list(OutcomeStatus)[what % 6]
                if what >= 8:
                    status = OutcomeStatus.APPLIED
                arms = {TREATMENT: arm(60, quality=0.9 if what % 4 else 0.4), CONTROL: arm(60)}
                if isinstance(directive.order, BeginExperiment | UpdateAllocation) and which != 5:
                    better, requests = (0.95, 60) if what % 2 else (0.9 if what % 4 else 0.4, 60 if what != 8 else 5)
                    arms = {
                        name: arm(requests, quality=better) if name != CONTROL else arm(60)
                        for name in directive.order.shares
                    }
                    if which % 2:
                        arms = {
                            name: arm(round(2_000 * share), quality=0.9 if name == CONTROL else better)
                            for name, share in directive.order.shares.items()
                        }
                self.tell(outcome(directive, status, at_ms, self.minute, arms=arms))
            case "repeat" if self.events:
                self.tell(self.events[-1 - which % len(self.events)])
            case "tick" | "far_tick":
                self.minute += 600 if kind == "far_tick" else 0
                self.tell(command(self.minute, Tick()))
            case "command":
                target = live[which % len(live)].decision.id if live else "nothing"
                closed = self.state.cold.closed
                if closed and what % 2:
                    target = closed[-1 - which % len(closed)].id
                aimed = (Approve, Reject, Cancel, Revert, Pause, Resume)
                instruction = (
                    aimed[what](decision_id=target)
                    if what < len(aimed)
                    else (Pin(), Unpin(), SetAutonomy(level=list(Autonomy)[which % 4]), Tick(), Tick(), Tick())[
                        what - 6
                    ]
                )
                self.tell(command(self.minute, instruction))


def check(state: ScopeState) -> None:
    """What holds of every reachable state."""
    cold = state.cold
    changing = defaultdict(list)
    for live in cold.live:
        assert live.state not in OVER and live.deadline_ms > 0
        if live.decision.kind not in ("rollback", "circuit_break") and live.state is not DecisionState.ROLLING_BACK:
            for facet in live.decision.held_facets:
                changing[facet].append(live.decision.id)
    assert all(len(ids) == 1 for ids in changing.values()), f"two changes of one facet: {dict(changing)}"
    assert sum(live.decision.kind == "rollback" for live in cold.live) <= 1
    if cold.experiment is not None:
        assert any(live.decision.id == cold.experiment.decision_id for live in cold.live), (
            "an experiment has a decision"
        )
        assert cold.experiment.samples.keys() == cold.experiment.shares.keys()
        assert len(cold.experiment.periods) <= 12
        assert all(abs(sum(period.shares) - 1.0) < 1e-9 for period in cold.experiment.periods)
    serving = (DecisionState.EXECUTING, DecisionState.MONITORING, DecisionState.PAUSED)
    exploring = [live for live in cold.live if live.decision.yields and live.state in serving]
    changes = [live for live in cold.live if live.decision.held_facets and live.state in serving]
    assert len(exploring) <= 1 and not (exploring and changes), "an exploration gives way to a change"
    assert len(cold.bandit.arms) <= 8 and cold.bandit.evidence.keys() <= cold.bandit.arms.keys()
    if cold.history:
        assert cold.history[-1].configuration == cold.configuration
    assert len(cold.history) <= 11 and len(cold.closed) <= 20 and len(cold.seen) <= 64
    assert msgspec.msgpack.decode(ENCODER.encode(state.hot), type=HotState) == state.hot
    assert msgspec.msgpack.decode(ENCODER.encode(cold), type=ColdState) == cold


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(policy=policies, history=histories)
def test_no_history_breaks_the_promises(policy, history):
    world = World(policy)
    for minute in range(12):
        world.play("insight", 5, minute)
        # Acknowledged and measured, so that what begins here is under way when the history goes on.
        world.play("outcome", 0, 8)
        world.play("measure", 1 if minute % 3 else 0, 2)
    for kind, which, what in history:
        world.play(kind, which, what)
    for _ in range(4):
        world.play("far_tick", 0, 0)
    assert world.state.cold.live == (), "time alone ends every decision"

    positions: dict[str, DecisionState] = {}
    for effects in world.effects:
        for transition in effects.transitions:
            expected = positions.get(transition.decision_id, DecisionState.PENDING)
            assert transition.from_state is expected, "transitions of a decision are a chain"
            assert transition.to_state in MOVES[expected] and transition.reason
            positions[transition.decision_id] = transition.to_state
    assert all(position in OVER for position in positions.values())

    sequences = [directive.sequence for directive in world.directives]
    ids = [directive.id for directive in world.directives]
    assert len(ids) == len(set(ids)), "every order has its own id"
    by_decision = {directive.decision.id: directive.sequence for directive in world.directives}
    assert len(set(by_decision.values())) == len(by_decision) and all(sequences)
    for directive in world.directives:
        assert all(check.passed for check in directive.decision.checks), "nothing leaves with a failed check"


def test_every_state_that_is_not_over_can_end():
    ends = dict.fromkeys(OVER, True)
    for _ in MOVES:
        ends |= {state: True for state, targets in MOVES.items() if any(ends.get(target) for target in targets)}
    assert set(ends) == set(DecisionState)


def test_the_table_has_every_state_and_the_moves_of_the_seed():
    seed = [
        ("pending", "validating"),
        ("validating", "approved"),
        ("validating", "rejected"),
        ("approved", "executing"),
        ("executing", "monitoring"),
        ("executing", "failed"),
        ("monitoring", "completed"),
        ("monitoring", "rolling_back"),
        ("rolling_back", "rolled_back"),
    ]
    assert set(MOVES) == set(DecisionState)
    assert all(DecisionState(after) in MOVES[DecisionState(before)] for before, after in seed)
