"""What the parts of a step cost, and the dearest events of a season with incidents, ramps, experiments and commands.

Parts are measured on a route that has run for a while: the least of many short runs, since what is more than that was
taken away by others. Events are timed one by one where they happen, each five times, for a step is pure: the least
counts.
"""

from collections import defaultdict
from collections.abc import Callable
from math import inf, log
from time import perf_counter
from timeit import repeat

import msgspec

from decision_stream.engine.conflicts import Candidate, resolve
from decision_stream.engine.evaluate import evaluate
from decision_stream.engine.guard import judge
from decision_stream.engine.step import step
from decision_stream.engine.turn import Turn
from decision_stream.engine.validate import validate
from decision_stream.model.actuation import Directive
from decision_stream.model.decision import ImpactEstimate, Interval, PredictedImpact, Proposal
from decision_stream.model.event import Event
from decision_stream.model.insight import Insight
from decision_stream.model.journal import Source
from decision_stream.model.metrics import ArmSample
from decision_stream.model.policy import Policy
from decision_stream.model.state import ScopeState
from decision_stream.sim.scoreboard.play import Match
from decision_stream.sim.scoreboard.scenario import build
from decision_stream.sim.scoreboard.scenarios import ScenarioName
from decision_stream.sim.scoreboard.world import RouteWorld
from decision_stream.stats import confidence_sequence, reflection, sample_ratio
from decision_stream.stats.adwin import Adwin
from decision_stream.stats.difference import Difference
from decision_stream.stats.empirical_bernstein import DifferenceEvidence, Part
from decision_stream.stats.moments import Moments
from decision_stream.stats.shift_alarm import normal_score, updated
from decision_stream.strategies.protocol import View
from decision_stream.strategies.registry import STRATEGIES
from decision_stream.stream.record import apply, empty, hot_write
from decision_stream.wire.codec import encode, parser

from .load import IN_USE, insights

RUNS, TIMES = 400, 20
WINDOWS = 178
"""Windows that the route has seen: beyond all baselines, between two looks for something to explore."""
DAYS, ROUTES, SEED, AGAIN = 4, 3, 1, 5
Rows = list[tuple[str, float, str]]


def measure() -> Rows:
    """Rows of name, microseconds, and a remark."""
    return [*_strategies(), *_stages(), *_tests(), *_bytes(), *_dearest()]


def _least_us(act: Callable[[], object]) -> float:
    return min(repeat(act, number=TIMES, repeat=RUNS)) / TIMES * 1e6


def _quiet() -> tuple[ScopeState, Insight, Policy]:
    policy = Policy()
    *before, last = insights(WINDOWS, 1)
    state = ScopeState(scope=last.scope)
    for insight in before:
        state, _ = step(state, insight, policy)
    return state, last, policy


def _strategies() -> Rows:
    state, insight, policy = _quiet()
    after, _ = step(state, insight, policy)
    view = View(state=after, insight=insight, configuration=IN_USE, policy=policy, at_ms=insight.at_ms)

    def asked(strategy) -> Callable[[], object]:
        return lambda: (strategy.observe(state.hot, insight, policy), strategy.propose(view))

    return [(f"strategy: {strategy.name}", _least_us(asked(strategy)), "one window") for strategy in STRATEGIES]


def _proposed() -> tuple[ScopeState, Proposal, ScopeState, Insight, Policy]:
    """A route at the insight that makes it propose a switch: before it, and before the proposal is judged."""
    state, insight, policy = _quiet()
    cheap = insights(1, 1)[0].candidates[0]
    for number in range(1, 50):
        told = msgspec.structs.replace(
            insight,
            id=f"told-{number}",
            at_ms=insight.at_ms + number * insight.window_ms,
            candidates=(msgspec.structs.replace(cheap, quality=0.88, cost_usd=0.002, samples=5_000 * number),),
        )
        after, effects = step(state, told, policy)
        if effects.outputs:
            (proposal,) = effects.outputs
            assert isinstance(proposal, Proposal)
            return after, proposal, state, told, policy
        state = after
    raise AssertionError("nothing was proposed")


def _stages() -> Rows:
    state, proposal, before, insight, policy = _proposed()

    def turn(of: ScopeState, event: Event) -> Turn:
        return Turn(of, event.id, event.at_ms, policy)

    opinions = [
        strategy.propose(
            View(state=state, insight=insight, configuration=IN_USE, policy=policy, at_ms=insight.at_ms, is_news=True)
        )
        for strategy in STRATEGIES
    ]
    ideas = [idea for opinion in opinions for idea in opinion.ideas] or [_idea(before, insight, policy)]
    candidates = [
        Candidate(idea=idea, strategy=strategy.name, priority=strategy.priority(policy), rank=0)
        for strategy in STRATEGIES
        for idea in ideas[:1]
    ]
    quiet, last, _ = _quiet()
    return [
        ("stage: evaluate, quiet", _least_us(lambda: evaluate(turn(quiet, last), last)), "all strategies"),
        ("stage: evaluate, with a proposal", _least_us(lambda: evaluate(turn(before, insight), insight)), ""),
        ("stage: conflicts", _least_us(lambda: resolve(candidates, before.cold)), f"{len(candidates)} rivals"),
        ("stage: validate", _least_us(lambda: validate(turn(state, proposal), proposal)), "a switch, to its order"),
    ]


def _idea(state: ScopeState, insight: Insight, policy: Policy):
    after, _ = step(state, insight, policy)
    cold = msgspec.structs.replace(after.cold, pending=())
    view = View(
        state=ScopeState(scope=after.scope, hot=after.hot, cold=cold),
        insight=insight,
        configuration=IN_USE,
        policy=policy,
        at_ms=insight.at_ms,
        is_news=True,
    )
    return next(idea for strategy in STRATEGIES for idea in strategy.propose(view).ideas)


def _tests() -> Rows:
    baseline = Moments(30, 0.12, 0.012)
    running = (0.3, 0.2, 0.1)
    seen = Difference(0.01, 0.0001, 400.0)
    window = Adwin()
    for number in range(1_000):
        window, _ = window.apply(0.5 + 0.1 * (number % 7 - 3) / 3.0)
    eight = tuple(0.5 + 0.01 * number for number in range(8))
    arm = ArmSample(
        requests=500,
        errors=5,
        slow=3,
        quality=Moments(500, 0.88, 20.0),
        cost_usd=Moments(500, 0.02, 0.005),
        latency_ms=Moments(500, 900.0, 4e7),
    )
    impact = PredictedImpact(cost=ImpactEstimate(delta=-0.5, interval=Interval(low=-0.6, high=-0.4)))
    policy = Policy()
    before = {"control_before": Moments(900, 0.5, 36.0), "treatment_before": Moments(100, 0.6, 4.0)}
    report = [Part(weight=1.0, control=Moments(180, 0.5, 7.0), treatment=Moments(20, 0.6, 0.8), **before)]
    known = DifferenceEvidence().apply(report, 100.0)
    shares = sample_ratio.SampleRatio((0.9, 0.1)).counted((900.0, 100.0))
    rows = {
        "alarm of a metric": lambda: updated(running, normal_score(0.13, baseline, 0.02)),
        "drift of eight windows": lambda: window.extended(eight),
        "confidence sequence": lambda: confidence_sequence.interval(seen, sharpest_at=1_000.0, alpha=0.05),
        "reflection bound": lambda: reflection.score(seen, 2_000.0) >= reflection.bound(0.05),
        "shares of an experiment": lambda: shares.counted((90.0, 10.0)).p_value(),
        "evidence under changing shares": lambda: known.apply(report, 100.0).log_evidence(0.02) >= -log(0.05),
        "four guards of a ramp": lambda: judge(arm, arm, impact, policy, {}),
    }
    return [(f"test: {name}", _least_us(act), "") for name, act in rows.items()]


def _bytes() -> Rows:
    policy, parse = Policy(), parser(Insight)
    made = insights(WINDOWS, 1)
    stored = empty(made[0].scope)
    for offset, insight in enumerate(made):
        done = apply(
            stored,
            Source(topic="insights", partition=0, offset=offset),
            insight,
            policy,
            delivered=frozenset((stored.sequence,)),
        )
        stored = done.stored
    value, key = encode(made[-1]), made[-1].scope.encode()
    journal = done.outputs[-1].value
    entry = msgspec.json.decode(journal)
    cold = msgspec.msgpack.Encoder(order="deterministic").encode
    return [
        ("bytes: parse an insight", _least_us(lambda: parse(value, key, made[-1].at_ms)), f"{len(value)} B"),
        ("bytes: journal record", _least_us(lambda: msgspec.json.encode(entry)), f"{len(journal)} B"),
        ("bytes: hot state", _least_us(lambda: hot_write(stored)), f"{len(hot_write(stored)[1])} B"),
        ("bytes: cold state", _least_us(lambda: cold(stored.state.cold)), f"{len(cold(stored.state.cold))} B"),
    ]


class _Timed:
    """A player that decides as the engine does and notes how long each step takes, by the kind of its event."""

    def __init__(self, scope: str, policy: Policy, spent: dict[str, list[float]]) -> None:
        self._state, self._policy, self._spent = ScopeState(scope=scope), policy, spent

    def tell(self, event: Event) -> list[Directive]:
        least, before = inf, self._state
        for _ in range(AGAIN):
            begun = perf_counter()
            self._state, effects = step(before, event, self._policy)
            least = min(least, perf_counter() - begun)
        self._spent[type(event).__name__.lower()].append(least)
        ordered: list[Directive] = []
        for output in effects.outputs:
            ordered += self.tell(output) if isinstance(output, Proposal) else [output]
        return ordered


def _dearest() -> Rows:
    spent: dict[str, list[float]] = defaultdict(list)
    policy = Policy()
    scenario = build(ScenarioName.STANDARD, SEED, days=DAYS, scopes=ROUTES)
    for route in scenario.routes:
        Match(RouteWorld(scenario, route, policy), _Timed(route.name, policy, spent)).run()
    rows: Rows = []
    for kind in sorted(spent):
        times = sorted(spent[kind])
        last = times[min(len(times) - 1, int(0.99 * len(times)))] * 1e6
        rows.append(
            (f"event: {kind}", times[len(times) // 2] * 1e6, f"median of {len(times)}; 99th percentile {last:.0f}")
        )
    together = sorted(time for times in spent.values() for time in times)
    remark = f"99th percentile of {len(together)} steps of a season; the dearest {together[-1] * 1e6:.0f}"
    rows.append(("event: any", together[int(0.99 * len(together))] * 1e6, remark))
    return rows
