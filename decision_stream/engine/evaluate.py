"""Insight to proposals: take in the measurements, ask every strategy, resolve conflicts."""

from msgspec.structs import replace

from ..model.decision import Alternative, Proposal
from ..model.effect import Effects
from ..model.insight import Insight
from ..model.journal import Stage, Verdict
from ..model.metrics import ModelEstimate
from ..model.state import ConfigurationVersion, PendingProposal
from ..strategies.budget import observed
from ..strategies.protocol import Strategy, View
from ..strategies.recommendations import not_understood
from ..strategies.registry import STRATEGIES
from . import budget, isolation, recovery, slots, tell
from .conflicts import Candidate, facets_of, resolve
from .deadlines import pass_time
from .ending import proposed
from .identity import derived_id
from .measurements import measures, taken_in
from .turn import Turn

MAX_ESTIMATES = 50
MAX_ALTERNATIVES = 40


def evaluate(turn: Turn, insight: Insight, strategies: tuple[Strategy, ...] = STRATEGIES) -> Effects:
    """Step of the evaluate stage; `strategies` is for tests of isolation."""
    pass_time(turn)
    if turn.cold.configuration is None:
        _adopt(turn, insight)
    configuration = turn.cold.configuration
    if configuration is None:
        turn.refuse("engine", "no_configuration", "no insight has told this scope's configuration yet")
        return turn.effects(Stage.EVALUATE, Verdict.NO_DECISION)
    if turn.hot.windows and insight.at_ms <= turn.hot.insight_at_ms:
        turn.refuse("engine", "late_insight", "this window or a later one was already evaluated")
        return turn.effects(Stage.EVALUATE, Verdict.NO_DECISION)
    asked = strategies
    if turn.cold.strategies or not turn.policy.has_all_strategies:
        asked = tuple([it for it in strategies if _is_asked(turn, it)])
    known, purse = turn.cold.estimates, turn.hot.purse
    is_measured = measures(insight, configuration) or _is_being_ramped(turn, insight)
    asked = _take_in(turn, insight, asked, is_measured)
    if turn.hot.purse is not None:
        budget.tell(turn, was_over=purse is not None and purse.is_over)
    if turn.policy.knowledge.enabled:
        tell.renewed(turn)
        tell.health(turn)
        slots.keep(turn)
    if turn.cold.route_broken_until_ms:
        turn.refuse("engine", "route_broken", limit=float(turn.cold.route_broken_until_ms))
        return turn.effects(Stage.EVALUATE, Verdict.NO_DECISION)
    if not is_measured:
        turn.refuse("engine", "other_configuration", "the window measured another configuration than the one in use")
        return turn.effects(Stage.EVALUATE, Verdict.NO_DECISION)

    if turn.cold.recovery is not None:
        recovery.look(turn)
    if insight.recommendations:
        turn.explain(tuple(not_understood(insight)))
    candidates = _ask(turn, insight, asked, is_news=turn.cold.estimates is not known)
    if not candidates:
        return turn.effects(Stage.EVALUATE, Verdict.NO_DECISION)
    winners, losers = resolve(candidates, turn.cold, lambda idea: budget.is_urgent(turn, idea.impact))
    turn.explain(tuple(losers))
    if any(not winner.idea.is_safety for winner in winners):
        tell.attempt(turn)
    for number, winner in enumerate(winners):
        _propose(turn, insight, winner, number)
    return turn.effects(Stage.EVALUATE, Verdict.PROPOSED if winners else Verdict.NO_DECISION)


def _adopt(turn: Turn, insight: Insight) -> None:
    """Take the configuration of a scope never seen before from its first insight that tells one."""
    if insight.configuration is not None:
        version = ConfigurationVersion(configuration=insight.configuration, since_ms=turn.at_ms, healthy=True)
        turn.update(configuration=insight.configuration, history=(version,))
        turn.learned("configuration_adopted", None, None)


def _is_asked(turn: Turn, strategy: Strategy) -> bool:
    if not strategy.is_enabled(turn.policy):
        turn.refuse(strategy.name, "disabled")
    elif turn.cold.strategies and isolation.is_paused(turn, strategy.name):
        until_ms = turn.cold.strategies[strategy.name].paused_until_ms
        turn.refuse(strategy.name, "strategy_paused", limit=float(until_ms))
    else:
        return True
    return False


def _take_in(turn: Turn, insight: Insight, strategies: tuple[Strategy, ...], is_measured: bool) -> tuple[Strategy, ...]:
    """Take in the window; the strategies that could observe it, and may therefore be asked."""
    sound, before, experiment = strategies, turn.hot, turn.cold.experiment
    is_ours = is_measured and not turn.cold.route_broken_until_ms
    ramping = bool(turn.cold.live) and any(
        live.ramp is not None or live.decision.kind == "circuit_break" for live in turn.cold.live
    )
    # An exploration's slice is thin and holds no dearer model: what it adds to the window moves neither the
    # measurements of the configuration in use by much, nor an alarm before the exploration's own guards stop it.
    is_pure = is_ours and not ramping and (experiment is None or experiment.yields)
    hot = replace(
        before,
        windows=before.windows + 1,
        insight_at_ms=insight.at_ms,
        served=before.served + insight.performance.requests,
        live=taken_in(before.live, insight) if is_pure else before.live,
        purse=observed(before.purse, insight, turn.at_ms) if insight.budget or before.purse else None,
    )
    if is_ours:
        for strategy in strategies:
            # One of the two broad excepts of the engine: a broken optimiser must not silence the safety strategy.
            try:
                hot = strategy.observe(hot, insight, turn.policy)
            except Exception as fault:
                isolation.failed(turn, strategy.name, fault)
                sound = tuple(other for other in sound if other is not strategy)
        if ramping:
            # The window mixes two configurations. Hard limits hold for both; what is compared with the past is the
            # business of the ramp's guards, which know what change was promised. An experiment promises nothing: its
            # alarms go on, or a model that gets worse for all arms at once would go unseen for days.
            hot = replace(
                hot,
                alarms=before.alarms,
                drift=before.drift,
                drift_pending=before.drift_pending,
                drifted_at_ms=before.drifted_at_ms,
            )
    turn.hot = hot
    news = [estimate for estimate in insight.candidates if _is_news(estimate, turn.cold.estimates.get(estimate.model))]
    if news:
        turn.update(estimates=_kept({**turn.cold.estimates, **{estimate.model: estimate for estimate in news}}))
    return sound


def _is_news(estimate: ModelEstimate, known: ModelEstimate | None) -> bool:
    """Whether an estimate is worth a write of the cold state: a tenth more samples, a restart, or another price."""
    if known is None or estimate.samples < known.samples:
        return True
    if estimate.samples == known.samples:
        return estimate != known
    return 10 * estimate.samples >= 11 * known.samples or not (
        0.95 * known.cost_usd <= estimate.cost_usd <= 1.05 * known.cost_usd
    )


def _kept(estimates: dict[str, ModelEstimate]) -> dict[str, ModelEstimate]:
    """The best-known estimates, in the order of their names."""
    best = sorted(estimates.values(), key=lambda estimate: (-estimate.samples, estimate.model))[:MAX_ESTIMATES]
    return {estimate.model: estimate for estimate in sorted(best, key=lambda estimate: estimate.model)}


def _is_being_ramped(turn: Turn, insight: Insight) -> bool:
    """Whether the window speaks of a configuration that is being ramped up."""
    return any(measures(insight, turn.target_of(live.decision)) for live in turn.cold.live if live.ramp is not None)


def _ask(turn: Turn, insight: Insight, strategies: tuple[Strategy, ...], *, is_news: bool) -> list[Candidate]:
    assert turn.cold.configuration is not None
    view = View(
        state=turn.state,
        insight=insight,
        configuration=turn.cold.configuration,
        policy=turn.policy,
        at_ms=turn.at_ms,
        is_news=is_news,
    )
    candidates: list[Candidate] = []
    ever_failed = bool(turn.cold.strategies)
    for strategy in strategies:
        try:
            opinion = strategy.propose(view)
        except Exception as fault:
            isolation.failed(turn, strategy.name, fault)
            continue
        if ever_failed:
            isolation.succeeded(turn, strategy.name)
        turn.explain(opinion.reasons)
        if opinion.frontier:
            turn.picture(opinion.frontier)
        if opinion.alerts:
            turn.alerts(opinion.alerts)
        if opinion.ideas:
            priority = strategy.priority(turn.policy)
            for rank, idea in enumerate(opinion.ideas):
                candidates.append(Candidate(idea=idea, strategy=strategy.name, priority=priority, rank=rank))
    return candidates


def _considered(turn: Turn) -> list[Alternative]:
    """What else was thought of at this insight and why it is not done, for the explanation of the decision."""
    return [
        Alternative(
            what=reason.source,
            code=reason.code,
            detail=reason.detail,
            # A count is written as it will be read again, so that a restart alters nothing.
            value=None if reason.value is None else float(reason.value),
        )
        for reason in turn.reasons
    ]


def _propose(turn: Turn, insight: Insight, winner: Candidate, number: int) -> None:
    assert turn.configuration is not None
    idea = winner.idea
    identifier = derived_id(turn.scope, insight.id, winner.strategy, number)
    turn.emit(
        Proposal(
            id=identifier,
            scope=turn.scope,
            at_ms=turn.at_ms,
            strategy=winner.strategy,
            priority=winner.priority,
            decision=idea.decision,
            changes=idea.changes,
            impact=idea.impact,
            confidence=idea.confidence,
            evidence=idea.evidence,
            alternatives=(*idea.alternatives, *_considered(turn))[:MAX_ALTERNATIVES],
            insight_id=insight.id,
            based_on_configuration_id=turn.configuration.id,
            would_flip=idea.would_flip,
        )
    )
    pending = PendingProposal(
        id=identifier,
        kind=idea.kind,
        facets=tuple(sorted(facets_of(idea))),
        deadline_ms=turn.at_ms + turn.policy.engine.proposal_timeout_ms,
    )
    turn.update(pending=(*turn.cold.pending, pending))
    proposed(turn, winner.strategy)
