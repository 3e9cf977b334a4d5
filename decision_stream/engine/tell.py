"""What a scope tells the aggregates: only what changed, and again after the renewal time.

A quiet scope tells nothing, so that it pays nothing.
"""

from msgspec.structs import replace

from ..model.insight import Metric
from ..model.knowledge import (
    Attempts,
    CatalogReader,
    Comparison,
    Contribution,
    Needs,
    ProviderReport,
    Sighting,
    aggregate_of,
    tenant_of,
)
from ..model.lifecycle import DecisionState
from ..model.state import Alarm, LiveDecision, Watch
from ..strategies.attribution import recent, serving
from ..strategies.models import provider_of
from .identity import derived_id
from .lifecycle import HARMFUL
from .turn import Turn

SHARED = (Metric.QUALITY.value, Metric.ERRORS.value, Metric.LATENCY.value)
"""Metrics that a provider's incident moves on all its scopes; a price is a matter of the scope's own requests."""
_NO_WATCH, _NO_ALARM = Watch(), Alarm()


def renewed(turn: Turn) -> None:
    """What is told once and again after the renewal time: that the scope is there, and what it wants to know.

    For a scope whose configuration is known, where knowledge is shared at all.
    """
    told, since_ms = turn.cold.told, turn.at_ms - turn.policy.knowledge.renewal_ms
    if told.reader_at_ms is None or told.reader_at_ms <= since_ms:
        _presence(turn)
    if told.asked_at_ms is None or told.asked_at_ms <= since_ms:
        experience(turn)


def _presence(turn: Turn) -> None:
    """Ask for the catalogue, so that its keeper knows the scope is still there."""
    tell(turn, aggregate_of("catalog", "all", turn.scope, turn.policy.knowledge.shards), CatalogReader())
    turn.update(told=replace(turn.cold.told, reader_at_ms=turn.at_ms))


def experience(turn: Turn, comparisons: tuple[Comparison, ...] = ()) -> None:
    """Tell what was measured of models, and ask what others have."""
    rules = turn.policy.knowledge
    if not rules.enabled or turn.cold.configuration is None:
        return
    aggregate = aggregate_of("prior", tenant_of(turn.scope), turn.scope, rules.shards)
    tell(turn, aggregate, Contribution(comparisons=comparisons))
    turn.update(told=replace(turn.cold.told, asked_at_ms=turn.at_ms))


def attempt(turn: Turn) -> None:
    """Come under the fleet's breaker before the first change, and again after the renewal time."""
    rules, told = turn.policy.knowledge, turn.cold.told.attempts_at_ms
    if told is None or turn.at_ms - told >= rules.renewal_ms:
        _tell_breaker(turn, Attempts())


def end_of_change(turn: Turn, closed: LiveDecision) -> None:
    """Tell the fleet's breaker how a change ended that reached the actuator; a cure and an exploration are none."""
    decision, failed = closed.decision, closed.state in HARMFUL
    # What was superseded neither failed nor succeeded.
    is_over = failed or closed.state is DecisionState.COMPLETED
    if is_over and closed.step > 0 and not decision.is_safety and not decision.yields:
        _tell_breaker(turn, Attempts(begun_at_ms=decision.at_ms, failed=failed))


def _tell_breaker(turn: Turn, content: Attempts) -> None:
    if not turn.policy.knowledge.enabled or not turn.policy.breaker.fleet_scopes:
        return
    tell(turn, aggregate_of("breaker", "all", turn.scope, turn.policy.knowledge.shards), content)
    turn.update(told=replace(turn.cold.told, attempts_at_ms=turn.at_ms))


def health(turn: Turn) -> None:
    """Tell the provider's aggregate when the scope comes under its watch, falls into trouble, or is well again."""
    rules, configuration = turn.policy.knowledge, turn.cold.configuration
    if not rules.enabled or configuration is None or turn.cold.route_broken_until_ms:
        # A broken route shows nothing of its provider.
        return
    before = turn.cold.told.report
    is_troubled = _is_troubled(turn) or (before is not None and before.is_troubled and _is_not_calm_yet(turn))
    told = turn.cold.told
    provider = provider_of(configuration.model, turn.policy, turn.cold)
    if before is not None:
        is_news = (before.provider, before.is_troubled) != (provider, is_troubled)
        if not is_news and turn.at_ms - told.at_ms < rules.renewal_ms:
            return
        if before.provider != provider:
            _tell_provider(turn, replace(before, is_present=False))
    report = ProviderReport(provider=provider, is_troubled=is_troubled, is_changed=is_troubled and _is_changed(turn))
    if before is not None and before.provider == provider and before.is_troubled and is_troubled:
        # Of a trouble that goes on, what counts is whether something of ours was recent when it began.
        report = before
    _tell_provider(turn, report)
    turn.update(told=replace(turn.cold.told, at_ms=turn.at_ms, report=report, calm_since_ms=0))


def _is_troubled(turn: Turn) -> bool:
    watches, alarms = turn.hot.watches, turn.hot.alarms
    for metric in SHARED:
        if watches.get(metric, _NO_WATCH).firing or alarms.get(metric, _NO_ALARM).firing_windows:
            break
    else:
        return False
    if turn.cold.told.calm_since_ms:
        turn.update(told=replace(turn.cold.told, calm_since_ms=0))
    return True


def _is_not_calm_yet(turn: Turn) -> bool:
    """Whether the trouble that was told counts as going on: an answer to it begins its alarms anew, which is none.

    The calm is counted from the first window without an alarm.
    """
    told = turn.cold.told
    if not told.calm_since_ms:
        turn.update(told=replace(told, calm_since_ms=turn.at_ms))
        return True
    return turn.at_ms - told.calm_since_ms < turn.policy.knowledge.calm_ms


def _is_changed(turn: Turn) -> bool:
    return serving(turn.cold) is not None or recent(turn.cold, turn.at_ms, turn.policy) is not None


def _tell_provider(turn: Turn, report: ProviderReport) -> None:
    tell(turn, aggregate_of("provider", report.provider, turn.scope, turn.policy.knowledge.shards), report)


def tell(turn: Turn, aggregate: str, content: ProviderReport | CatalogReader | Needs | Contribution | Attempts) -> None:
    """Tell an aggregate something, under the scope's next number."""
    number = turn.cold.told.number + 1
    turn.update(told=replace(turn.cold.told, number=number))
    turn.signal(
        Sighting(
            id=derived_id(turn.scope, aggregate, number),
            scope=aggregate,
            at_ms=turn.at_ms,
            member=turn.scope,
            number=number,
            content=content,
        )
    )
