"""A scope whose changes come to their ends, good and bad, in whatever order: the engine's promises hold at every step.

Beside `test_invariants`, whose histories are wild and seldom bring a change to its end, this machine serves orders
well or badly, so that rests, breakers and probes are met.
"""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from decision_stream.model.actuation import BeginExperiment
from decision_stream.model.command import Approve, Autonomy, Pause, Pin, Resume, Revert, Tick, Unpin
from decision_stream.model.lifecycle import DecisionState
from decision_stream.model.outcome import CONTROL, TREATMENT, OutcomeStatus
from decision_stream.model.policy import (
    BreakerPolicy,
    EnginePolicy,
    ParetoPolicy,
    Policy,
    RampPolicy,
    ReinforcementPolicy,
    SafetyPolicy,
)
from tests.engine.test_invariants import World, check
from tests.factories import MINUTE_MS, START_MS, arm, command, estimate, insight, outcome


class Served(RuleBasedStateMachine):
    """Rules are what the world may do next."""

    @initialize(autonomy=st.sampled_from([Autonomy.AUTOPILOT, Autonomy.APPROVE]))
    def begin(self, autonomy: Autonomy) -> None:
        self.world = World(
            Policy(
                engine=EnginePolicy(decision_timeout_ms=6 * MINUTE_MS),
                safety=SafetyPolicy(autonomy=autonomy, min_time_between_changes_ms=10 * MINUTE_MS),
                ramp=RampPolicy(increment=0.95, step_ms=MINUTE_MS, bake_ms=2 * MINUTE_MS),
                breaker=BreakerPolicy(min_decisions=2, max_failure_share=0.4, open_ms=15 * MINUTE_MS),
                pareto=ParetoPolicy(tombstone_ms=MINUTE_MS),
                reinforcement=ReinforcementPolicy(enabled=False),
            )
        )
        for _ in range(6):
            self.quiet()

    @property
    def _at_ms(self) -> int:
        return START_MS + self.world.minute * MINUTE_MS

    @rule()
    def quiet(self) -> None:
        self.world.minute += 1
        configuration = self.world.state.cold.configuration
        more = {} if configuration is None else {"configuration": configuration}
        self.world.tell(insight(self.world.minute, quality_samples=20_000, **more))

    @rule(which=st.integers(0, 5))
    def a_better_model(self, which: int) -> None:
        self.world.minute += 1
        cost_usd = 0.002 / (1 + which)
        rival = estimate(f"model-{which}-{self.world.minute}", cost_usd=cost_usd, samples=50_000)
        configuration = self.world.state.cold.configuration
        for _ in range(2):
            self.world.minute += 1
            seen = insight(self.world.minute, quality_samples=20_000, candidates=(rival,), configuration=configuration)
            self.world.tell(seen)

    @precondition(lambda self: self.world.directives)
    @rule(reports=st.integers(1, 6))
    def served_well(self, reports: int) -> None:
        for _ in range(reports):
            self._report(OutcomeStatus.APPLIED)
            self._report(OutcomeStatus.MEASURED)
            self.world.minute += 3
            self.world.tell(command(self.world.minute, Tick()))

    @precondition(lambda self: self.world.directives)
    @rule(how=st.sampled_from([OutcomeStatus.FAILED, OutcomeStatus.MEASURED, OutcomeStatus.ROLLED_BACK]))
    def served_badly(self, how: OutcomeStatus) -> None:
        if how is OutcomeStatus.MEASURED:
            self._report(OutcomeStatus.APPLIED)
        self._report(how, quality=0.4)

    @rule(which=st.integers(0, 5), well=st.booleans())
    def a_change_comes_to_its_end(self, which: int, well: bool) -> None:
        self.a_better_model(which)
        for live in self.world.state.cold.live:
            if live.state is DecisionState.AWAITING_APPROVAL:
                self.world.tell(command(self.world.minute, Approve(decision_id=live.decision.id)))
        if self.world.directives and well:
            self.served_well(2)
        elif self.world.directives:
            self.served_badly(OutcomeStatus.FAILED)

    @precondition(lambda self: self.world.events)
    @rule(back=st.integers(1, 30))
    def told_again(self, back: int) -> None:
        self.world.tell(self.world.events[-1 - back % len(self.world.events)])

    @rule(minutes=st.sampled_from([1, 5, 12, 20, 700]))
    def time(self, minutes: int) -> None:
        self.world.minute += minutes
        self.world.tell(command(self.world.minute, Tick()))

    @rule(kind=st.sampled_from([Approve, Approve, Approve, Pause, Resume, Revert]))
    def a_person_about_a_decision(self, kind: type) -> None:
        self.world.minute += 1
        live = self.world.state.cold.live
        newest = live[-1].decision.id if live else "nothing"
        self.world.tell(command(self.world.minute, kind(decision_id=newest)))

    @rule(pin=st.booleans())
    def a_person_about_the_scope(self, pin: bool) -> None:
        self.world.minute += 1
        self.world.tell(command(self.world.minute, Pin() if pin else Unpin()))

    def _report(self, status: OutcomeStatus, quality: float = 0.9) -> None:
        order = self.world.directives[-1]
        self.world.minute += 1
        names = order.order.shares if isinstance(order.order, BeginExperiment) else (CONTROL, TREATMENT)
        arms = {name: arm(5_000, quality=quality, cost_usd=0.002) for name in names} | {CONTROL: arm(5_000)}
        self.world.tell(outcome(order, status, self._at_ms, self.world.minute, arms=arms))

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        check(self.world.state)
        for _ in range(4):
            self.world.minute += 700
            self.world.tell(command(self.world.minute, Tick()))
        assert self.world.state.cold.live == (), "time alone ends every decision"


Served.TestCase.settings = settings(
    max_examples=120,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
test_served_in_any_way_the_promises_hold = Served.TestCase
