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
from redis import BlockingConnectionPool, Redis, RedisError, ResponseError
from redis.backoff import NoBackoff
from redis.retry import Retry

from ...engine.identity import derived_id
from ...model.knowledge import is_aggregate
from ...model.policy import Policy
from .documents import COUNTERS, COURSE, LETTER, Document, Documents
from .protocol import KEY_S, Filter, Keep, Message, Position, Rewound, Unavailable, is_first

TIMEOUT_S = 0.5
"""For connecting and for each answer."""
REST_S = 1.0
"""After a failure questions are refused at once for this long, so that a hanging Redis does not fill all threads."""
BATCH = 200
"""Records of one script: while it runs, nobody else is answered."""
VERDICT_S = 86_400
_CHUNK = 200
_REWOUND = "REWOUND"

# Facts come with numbers as text: Lua prints whole numbers above 10^14 as floating point.
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

local function journal(fact)
  local about, records = base .. 'about:' .. fact.scope, base .. 'journal:' .. fact.scope
  call('ZADD', base .. 'scopes:' .. tenant(fact.scope), 0, fact.scope)
  call('SADD', base .. 'tenants', tenant(fact.scope))
  local last = call('HMGET', about, 'events', 'at_ms')
  local newest = math.max(tonumber(last[1] or '0'), tonumber(fact.sequence))
  if newest == tonumber(fact.sequence) then call('HSET', about, 'events', fact.sequence) end
  if tonumber(last[2] or '0') < tonumber(fact.at_ms) then call('HSET', about, 'at_ms', fact.at_ms) end
  if tonumber(fact.sequence) > newest - keep_records then
    call('ZADD', records, 'NX', fact.sequence, fact.sequence)
    call('HSETNX', records .. ':bodies', fact.sequence, fact.body)
    for _, old in ipairs(call('ZRANGEBYSCORE', records, '-inf', newest - keep_records)) do
      call('ZREM', records, old)
      call('HDEL', records .. ':bodies', old)
    end
    call('SET', base .. 'event:' .. fact.event_id, fact.body, 'NX', 'EX', verdict_s)
  end
  for _, move in ipairs(fact.moves) do
    if known(move.id, fact.scope, move.at_ms, move.later) then
      local key = base .. 'decision:' .. move.id
      call('HSETNX', base .. 'moves:' .. move.id, move.rank, move.body)
      if tonumber(call('HGET', key, 'rank') or '-1') < tonumber(move.rank) then
        call('HSET', key, 'rank', move.rank)
        put(move.id, fact.scope, 'state', move.to)
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

local new = 0
for at = 5, #ARGV do
  local fact = cjson.decode(ARGV[at])
  if fact.topic == 'document' then document(fact)
  elseif tonumber(fact.offset) >= tonumber(call('HGET', positions, fact.place) or '0') then
    new = new + 1
    if fact.topic == 'journal' then journal(fact) elseif fact.part then said(fact) end
    call('HSET', positions, fact.place, string.format('%d', tonumber(fact.offset) + 1))
  end
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
        self._redis = Redis(connection_pool=pool)
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
        """Take in records; a long list goes in several scripts, each whole, each after the one before."""
        try:
            return self._applied(list(messages), after)
        except Exception:
            self._drawing.forget()
            raise

    def _applied(self, messages: list[Message], after: Mapping[Position, int] | None) -> int:
        new, reached = 0, dict(after or {})
        # Documents go first: a script that fails after them is sent again, and they are the same again.
        documents, said = self._drawing.of(messages, self.document), _without_quiet(messages)
        facts = [_encode(self._document_fact(it)) for it in documents] + [_encode(_fact(it)) for it in said]
        ends = [None] * len(documents) + said
        limits = [self._keep.decisions, self._keep.records, VERDICT_S]
        # Without records it is asked all the same: whether it still stands where the caller believes.
        for start in range(0, max(1, len(facts)), BATCH):
            wanted = {f"{topic}/{part}": str(next_) for (topic, part), next_ in reached.items()}
            arguments = [*limits, _encode(wanted), *facts[start : start + BATCH]]
            with self._asking():
                new += int(self._script(keys=[self._base], args=arguments))
            if after is not None:
                told = [message for message in ends[start : start + BATCH] if message is not None]
                reached |= {(message.topic, message.partition): message.offset + 1 for message in told}
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
            body = self._redis.get(f"{self._base}event:{event_id}")
        return None if body is None else json.loads(body)

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


_encode, _decode = msgspec.json.Encoder().encode, msgspec.json.Decoder().decode
_SAID = ("journal", "proposals", "decisions")
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


def _without_quiet(messages: list[Message]) -> list[Message]:
    """Without the records that only documents were drawn from, but for the last of each partition, for its position."""
    last = {(message.topic, message.partition): message for message in messages}
    return [it for it in messages if it.topic in _SAID or last[it.topic, it.partition] is it]


def _position(place: str) -> Position:
    topic, _, part = place.rpartition("/")
    return topic, int(part)


def _fact(message: Message) -> dict[str, Any]:
    """What a record says, as text only, for the script."""
    place = f"{message.topic}/{message.partition}"
    fact: dict[str, Any] = {"topic": message.topic, "place": place, "offset": str(message.offset)}
    if message.topic not in _SAID:
        return fact
    content, body = _decode(message.value), message.value.decode()
    match message.topic:
        case "journal" if is_aggregate(content["scope"]):
            fact["topic"] = "aside"
        case "journal":
            moves = [_move(content, place, move) for place, move in enumerate(content.get("transitions", ()))]
            fact |= {name: str(content[name]) for name in ("scope", "sequence", "at_ms", "event_id")}
            fact |= {"body": body, "moves": moves}
        case "proposals":
            fact |= {"id": derived_id(content["id"], "decision"), "part": "proposal", "body": body}
            fact |= _about(content)
        case "decisions":
            decision = content["decision"]
            fact |= {"id": decision["id"], "part": "decision", "body": _encode(decision).decode()}
            fact |= _about(decision) | {"scope": content["scope"], "order": content["id"], "order_body": body}
    return fact


def _about(content: dict[str, Any]) -> dict[str, str]:
    return {
        "scope": content["scope"],
        "at_ms": str(content["at_ms"]),
        "kind": content["decision"]["kind"],
        "strategy": content["strategy"],
    }


def _move(record: dict[str, Any], place: int, move: dict[str, Any]) -> dict[str, Any]:
    told = {name: move[name] for name in ("at_ms", "from_state", "to_state", "reason")} | {"actor": record.get("actor")}
    # An event moves decisions a handful of times; the rank orders moves by sequence, then by place.
    rank = str(record["sequence"] * 1_000 + place)
    return {
        "id": move["decision_id"],
        "at_ms": str(move["at_ms"]),
        "to": move["to_state"],
        "later": not is_first(move),
        "rank": rank,
        "body": _encode(told).decode(),
    }
