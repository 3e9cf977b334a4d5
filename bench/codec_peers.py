"""pydantic, orjson and the standard library on the hot messages, in the environment of `requirements-quixstreams.lock`.

Reads insights and journal records as JSON lines, and prints microseconds by name of what was done. `checked` means
what the engine needs: types without coercion, bounds, patterns, a frozen value at the end.
"""

import json
import re
import sys
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field

from .timing import each_us

NAME = re.compile(r"^[\x21-\x7e]{1,128}\Z")
SCOPE = re.compile(r"^[A-Za-z0-9._:-]+/[A-Za-z0-9._:-]+/[A-Za-z0-9._:-]+\Z")

Unit = Annotated[float, Field(ge=0.0, le=1.0)]
Count = Annotated[int, Field(ge=0, le=2**53 - 1)]
Millis = Annotated[float, Field(ge=0.0, le=1e9)]
Usd = Annotated[float, Field(ge=0.0, le=1e6)]
Name = Annotated[str, Field(min_length=1, max_length=128)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, allow_inf_nan=False)


class _Performance(_Model):
    requests: Count
    error_rate: Unit
    latency_p50_ms: Millis
    latency_p95_ms: Millis
    latency_p99_ms: Millis | None = None


class _Cost(_Model):
    per_request_usd: Usd
    stddev_usd: Usd = 0.0


class _Quality(_Model):
    score: Unit
    stddev: Unit
    samples: Count


class _Configuration(_Model):
    model: Name
    prompt: Name | None = None
    parameters: dict[Name, bool | int | float | str] = {}


class _Estimate(_Model):
    model: Name
    quality: Unit
    quality_stddev: Unit
    cost_usd: Usd
    cost_stddev_usd: Usd
    latency_p50_ms: Millis
    latency_p95_ms: Millis
    samples: Count
    provider: Name | None = None


class _Insight(_Model):
    schema_version: Literal[1] = 1
    id: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[\x21-\x7e]+$")]
    scope: Annotated[str, Field(max_length=200, pattern=r"^[A-Za-z0-9._:-]+/[A-Za-z0-9._:-]+/[A-Za-z0-9._:-]+$")]
    at_ms: Annotated[int, Field(ge=0, le=4_102_444_800_000)]
    window_ms: Annotated[int, Field(ge=1, le=86_400_000)]
    performance: _Performance
    cost: _Cost
    quality: _Quality
    stability: Unit = 1.0
    configuration: _Configuration | None = None
    candidates: Annotated[tuple[_Estimate, ...], Field(max_length=50)] = ()
    segments: Annotated[dict[Name, Unit], Field(max_length=50)] = {}
    source: Annotated[str, Field(max_length=2_000)] = ""


class _Reason(_Model):
    source: Name
    code: Name
    detail: str = ""
    value: float | None = None
    limit: float | None = None


class _Source(_Model):
    topic: Name
    partition: int
    offset: Count


class _Journal(_Model):
    schema_version: Literal[1] = 1
    id: Name
    scope: Name
    sequence: Count
    at_ms: int
    stage: str
    source: _Source
    event_id: Name
    verdict: str
    reasons: tuple[_Reason, ...] = ()
    transitions: tuple[Any, ...] = ()
    alerts: tuple[Any, ...] = ()
    learnings: tuple[Any, ...] = ()
    frontier: tuple[Any, ...] = ()
    outputs: tuple[str, ...] = ()
    actor: Name | None = None
    policy_hash: Name
    engine_version: Name
    previous_hash: Name


@dataclass(frozen=True, slots=True)
class _Plain:
    id: str
    scope: str
    at_ms: int
    window_ms: int
    performance: tuple[int, float, float, float, float | None]
    cost: tuple[float, float]
    quality: tuple[float, float, int]
    stability: float
    configuration: tuple[str, str | None] | None
    candidates: tuple[tuple[str, float, float, float, float, float, float, int], ...]
    source: str


def _by_hand(body: bytes) -> _Plain:
    """orjson, and the checks that its callers have to write."""
    told = orjson.loads(body)
    performance, cost, quality = told["performance"], told["cost"], told["quality"]
    if not (NAME.match(told["id"]) and SCOPE.match(told["scope"]) and told.get("schema_version", 1) == 1):
        raise ValueError("id, scope or version")
    p99 = performance.get("latency_p99_ms")
    used = told.get("configuration")
    return _Plain(
        told["id"],
        told["scope"],
        _whole(told["at_ms"], 0, 4_102_444_800_000),
        _whole(told["window_ms"], 1, 86_400_000),
        (
            _whole(performance["requests"], 0, 2**53 - 1),
            _number(performance["error_rate"], 1.0),
            _number(performance["latency_p50_ms"], 1e9),
            _number(performance["latency_p95_ms"], 1e9),
            None if p99 is None else _number(p99, 1e9),
        ),
        (_number(cost["per_request_usd"], 1e6), _number(cost.get("stddev_usd", 0.0), 1e6)),
        (_number(quality["score"], 1.0), _number(quality["stddev"], 1.0), _whole(quality["samples"], 0, 2**53 - 1)),
        _number(told.get("stability", 1.0), 1.0),
        None if used is None else (_named(used["model"]), used.get("prompt")),
        tuple([_estimate(one) for one in told.get("candidates", ())]),
        told.get("source", ""),
    )


def _estimate(told: dict[str, Any]) -> tuple[str, float, float, float, float, float, float, int]:
    return (
        _named(told["model"]),
        _number(told["quality"], 1.0),
        _number(told["quality_stddev"], 1.0),
        _number(told["cost_usd"], 1e6),
        _number(told["cost_stddev_usd"], 1e6),
        _number(told["latency_p50_ms"], 1e9),
        _number(told["latency_p95_ms"], 1e9),
        _whole(told["samples"], 0, 2**53 - 1),
    )


def _number(value: object, most: float) -> float:
    if type(value) not in (float, int) or not 0.0 <= value <= most:  # type: ignore[operator]
        raise ValueError(f"{value!r} is no number from 0 to {most}")
    return float(value)  # type: ignore[arg-type]


def _whole(value: object, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"{value!r} is no whole number from {least} to {most}")
    return value


def _named(value: object) -> str:
    if type(value) is not str or not 1 <= len(value) <= 128:
        raise ValueError(f"{value!r} is no name")
    return value


def _with_json(body: dict[str, Any]) -> bytes:
    return json.dumps(body, sort_keys=True, separators=(",", ":")).encode()


def _with_orjson(body: dict[str, Any]) -> bytes:
    return orjson.dumps(body, option=orjson.OPT_SORT_KEYS)


def _with_pydantic(model: _Journal) -> bytes:
    return model.model_dump_json().encode()


def main() -> None:
    """Measure what comes in on standard input."""
    told = json.loads(sys.stdin.read())
    insights = [line.encode() for line in told["insights"]]
    journal = [line.encode() for line in told["journal"]]
    bodies, models = [json.loads(line) for line in journal], [_Journal.model_validate_json(line) for line in journal]
    found = {
        "insight in, json, nothing checked": each_us(json.loads, insights),
        "insight in, orjson, nothing checked": each_us(orjson.loads, insights),
        "insight in, orjson, checked by hand": each_us(_by_hand, insights),
        "insight in, pydantic, checked": each_us(_Insight.model_validate_json, insights),
        "journal out, json, keys sorted": each_us(
            lambda body: json.dumps(body, sort_keys=True, separators=(",", ":")).encode(), bodies
        ),
        "journal out, orjson, keys sorted": each_us(
            lambda body: orjson.dumps(body, option=orjson.OPT_SORT_KEYS), bodies
        ),
        "journal out, pydantic": each_us(_with_pydantic, models),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
