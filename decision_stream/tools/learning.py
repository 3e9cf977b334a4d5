"""What a deployment has learnt of models, as sums over its scopes that can be given away, merged, and taken over.

The file tells of no scope, no tenant and no request: for each pair of models how many scopes ramped one against the
other, and the mean and spread of the logarithms of their ratios. Pairs that fewer than four scopes compared are left
out.
"""

import asyncio
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Literal
from uuid import uuid4

import msgspec
from msgspec import Struct

from ..engine.pooling import merged, shared
from ..model.command import Command, ImportPriors
from ..model.knowledge import AGGREGATE_MARK, Aggregate, Compared, Comparison, SharedComparison, aggregate_of
from ..stats.pooling import LEAST_UNITS
from ..stream.record import COLD_SUFFIX, UnreadableState, load, supersedes
from .topic import records_of

MAX_IMPORTED = 30
_POOLS = f"{AGGREGATE_MARK}prior/".encode()


class BadLearning(Exception):
    """What was to be exported, merged or imported is not fit for it; the message says why."""


class Learning(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file: what scopes measured of pairs of models."""

    format: Literal["decision-stream/learning/1"] = "decision-stream/learning/1"
    comparisons: tuple[SharedComparison, ...]


def read_file(path: Path) -> Learning:
    """Read what `write_file` wrote. Raises `BadLearning`."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Learning)
    except (OSError, msgspec.MsgspecError) as fault:
        raise BadLearning(f"{path} holds nothing that was learnt: {fault}") from fault


def write_file(path: Path, learning: Learning) -> None:
    """Write it for people to look at before they give it away."""
    path.write_text(json.dumps(msgspec.to_builtins(learning), indent=2) + "\n")


def merge(learnt: Iterable[Learning]) -> Learning:
    """What several deployments have learnt, together; pairs of fewer than four scopes are left out."""
    found = merged(it for learning in learnt for it in learning.comparisons)
    return Learning(comparisons=tuple(it for it in found if it.scopes >= LEAST_UNITS))


def learnt_by(pools: Iterable[Aggregate]) -> Learning:
    """What the scopes of these pools measured themselves.

    What a pool has imported is not passed on, or it would come back as news.
    """
    facts = [member.fact for pool in pools for member in pool.members.values()]
    comparisons: list[Comparison] = [it for fact in facts if isinstance(fact, Compared) for it in fact.comparisons]
    return merge((Learning(comparisons=shared(comparisons)),))


def read_pools(bootstrap_servers: str, changelog: str) -> dict[str, Aggregate]:
    """The pools of priors by name, out of the table's changelog. Raises `BrokerUnavailable` and `BadLearning`."""
    return asyncio.run(_pools(bootstrap_servers, changelog))


async def _pools(bootstrap_servers: str, changelog: str) -> dict[str, Aggregate]:
    newest: dict[bytes, bytes] = {}
    async for record in records_of(bootstrap_servers, changelog):
        if record.key is None or not record.key.startswith(_POOLS):
            continue
        known = newest.get(record.key)
        if record.value is None:
            newest.pop(record.key, None)
        elif known is None or supersedes(record.value, known):
            newest[record.key] = record.value
    return pools_of(newest)


def pools_of(stored: dict[bytes, bytes]) -> dict[str, Aggregate]:
    """Pools of priors by name, from the newest stored record of each key. Raises `BadLearning`."""
    found = {}
    for key in sorted(stored):
        if key.endswith(COLD_SUFFIX):
            continue
        name = key.decode()
        try:
            state = load(name, stored[key], stored.get(key + COLD_SUFFIX), generation=None).state
        except UnreadableState as fault:
            raise BadLearning(f"{fault}; was it being written just now? try again") from fault
        if state.cold.aggregate is not None:
            found[name] = state.cold.aggregate
    return found


def commands(
    learning: Learning, tenants: Iterable[str], shards: int, actor: str, reason: str, at_ms: int
) -> list[Command]:
    """The commands that bring this into the pools of these tenants: one for each tenant and shard."""
    if len(learning.comparisons) > MAX_IMPORTED:
        # Those of the most scopes tell most.
        most = sorted(learning.comparisons, key=lambda it: (-it.scopes, it.old, it.new))[:MAX_IMPORTED]
        learning = Learning(comparisons=merged(most))
    names = {
        aggregate_of("prior", tenant, tenant, 1).removesuffix("0") + str(shard)
        for tenant in tenants
        for shard in range(shards)
    }
    return [
        Command(
            id=f"learn:{uuid4()}",
            scope=name,
            at_ms=at_ms,
            instruction=ImportPriors(comparisons=learning.comparisons),
            actor=actor,
            reason=reason,
        )
        for name in sorted(names)
    ]
