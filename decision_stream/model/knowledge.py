"""Knowledge across scopes: what scopes tell of themselves (sightings), and what is concluded from many (signals).

A sighting goes to an *aggregate*, which is stored, stepped and journalled like a scope and named like one, with a colon
before it that no scope may have, such as `:provider/openai/0`. A signal goes to each scope it concerns, as an event of
its own, so that replay sees what the decision saw.
"""

from enum import StrEnum
from hashlib import sha256
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from .metrics import ModelEstimate
from .scalars import AggregateName, Count, EventTime, Identifier, LogRatio, Name, ScopeName, SumOfSquares, Variance
from .trace import Traceparent

AGGREGATE_MARK = ":"
MEMBERS = 250
"""Scopes that an aggregate knows at most: what one event sends to all of them has to fit into its stored outbox."""
PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")
LONGEST_PART = 64


class Slot(StrEnum):
    """What a tenant's scopes may have under way in limited number."""

    CHANGE = "change"
    EXPERIMENT = "experiment"


def aggregate_of(kind: str, name: str, scope: str, shards: int) -> str:
    """Name of the aggregate that a scope tells of a thing of this kind.

    >>> aggregate_of("provider", "openai", "acme/support/chat", 1)
    ':provider/openai/0'
    >>> aggregate_of("provider", "my provider", "acme/support/chat", 4)
    ':provider/my:20provider/0'
    """
    shard = 0 if shards == 1 else int.from_bytes(sha256(scope.encode()).digest()[:4], "big") % shards
    return f"{AGGREGATE_MARK}{kind}/{_part(name)}/{shard}"


def catalog_aggregates(shards: int) -> tuple[str, ...]:
    """All keepers of the catalogue: a change is told to each."""
    return tuple(f"{AGGREGATE_MARK}catalog/all/{shard}" for shard in range(shards))


def tenant_of(scope: str) -> str:
    """The first part of a scope's name."""
    return scope.partition("/")[0]


def is_aggregate(scope: str) -> bool:
    """Whether a name is that of an aggregate."""
    return scope.startswith(AGGREGATE_MARK)


class ProviderReport(Struct, frozen=True, gc=False, kw_only=True, tag_field="kind", tag="provider_report"):
    """A scope that a provider serves is well or in trouble; `is_changed` when a change of ours may be the cause.

    `is_present` is False when the provider serves the scope no more.
    """

    provider: Name
    is_troubled: bool = False
    is_changed: bool = False
    is_present: bool = True


class CatalogReader(Struct, frozen=True, gc=False, kw_only=True, tag_field="kind", tag="catalog_reader"):
    """A scope that wants to hear of the catalogue of models."""


class Needs(Struct, frozen=True, gc=False, kw_only=True, tag_field="kind", tag="needs"):
    """The slots of its tenant that a scope holds or waits for; none of them when it only says that it is there."""

    slots: tuple[Slot, ...] = ()


class Comparison(Struct, frozen=True, gc=False, kw_only=True):
    """What a ramp measured of a model against the one before it: natural logarithms of new over old.

    `latency` is that of the 95th percentile; `samples` are the scored requests of the new model.
    """

    old: Name
    new: Name
    quality: LogRatio
    cost: LogRatio
    latency: LogRatio
    samples: Count


class SharedComparison(Struct, frozen=True, gc=False, kw_only=True):
    """What `scopes` scopes measured of one model against another, as sums that can be merged and tell of no scope.

    For the natural logarithms of new over old: means and summed squared distances from the mean, over scopes;
    `samples` are the scored requests behind them.
    """

    old: Name
    new: Name
    scopes: Annotated[int, Meta(ge=1, le=1_000_000)]
    samples: Count
    quality: LogRatio
    quality_m2: SumOfSquares
    cost: LogRatio
    cost_m2: SumOfSquares
    latency: LogRatio
    latency_m2: SumOfSquares


class Contribution(Struct, frozen=True, gc=False, kw_only=True, tag_field="kind", tag="contribution"):
    """What a scope has measured of models, if anything, and that it wants to hear what others did."""

    comparisons: tuple[Comparison, ...] = ()


class Attempts(Struct, frozen=True, gc=False, kw_only=True, tag_field="kind", tag="attempts"):
    """A scope that changes something, and wants to hear when all scopes pause.

    How its newest change ended, and when that was decided on; 0 when the scope is about to begin one.
    """

    begun_at_ms: EventTime = 0
    failed: bool = False


class Sighting(Struct, frozen=True, gc=False, kw_only=True, tag_field="kind", tag="sighting"):
    """What one scope, the `member`, tells an aggregate; `home` is the partition in which the scope lies.

    `number` counts the sightings of the member, so that an older one that comes again is known.
    """

    schema_version: Literal[1] = 1
    id: Identifier
    scope: AggregateName
    at_ms: EventTime
    member: ScopeName
    home: Count = 0
    number: Count
    content: ProviderReport | CatalogReader | Needs | Contribution | Attempts
    traceparent: Traceparent | UnsetType = UNSET


class ProviderHealth(Struct, frozen=True, gc=False, kw_only=True, tag_field="kind", tag="provider_health"):
    """Whether a provider has an incident.

    `troubled` of its `witnesses` fell into trouble shortly after each other without a change of ours, where `needed`
    suffice; chance alone would say so once in `days_between_false_incidents` on average. Void after `until_ms`.
    """

    provider: Name
    has_incident: bool
    since_ms: EventTime
    until_ms: EventTime
    witnesses: Count
    troubled: Count
    needed: Count
    days_between_false_incidents: float


class CatalogModel(Struct, frozen=True, gc=False, kw_only=True):
    """A model of the catalogue: what is known of it beforehand, its price, its provider; a retired one is not proposed.

    The `samples` of the estimate are requests that told as much, 0 for a guess.
    """

    estimate: ModelEstimate
    is_retired: bool = False


class CatalogEntry(Struct, frozen=True, gc=False, kw_only=True):
    """The newest word on a model, as it stands on the catalogue's compacted topic; the record's key is the model."""

    schema_version: Literal[1] = 1
    id: Identifier
    at_ms: EventTime
    model: CatalogModel
    actor: Name


class CatalogNews(Struct, frozen=True, gc=False, kw_only=True, tag_field="kind", tag="catalog_news"):
    """Models of the catalogue that are new or changed."""

    models: tuple[CatalogModel, ...]


class Quota(Struct, frozen=True, gc=False, kw_only=True, tag_field="kind", tag="quota"):
    """The slots of its tenant that a scope holds now; `answers` is the number of the sighting it answers."""

    slots: tuple[Slot, ...]
    answers: Count


class PooledComparison(Struct, frozen=True, gc=False, kw_only=True):
    """What to expect of one model against another on the next scope, from what `scopes` scopes measured.

    Means and variances of the natural logarithms of new over old; `samples` are the requests behind all of it.
    """

    old: Name
    new: Name
    scopes: Count
    samples: Count
    quality: LogRatio
    quality_variance: Variance
    cost: LogRatio
    cost_variance: Variance
    latency: LogRatio
    latency_variance: Variance


class Priors(Struct, frozen=True, gc=False, kw_only=True, tag_field="kind", tag="priors"):
    """What the other scopes of the tenant measured of models, pooled."""

    pooled: tuple[PooledComparison, ...] = ()


class FleetPause(Struct, frozen=True, gc=False, kw_only=True, tag_field="kind", tag="fleet_pause"):
    """Optimisation pauses on all scopes, since the newest changes of `failed` of `scopes` scopes failed.

    Until `until_ms` nothing begins; then, until a change succeeds or `lapses_ms`, only on scopes that `may_probe`, one
    change each. `opens` counts pauses in a row. One that has lapsed when it is told says that the pause is over.
    """

    until_ms: EventTime
    lapses_ms: EventTime
    may_probe: bool = False
    failed: Count = 0
    scopes: Count = 0
    opens: Count = 0


class Signal(Struct, frozen=True, gc=False, kw_only=True, tag_field="kind", tag="signal"):
    """What an aggregate has concluded, told to one scope that lies in partition `home`; `number` counts its news."""

    schema_version: Literal[1] = 1
    id: Identifier
    scope: ScopeName
    at_ms: EventTime
    aggregate: AggregateName
    home: Count
    number: Count
    content: ProviderHealth | CatalogNews | Quota | Priors | FleetPause
    traceparent: Traceparent | UnsetType = UNSET


class Told(Struct, frozen=True, gc=False, kw_only=True):
    """What a scope has told and when, so that it tells only what changed; `number` counts its sightings.

    `calm_since_ms` is when the trouble it told of was last seen to end, 0 otherwise; `reader_at_ms` and `asked_at_ms`
    are when it last asked for the catalogue and for priors; `needs` is what it last asked of its tenant, in the
    sighting `needs_number`; `attempts_at_ms` is when it last told the fleet's breaker of a change.
    """

    number: int = 0
    at_ms: int = 0
    report: ProviderReport | None = None
    calm_since_ms: int = 0
    reader_at_ms: int | None = None
    asked_at_ms: int | None = None
    needs: Needs | None = None
    needs_at_ms: int = 0
    needs_number: int = 0
    attempts_at_ms: int | None = None


class Knowledge(Struct, frozen=True, gc=False, kw_only=True):
    """What a scope has heard: providers with an incident by name, the catalogue by model, its tenant's slots, priors.

    `heard` is the newest number by aggregate, `pause` the newest pause of all scopes, over or not.
    """

    heard: dict[str, int] = {}
    incidents: dict[str, ProviderHealth] = {}
    catalog: dict[str, CatalogModel] = {}
    quota: Quota | None = None
    quota_at_ms: int = 0
    priors: tuple[PooledComparison, ...] = ()
    pause: FleetPause | None = None


class Witness(Struct, frozen=True, gc=False, array_like=True, tag=1):
    """What a scope says of its provider: since when it is in trouble, 0 while it is well.

    `is_changed` when a change of ours was recent then; `is_present` while the provider serves the scope.
    """

    onset_ms: int = 0
    is_changed: bool = False
    is_present: bool = True


class Reader(Struct, frozen=True, gc=False, array_like=True, tag=2):
    """A scope that is told of the catalogue."""


class Claim(Struct, frozen=True, gc=False, array_like=True, tag=3):
    """The slots that a scope wants, and since when; those of them that it was granted."""

    since: dict[Slot, int] = {}
    granted: tuple[Slot, ...] = ()


class Compared(Struct, frozen=True, gc=False, array_like=True, tag=4):
    """What a scope has measured of models, oldest first."""

    comparisons: tuple[Comparison, ...] = ()


class Attempt(Struct, frozen=True, gc=False, array_like=True, tag=5):
    """How the newest change of a scope ended, when it was told, and when it was decided on; 0 before one has ended."""

    ended_at_ms: int = 0
    begun_at_ms: int = 0
    failed: bool = False


class Member(Struct, frozen=True, gc=False, array_like=True):
    """The newest word of a scope that lies in partition `home`; `number` is that of its sighting."""

    number: int
    home: int
    heard_at_ms: int
    fact: Witness | Reader | Claim | Compared | Attempt


class Aggregate(Struct, frozen=True, gc=False, array_like=True):
    """What an aggregate remembers: its members by scope, how often it told something, and what holds still.

    That is the provider's incident, the catalogue by model, the pause of all scopes, or what was imported from other
    deployments.
    """

    members: dict[str, Member] = {}
    number: int = 0
    incident: ProviderHealth | None = None
    catalog: dict[str, CatalogModel] = {}
    pause: FleetPause | None = None
    imported: tuple[SharedComparison, ...] = ()


def _part(name: str) -> str:
    """A name as a part of an aggregate's name: other characters by their code, a long name by its hash."""
    spelt = "".join(char if char in PLAIN else f":{ord(char):02x}" for char in name)
    return spelt if len(spelt) <= LONGEST_PART else f":{sha256(name.encode()).hexdigest()[:40]}"
