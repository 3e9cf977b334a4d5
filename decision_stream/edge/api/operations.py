"""Routes about the engine as a whole: health, strategies, statistics, the policy, dead letters."""

import asyncio
import json
import logging
import time
from typing import Any

from fastapi import APIRouter
from msgspec import to_builtins

from ... import ENGINE_VERSION
from ...strategies.registry import STRATEGIES
from ..read_model.documents import COUNTERS, LETTER, letter_body
from . import bodies
from .access import Caller, Role
from .commands import REPLAYED_BY
from .context import STATISTICS_S, Asking, Context, Cursor, Its, Limit, decoded, encoded, needs
from .problems import RESPONSES, Problem
from .stored import saved_by_all

log = logging.getLogger(__name__)
health_router = APIRouter(tags=["operations"])
router = APIRouter(tags=["operations"], responses=RESPONSES)
_STRATEGIES = {strategy.name: strategy for strategy in STRATEGIES}
_SUMS = ("accepted", "changes", "wins", "rolled_back", "measured", "gain", "waited_ms")


@health_router.get("/health", operation_id="get_health")
def health(its: Its) -> bodies.Health:
    """Whether the read model has caught up; needs no token."""
    return bodies.Health(status="ready" if its.caught_up() else "catching up", version=ENGINE_VERSION)


@router.get("/strategies", operation_id="list_strategies")
def strategies(its: Its, asking: Asking) -> bodies.StrategyPage:
    """The strategies with their priority under the policy in force."""
    return bodies.StrategyPage(items=[bodies.StrategyRow(**_strategy(its, name)) for name in sorted(_STRATEGIES)])


@router.get("/strategies/{name}", operation_id="get_strategy")
def strategy(name: str, its: Its, asking: Asking) -> bodies.StrategyBody:
    """One strategy, with how its ideas ended."""
    if name not in _STRATEGIES:
        raise Problem(404, "unknown strategy", f"there are {', '.join(sorted(_STRATEGIES))}")
    told = statistics_of(its, asking)
    rates = told["strategies"].get(name) or _rates(0, [])
    return bodies.StrategyBody(**_strategy(its, name), **rates)


@router.get("/statistics", operation_id="get_statistics")
def statistics(its: Its, asking: Asking) -> bodies.Statistics:
    """Counts of decisions by state, kind and strategy; win rate, improvement, rollback rate, latency."""
    return bodies.Statistics.model_validate({**statistics_of(its, asking), "saved": saved_by_all(its, asking)})


@router.get("/policy", operation_id="get_policy")
def policy(its: Its, asking: Asking) -> bodies.PolicyBody:
    """The rules this API assumes: the same settings file gives them to workers."""
    return bodies.PolicyBody(hash=its.policy.hash, policy=to_builtins(its.policy))


@router.get("/dead-letters", operation_id="list_dead_letters")
def dead_letters(its: Its, asking: Asking, limit: Limit = 50, cursor: Cursor = None) -> bodies.LetterPage:
    """Messages that could not be read, newest first; for administrators of all tenants: whose they are is not known."""
    _of_all(asking)
    limit = min(limit, its.settings.max_page)
    rows = its.model.documents(LETTER, None, decoded(cursor), limit + 1)
    page = rows[:limit]
    items = [bodies.Letter(**{**json.loads(body), "key": None, "value": None}) for _, _, body in page]
    return bodies.LetterPage(items=items, next=encoded(page[-1][0], page[-1][1]) if len(rows) > limit else None)


@router.get("/dead-letters/{identifier}", operation_id="get_dead_letter")
def dead_letter(identifier: str, its: Its, asking: Asking) -> bodies.Letter:
    """One dead letter with its untouched bytes."""
    return bodies.Letter(**json.loads(_letter(its, asking, identifier)))


@router.post("/dead-letters/{identifier}/replay", operation_id="replay_dead_letter", status_code=202)
async def replay(identifier: str, its: Its, asking: Asking) -> bodies.Replayed:
    """Send a dead letter back to where it came from; what is still bad is parked again."""
    found = await asyncio.to_thread(_letter, its, asking, identifier)
    topic, partition, key, value, headers = letter_body(found)
    sender = its.commands()
    if not sender.takes_back(topic):
        raise Problem(409, "not to be sent", f"{topic} takes no letters back")
    await sender.send_back(topic, partition, key, value, [*headers, (REPLAYED_BY, asking.actor.encode())])
    log.info("dead letter sent back", extra={"letter": identifier, "actor": asking.actor})
    return bodies.Replayed(id=identifier, topic=topic)


def statistics_of(its: Context, asking: Caller) -> dict[str, Any]:
    """Statistics over the caller's tenants, counted anew once a second at most."""
    now, found = time.monotonic(), its.counted.get(asking.tenants)
    if found is not None and now < found[0] + STATISTICS_S:
        return dict(found[1])
    counts = its.model.statistics(asking.tenants)
    by_name: dict[str, list[dict[str, Any]]] = {}
    for _, _, body in its.model.documents(COUNTERS, asking.tenants, None, 1_000_000):
        for name, totals in json.loads(body)["totals"].items():
            by_name.setdefault(name, []).append(totals)
    every = [totals for name in sorted(by_name) for totals in by_name[name]]
    told = {
        **counts,
        **_rates(counts["decisions"], every),
        "strategies": {
            name: _rates(counts["by_strategy"].get(name, 0), by_name.get(name, []))
            for name in sorted(by_name.keys() | counts["by_strategy"].keys())
            if name
        },
    }
    its.counted[asking.tenants] = (now, told)
    return told


def _rates(decisions: int, totals: list[dict[str, Any]]) -> dict[str, Any]:
    sums = {name: sum(it[name] for it in totals) for name in _SUMS}

    def share(part: str, whole: str) -> float | None:
        return sums[part] / sums[whole] if sums[whole] else None

    return {
        "decisions": decisions,
        "accepted": sums["accepted"],
        "changes": sums["changes"],
        "wins": sums["wins"],
        "win_rate": share("wins", "changes"),
        "improvement": share("gain", "measured"),
        "rollback_rate": share("rolled_back", "changes"),
        "latency_ms": share("waited_ms", "accepted"),
    }


def _strategy(its: Context, name: str) -> dict[str, Any]:
    found = _STRATEGIES[name]
    return {
        "name": name,
        "priority": found.priority(its.policy),
        "complete": found.complete,
        "enabled": found.is_enabled(its.policy),
    }


def _of_all(asking: Caller) -> None:
    needs(asking, Role.ADMIN)
    if asking.tenants is not None:
        raise Problem(404, "not found", "dead letters belong to no tenant")


def _letter(its: Context, asking: Caller, identifier: str) -> str:
    _of_all(asking)
    body = its.model.document(LETTER, identifier)
    if body is None:
        raise Problem(404, "unknown dead letter", "no such letter is kept; list them")
    return body
