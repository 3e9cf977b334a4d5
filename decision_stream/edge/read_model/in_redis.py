"""The read model in Redis: several API processes share it, and any of them may be the one that writes.

A batch is one script, so it is taken in whole or not at all and needs no lock between writers. Redis is a mirror: when
it is away questions fail within a second, when it was emptied it is filled again from the topics.
"""

import json
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from heapq import merge
from itertools import islice
from typing import Any

import msgspec
from msgspec import Struct
from redis import BlockingConnectionPool, Redis, RedisError, ResponseError
from redis.backoff import NoBackoff
from redis.retry import Retry

from ...model.policy import Policy
from .documents import COUNTERS, COURSE, LETTER, Document, Documents
from .protocol import KEY_S, Filter, Keep, Message, Position, Rewound, Unavailable
from .said import SAID, Applied, Move, Ordered, Proposed, read

TIMEOUT_S = 0.5
"""For connecting and for each answer."""
REST_S = 1.0
"""After a failure questions are refused at once for this long, so that a hanging Redis does not fill all threads."""
BATCH = 200
"""Records of one script: while it runs, nobody else is answered. Those of a scope are taken in together."""
VERDICT_S = 86_400
_CHUNK = 200
_REWOUND = "REWOUND"

# Facts come packed, all values as text: the server's library reads no bytes, and Lua prints whole numbers above 10^14
# as floating point.
_APPLY = """
local base, keep_decisions, keep_records, verdict_s = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local call = redis.call
local positions = base .. 'positions'
for place, wanted in pairs(cjson.decode(ARGV[4])) do
  if tonumber(call('HGET', positions, place) or '0') < tonumber(wanted) then
    return redis.error_reply('REWOUND ' .. place)
  end
end

local function tenant(scope) return string.match(scope, '^[^/]*') end

local function count(scope, field, value, by)
  call('HINCRBY', base .. 'count:' .. tenant(scope), field .. ':' .. value, by)
end

local function indexes(scope, row)
  return {'all', 'scope:' .. scope, 'tenant:' .. tenant(scope),
    'state:' .. row[1], 'kind:' .. row[2], 'strategy:' .. row[3]}
end

local function forget(id)
  local key = base .. 'decision:' .. id
  local row = call('HMGET', key, 'state', 'kind', 'strategy', 'scope')
  for _, name in ipairs(indexes(row[4], row)) do call('ZREM', base .. 'index:' .. name, id) end
  count(row[4], 'state', row[1], -1)
  count(row[4], 'kind', row[2], -1)
  count(row[4], 'strategy', row[3], -1)
  call('DEL', key, base .. 'moves:' .. id, base .. 'orders:' .. id)
end

local function known(id, scope, at_ms, later)
  local key = base .. 'decision:' .. id
  local row = call('HMGET', key, 'state', 'kind', 'strategy', 'at_ms')
  if row[1] then
    -- Its time is the earliest that is told of it: a later move may be heard of first.
    if tonumber(at_ms) < tonumber(row[4]) then
      call('HSET', key, 'at_ms', at_ms)
      for _, name in ipairs(indexes(scope, row)) do call('ZADD', base .. 'index:' .. name, 'XX', at_ms, id) end
    end
    return true
  end
  local floor = call('HMGET', base .. 'floor', 'at_ms', 'id')
  if floor[1] then
    -- A later move of an unknown decision, once some were let go, is one of those.
    local at, limit = tonumber(at_ms), tonumber(floor[1])
    if later or at < limit or (at == limit and id <= floor[2]) then return false end
  end
  call('HSET', key, 'id', id, 'scope', scope, 'at_ms', at_ms, 'kind', '', 'strategy', '', 'state', 'pending')
  for _, name in ipairs(indexes(scope, {'pending', '', ''})) do call('ZADD', base .. 'index:' .. name, at_ms, id) end
  count(scope, 'state', 'pending', 1)
  count(scope, 'kind', '', 1)
  count(scope, 'strategy', '', 1)
  call('SADD', base .. 'tenants', tenant(scope))
  if call('ZCARD', base .. 'index:all') > keep_decisions then
    local oldest = call('ZRANGE', base .. 'index:all', 0, 0, 'WITHSCORES')
    call('HSET', base .. 'floor', 'id', oldest[1], 'at_ms', call('HGET', base .. 'decision:' .. oldest[1], 'at_ms'))
    forget(oldest[1])
    return oldest[1] ~= id
  end
  return true
end

local function put(id, scope, field, value)
  local key = base .. 'decision:' .. id
  local old = call('HGET', key, field)
  if old == value then return end
  local at_ms = call('HGET', key, 'at_ms')
  call('ZREM', base .. 'index:' .. field .. ':' .. old, id)
  call('ZADD', base .. 'index:' .. field .. ':' .. value, at_ms, id)
  count(scope, field, old, -1)
  count(scope, field, value, 1)
  call('HSET', key, field, value)
end

local function put_new(records, told, added)
  call('ZADD', records, 'NX', unpack(added))
  call('HSET', records .. ':bodies', unpack(told))
end

local function put_unless_known(records, told)
  for at = 1, #told, 2 do
    call('ZADD', records, 'NX', told[at], told[at])
    call('HSETNX', records .. ':bodies', told[at], told[at + 1])
  end
end

local function let_go(records, newest)
  local limit = string.format('%d', newest - keep_records)
  while true do
    local old = call('ZRANGEBYSCORE', records, '-inf', limit, 'LIMIT', 0, 1000)
    if #old == 0 then return end
    call('ZREM', records, unpack(old))
    call('HDEL', records .. ':bodies', unpack(old))
  end
end

local function journal(fact)
  local scope, about, records = fact.scope, base .. 'about:' .. fact.scope, base .. 'journal:' .. fact.scope
  local last = call('HMGET', about, 'events', 'at_ms')
  local before, newest, at_ms = tonumber(last[1] or '0'), last[1] or '0', last[2] or '0'
  for _, it in ipairs(fact.records) do
    if tonumber(it.sequence) > tonumber(newest) then newest = it.sequence end
    if tonumber(it.at_ms) > tonumber(at_ms) then at_ms = it.at_ms end
  end
  if not last[1] then
    call('ZADD', base .. 'scopes:' .. tenant(scope), 0, scope)
    call('SADD', base .. 'tenants', tenant(scope))
  end
  call('HSET', about, 'events', newest, 'at_ms', at_ms)
  local told, added, are_new = {}, {}, true
  for _, it in ipairs(fact.records) do
    local sequence = tonumber(it.sequence)
    if sequence > tonumber(newest) - keep_records then
      are_new, before = are_new and sequence > before, math.max(before, sequence)
      told[#told + 1], told[#told + 2] = it.sequence, it.body
      added[#added + 1], added[#added + 2] = it.sequence, it.sequence
      call('SET', base .. 'event:' .. it.event_id, it.found, 'NX', 'EX', verdict_s)
    end
  end
  if #told > 0 then
    if are_new then put_new(records, told, added) else put_unless_known(records, told) end
  end
  let_go(records, tonumber(newest))
  for _, it in ipairs(fact.records) do
    for _, move in ipairs(it.moves) do
      if known(move.id, scope, move.at_ms, move.later) then
        local key = base .. 'decision:' .. move.id
        call('HSETNX', base .. 'moves:' .. move.id, move.rank, move.body)
        if tonumber(call('HGET', key, 'rank') or '-1') < tonumber(move.rank) then
          call('HSET', key, 'rank', move.rank)
          put(move.id, scope, 'state', move.to)
        end
      end
    end
  end
end

local function said(fact)
  if not known(fact.id, fact.scope, fact.at_ms) then return end
  put(fact.id, fact.scope, 'kind', fact.kind)
  put(fact.id, fact.scope, 'strategy', fact.strategy)
  call('HSET', base .. 'decision:' .. fact.id, fact.part, fact.body)
  if fact.order then call('HSETNX', base .. 'orders:' .. fact.id, fact.order, fact.order_body) end
end

local function document(fact)
  local key = base .. 'document:' .. fact.kind .. ':' .. fact.id
  local old = call('HGET', key, 'version')
  if old and old > fact.version then return end
  call('HSET', key, 'version', fact.version, 'rank', fact.rank, 'scope', fact.scope, 'body', fact.body)
  if not fact.keep then return end
  local all, own = base .. 'documents:' .. fact.kind, base .. 'documents:' .. fact.kind .. ':'
  call('ZADD', all, fact.rank, fact.id)
  call('ZADD', own .. tenant(fact.scope), fact.rank, fact.id)
  if tonumber(fact.keep) > 0 and call('ZCARD', all) > tonumber(fact.keep) then
    for _, id in ipairs(call('ZRANGE', all, 0, call('ZCARD', all) - tonumber(fact.keep) - 1)) do
      local gone = base .. 'document:' .. fact.kind .. ':' .. id
      call('ZREM', own .. tenant(call('HGET', gone, 'scope')), id)
      call('ZREM', all, id)
      call('DEL', gone)
    end
  end
end

local stands = {}
local function is_new(it)
  stands[it.place] = stands[it.place] or tonumber(call('HGET', positions, it.place) or '0')
  return tonumber(it.offset) >= stands[it.place]
end

local new = 0
for _, fact in ipairs(cmsgpack.unpack(ARGV[5])) do
  if fact.topic == 'document' then document(fact)
  elseif fact.topic == 'journal' then
    local fresh = {}
    for _, it in ipairs(fact.records) do if is_new(it) then fresh[#fresh + 1] = it end end
    fact.records, new = fresh, new + #fresh
    if #fresh > 0 then journal(fact) end
  elseif is_new(fact) then
    new = new + 1
    if fact.part then said(fact) end
  end
end
for place, next_ in pairs(cjson.decode(ARGV[6])) do
  if tonumber(call('HGET', positions, place) or '0') < tonumber(next_) then call('HSET', positions, place, next_) end
end
return new
"""


class RedisReadModel:
    """`url` may hold a password and is told to nobody; `namespace` is the prefix of all keys, in one cluster slot."""

    def __init__(self, url: str, namespace: str, keep: Keep | None = None, policy: Policy | None = None) -> None:
        try:
            pool = BlockingConnectionPool.from_url(
                url,
                max_connections=32,
                timeout=TIMEOUT_S,
                socket_timeout=TIMEOUT_S,
                socket_connect_timeout=TIMEOUT_S,
                retry=Retry(NoBackoff(), 0),
                decode_responses=True,
            )
        except Exception:
            raise ValueError("api.redis_url is no URL of a Redis; expected redis://[:password@]host:port/0") from None
        # It answers with texts; redis-py's types cannot tell.
        self._redis: Any = Redis(connection_pool=pool)
        self._base = f"ds:{{{namespace}}}:"
        self._keep = keep or Keep()
        self._drawing = Documents(policy)
        self._script = self._redis.register_script(_APPLY)
        self._resting_until = 0.0
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()
        self._redis.connection_pool.disconnect()

    def positions(self) -> dict[Position, int]:
        """Next offset wanted of each topic and partition seen so far."""
        with self._asking():
            found = self._redis.hgetall(self._base + "positions")
        return {_position(place): int(next_) for place, next_ in found.items()}

    def apply(self, messages: Iterable[Message], after: Mapping[Position, int] | None = None) -> int:
        """Take in records; a long list goes in several scripts, each whole, and the last moves the positions.

        When one fails all are sent again, and what was taken in already changes nothing.
        """
        try:
            return self._applied(list(messages), after or {})
        except Exception:
            self._drawing.forget()
            raise

    def _applied(self, messages: list[Message], after: Mapping[Position, int]) -> int:
        documents = [self._document_fact(it) for it in self._drawing.of(messages, self.document)]
        portions = _portions([*documents, *_facts(messages)])
        limits = [self._keep.decisions, self._keep.records, VERDICT_S]
        wanted = _encode({_place(*position): str(next_) for position, next_ in after.items()})
        reached = _encode({_place(it.topic, it.partition): str(it.offset + 1) for it in messages})
        new = 0
        for number, portion in enumerate(portions, 1):
            arguments = [*limits, wanted, _pack(portion), reached if number == len(portions) else "{}"]
            with self._asking():
                new += int(self._script(keys=[self._base], args=arguments))
        return new

    def decisions(self, wanted: Filter, limit: int) -> list[dict[str, Any]]:
        """Decisions, newest first, without their bodies: along the shortest index, the other wishes checked."""
        names = [f"{field}:{value}" for field in _FIELDS if (value := getattr(wanted, field)) is not None]
        with self._asking():
            sized = [(self._redis.zcard(f"{self._base}index:{name}"), name) for name in names]
            along = [[min(sized)[1]]] if sized else []
            if wanted.tenants is not None:
                tenants = [f"tenant:{tenant}" for tenant in sorted(wanted.tenants)]
                if not along or sum(self._redis.zcard(f"{self._base}index:{name}") for name in tenants) < min(sized)[0]:
                    along = [tenants]
            lists = [self._along(name, wanted.before) for name in (along[0] if along else ["all"])]
            rows = (row for row in merge(*lists, key=_newest_first) if _fits(row, wanted))
            return list(islice(rows, limit))

    def decision(self, identifier: str) -> dict[str, Any] | None:
        """A decision with its proposal, its record, its transitions and orders; None when it is not known."""
        with self._asking():
            pipe = self._redis.pipeline(transaction=True)
            for name in ("decision", "moves", "orders"):
                pipe.hgetall(f"{self._base}{name}:{identifier}")
            row, moves, orders = pipe.execute()
        if not row:
            return None
        found = {name: row[name] for name in ("id", "scope", "kind", "strategy", "state")}
        found["at_ms"] = int(row["at_ms"])
        for body in ("proposal", "decision"):
            found[body] = json.loads(row[body]) if body in row else None
        found["transitions"] = [json.loads(moves[rank]) for rank in sorted(moves, key=int)]
        bodies = sorted((json.loads(body) for body in orders.values()), key=lambda order: order["step"])
        found["orders"] = [{key: order[key] for key in ("id", "at_ms", "step", "order")} for order in bodies]
        return found

    def scopes(self, tenants: frozenset[str] | None, after: str = "", limit: int = 1_000) -> list[dict[str, Any]]:
        """Scopes by name, past the name `after`: when they were last heard of, how many events they applied."""
        low = f"({after}" if after else "-"
        with self._asking():
            pipe = self._redis.pipeline(transaction=False)
            for tenant in self._tenants(tenants):
                pipe.zrangebylex(f"{self._base}scopes:{tenant}", low, "+", 0, limit)
            names = sorted(name for page in pipe.execute() for name in page)[:limit]
            pipe = self._redis.pipeline(transaction=False)
            for name in names:
                pipe.hmget(f"{self._base}about:{name}", "at_ms", "events")
            found = pipe.execute()
        return [
            {"scope": name, "at_ms": int(at_ms), "events": int(events)}
            for name, (at_ms, events) in zip(names, found, strict=True)
            if at_ms is not None
        ]

    def audit(self, scope: str, before: int | None, limit: int) -> list[dict[str, Any]]:
        """Journal records of a scope, newest first, below a sequence number."""
        key = f"{self._base}journal:{scope}"
        below = "+inf" if before is None else f"({before}"
        with self._asking():
            found = self._redis.zrevrangebyscore(key, below, "-inf", 0, limit)
            bodies = self._redis.hmget(f"{key}:bodies", found) if found else []
        return [json.loads(body) for body in bodies if body is not None]

    def verdict(self, event_id: str) -> dict[str, Any] | None:
        """The journal record of an event; None while it was not applied, and after a day."""
        with self._asking():
            found = self._redis.get(f"{self._base}event:{event_id}")
            if found is not None and not found.startswith("{"):
                sequence, _, scope = found.partition(" ")
                found = self._redis.hget(f"{self._base}journal:{scope}:bodies", sequence)
        return None if found is None else json.loads(found)

    def statistics(self, tenants: frozenset[str] | None) -> dict[str, Any]:
        """Counts of decisions by state, kind and strategy."""
        counts: dict[str, Any] = {"by_state": {}, "by_kind": {}, "by_strategy": {}}
        with self._asking():
            pipe = self._redis.pipeline(transaction=True)
            for tenant in self._tenants(tenants):
                pipe.hgetall(f"{self._base}count:{tenant}")
            found = pipe.execute()
        for name, number in sorted(item for tenant in found for item in tenant.items()):
            field, _, value = name.partition(":")
            if int(number):
                by = counts[f"by_{field}"]
                by[value] = by.get(value, 0) + int(number)
        return {"decisions": sum(counts["by_state"].values()), **counts}

    def document(self, kind: str, identifier: str) -> str | None:
        """The body of a document; None when there is none."""
        with self._asking():
            return self._redis.hget(f"{self._base}document:{kind}:{identifier}", "body")

    def documents(
        self, kind: str, tenants: frozenset[str] | None, before: tuple[int, str] | None, limit: int
    ) -> list[tuple[int, str, str]]:
        """Rank, id and body of documents, highest rank first, below `before`."""
        base = f"{self._base}documents:{kind}"
        names = [base] if tenants is None else [f"{base}:{tenant}" for tenant in sorted(tenants)]
        top = "+inf" if before is None else str(before[0])
        with self._asking():
            # Those of one rank are few (letters of one millisecond), or all (the counters, which have no order).
            pages = [self._redis.zrevrangebyscore(name, top, "-inf", withscores=True) for name in names]
            found = sorted(((int(rank), identifier) for page in pages for identifier, rank in page), reverse=True)
            wanted = [it for it in found if before is None or it < before][:limit]
            pipe = self._redis.pipeline(transaction=False)
            for _, identifier in wanted:
                pipe.hget(f"{self._base}document:{kind}:{identifier}", "body")
            bodies = pipe.execute()
        return [(*it, body) for it, body in zip(wanted, bodies, strict=True) if body is not None]

    def claim(self, key: str, content: str, now_s: float) -> str:
        """Keep `content` under an idempotency key for a day, unless something is kept there: then that is returned."""
        with self._asking():
            name = f"{self._base}key:{key}"
            if self._redis.set(name, content, nx=True, ex=KEY_S):
                return content
            return self._redis.get(name) or content

    def _document_fact(self, document: Document) -> dict[str, str]:
        kept = {COURSE: self._keep.courses, LETTER: self._keep.letters, COUNTERS: 0}.get(document.kind)
        fact = {"topic": "document", **{name: str(getattr(document, name)) for name in _PARTS}}
        return fact if kept is None else fact | {"keep": str(kept)}

    def _tenants(self, tenants: frozenset[str] | None) -> list[str]:
        return sorted(self._redis.smembers(self._base + "tenants") if tenants is None else tenants)

    def _along(self, name: str, before: tuple[int, str] | None) -> Iterator[dict[str, Any]]:
        """Rows of an index, newest first, fetched as they are wanted."""
        skip, top = 0, "+inf" if before is None else str(before[0])
        while True:
            page = self._redis.zrevrangebyscore(f"{self._base}index:{name}", top, "-inf", skip, _CHUNK)
            pipe = self._redis.pipeline(transaction=False)
            for identifier in page:
                pipe.hmget(f"{self._base}decision:{identifier}", *_COLUMNS)
            for values in pipe.execute():
                if values[0] is None:
                    continue
                row = dict(zip(_COLUMNS, values, strict=True)) | {"at_ms": int(values[2])}
                if before is None or (row["at_ms"], row["id"]) < before:
                    yield row
            if len(page) < _CHUNK:
                return
            skip += len(page)

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Tell every failure of Redis as `Unavailable`, by its kind only: its text may speak of addresses."""
        with self._lock:
            if time.monotonic() < self._resting_until:
                raise Unavailable("the read model did not answer a moment ago")
        try:
            yield
        except ResponseError as fault:
            if str(fault).startswith(_REWOUND):
                raise Rewound("the read model was emptied or set back") from None
            raise Unavailable(f"the read model cannot be used: {type(fault).__name__}") from None
        except (RedisError, OSError) as fault:
            with self._lock:
                self._resting_until = time.monotonic() + REST_S
            raise Unavailable(f"the read model does not answer: {type(fault).__name__}") from None


_encode, _pack = msgspec.json.Encoder().encode, msgspec.msgpack.Encoder().encode
_PARTS = ("kind", "id", "version", "body", "scope", "rank")
_FIELDS = ("scope", "state", "kind", "strategy")
_COLUMNS = ("id", "scope", "at_ms", "kind", "strategy", "state")


class _Backwards(tuple):
    """Sorts the newest first."""

    def __lt__(self, other: Any) -> bool:
        return tuple.__gt__(self, other)


def _newest_first(row: dict[str, Any]) -> _Backwards:
    return _Backwards((row["at_ms"], row["id"]))


def _fits(row: dict[str, Any], wanted: Filter) -> bool:
    if wanted.tenants is not None and row["scope"].split("/", 1)[0] not in wanted.tenants:
        return False
    return all((value := getattr(wanted, field)) is None or row[field] == value for field in _FIELDS)


class _Record(Struct, frozen=True, gc=False):
    """One of `_Records`. `found` is kept under its event: of somebody's order the body, else where the body is."""

    place: str
    offset: str
    sequence: str
    at_ms: str
    event_id: str
    body: str
    found: str
    moves: list[dict[str, Any]]


class _Records(Struct, frozen=True, gc=False):
    """Records of the journal, of one scope."""

    scope: str
    records: list[_Record]
    topic: str = "journal"


class _Part(Struct, frozen=True, gc=False, omit_defaults=True):
    """A part of a decision: its proposal or its record, with the order it came in; without a part, only a position."""

    topic: str
    place: str
    offset: str
    part: str | None = None
    id: str | None = None
    scope: str | None = None
    at_ms: str | None = None
    kind: str | None = None
    strategy: str | None = None
    body: str | None = None
    order: str | None = None
    order_body: str | None = None


_Fact = _Records | _Part | dict[str, str]


def _facts(messages: list[Message]) -> Iterator[_Fact]:
    """What the records say, for the script. Of those that only documents are drawn from there is nothing to say."""
    scopes: dict[str, list[_Record]] = {}
    for message in messages:
        if message.topic not in SAID:
            continue
        place, offset = _place(message.topic, message.partition), str(message.offset)
        body = message.value.decode(errors="replace")
        match it := read(message):
            case Applied():
                found = body if it.actor is not None else f"{it.sequence} {it.scope}"
                moves = [_move(it, rank, move) for rank, move in enumerate(it.transitions)]
                told = (str(it.sequence), str(it.at_ms), it.event_id, body, found, moves)
                scopes.setdefault(it.scope, []).append(_Record(place, offset, *told))
            case Proposed():
                about = (it.decision_id, it.scope, str(it.at_ms), it.decision.kind, it.strategy)
                yield _Part(message.topic, place, offset, "proposal", *about, body)
            case Ordered():
                own = it.decision
                about = (own.id, it.scope, str(own.at_ms), own.decision.kind, own.strategy)
                yield _Part(message.topic, place, offset, "decision", *about, it.body.decode(), it.id, body)
            case None:
                yield _Part("aside", place, offset)
    for scope, records in scopes.items():
        for start in range(0, len(records), BATCH):
            yield _Records(scope, records[start : start + BATCH])


def _portions(facts: Iterable[_Fact]) -> list[list[_Fact]]:
    """Facts of about `BATCH` records each. Without any there is an empty one: it still asks where the model stands."""
    portions: list[list[_Fact]] = [[]]
    size = 0
    for fact in facts:
        if size >= BATCH:
            portions.append([])
            size = 0
        portions[-1].append(fact)
        size += len(fact.records) if isinstance(fact, _Records) else 1
    return portions


def _place(topic: str, partition: int) -> str:
    return f"{topic}/{partition}"


def _position(place: str) -> Position:
    topic, _, part = place.rpartition("/")
    return topic, int(part)


def _move(record: Applied, place: int, move: Move) -> dict[str, Any]:
    told = {name: getattr(move, name) for name in ("at_ms", "from_state", "to_state", "reason")}
    # An event moves decisions a handful of times; the rank orders moves by sequence, then by place.
    rank = str(record.sequence * 1_000 + place)
    return {
        "id": move.decision_id,
        "at_ms": str(move.at_ms),
        "to": move.to_state,
        "later": not move.is_first,
        "rank": rank,
        "body": _encode(told | {"actor": record.actor}).decode(),
    }
