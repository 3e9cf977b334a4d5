"""Settings from a YAML file and the environment, read once: every key checked, every mistake told at once.

The file has the seed's layout (appendix A): `engine`, `strategies.<name>.{enabled, priority, config}`, `safety`,
`validation`, `monitoring`; and `ramp`, `breaker`, `knowledge`, `catalog` and `kafka` beside them. A key is the field's
name without its unit: `decision_timeout` for `decision_timeout_ms`. Durations are written `30s`, `5m`, `7d`.
`DS_SAFETY__MAX_COST_INCREASE=0.2` overrides a key. What is marked as secret is repeated in no message.
"""

import dataclasses
import os
import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import yaml
from msgspec import Meta, Struct
from msgspec.structs import FieldInfo, fields

from .edge.api_settings import ApiSettings
from .model.metrics import ModelEstimate
from .model.policy import (
    AbTestingPolicy,
    AdaptiveParametersPolicy,
    BreakerPolicy,
    DurationMs,
    EnginePolicy,
    KnowledgePolicy,
    ParetoPolicy,
    Policy,
    RampPolicy,
    ReinforcementPolicy,
    SafetyPolicy,
    ThresholdPolicy,
    ValidationPolicy,
)
from .model.scalars import Unit
from .stream.address import Address, BadAddress, Security
from .stream.config import StreamSettings

PREFIX = "DS_"
UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
STRATEGIES: dict[str, type[Struct]] = {
    "ab_testing": AbTestingPolicy,
    "reinforcement": ReinforcementPolicy,
    "pareto": ParetoPolicy,
    "adaptive_parameters": AdaptiveParametersPolicy,
    "threshold_based": ThresholdPolicy,
}


class BadSettings(Exception):
    """The settings cannot be used; the message lists every mistake with its path."""


class KafkaSettings(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """How to reach Kafka, and how the worker takes part in its group."""

    # Empty: the embedded Kafka, or what --bootstrap-servers or KAFKA_BOOTSTRAP_SERVERS say.
    bootstrap_servers: str = ""
    # Also the name of the consumer group and of the changelog: changing it starts with empty state.
    app_id: Annotated[str, Meta(min_length=1, max_length=100, pattern="^[a-zA-Z0-9._-]+$")] = "decision-stream"
    topic_prefix: Annotated[str, Meta(max_length=100, pattern="^[a-zA-Z0-9._-]*$")] = "ds."
    # Chosen once, generously: it bounds the number of workers and cannot be changed in place.
    partitions: Annotated[int, Meta(ge=1, le=1_000)] = 12
    replication: Annotated[int, Meta(ge=1, le=10)] = 1
    # `production` refuses connections that are not encrypted, unless `allow_plaintext` says that something else
    # protects them, such as a mesh.
    profile: Literal["development", "production"] = "development"
    allow_plaintext: bool = False
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    sasl_username: str = ""
    # A file, so that the password stands in no setting, argument or log.
    sasl_password_file: str = ""
    # The authorities to trust; empty: those of the system.
    ssl_ca_file: str = ""
    # For a broker that wants a certificate of its clients.
    ssl_certificate_file: str = ""
    ssl_key_file: str = ""
    session_timeout_ms: DurationMs = 15_000
    heartbeat_interval_ms: DurationMs = 3_000
    rebalance_timeout_ms: DurationMs = 30_000
    # A worker that was told to stop and has not finished what is in hand by then, because the broker is away, ends
    # without committing it. Less than whoever runs it waits before killing it.
    stop_timeout_ms: DurationMs = 45_000
    commit_interval_ms: DurationMs = 1_000
    # While more events are at hand, what is to be sent waits this long for company; when none are, it leaves at once.
    linger_ms: DurationMs = 20
    # While events come in, the broker collects for this long before it answers, less a millisecond for each 4 kB that
    # came last (at most half): cheaper, and this much later at worst.
    fetch_max_wait_ms: DurationMs = 32
    # 0: ticks come from outside, as in the simulator.
    tick_interval_ms: DurationMs = 5_000
    # A worker refuses stored state that speaks of other topics than those it reads: deleted and created again, or the
    # state itself is gone. On for one start: it keeps what it knows and begins with the first message of such a topic.
    adopt_topics: bool = False
    # This many bad messages in a row on a partition pause it and turn readiness off: something upstream is broken, and
    # parking all of a topic helps nobody.
    flood_in_a_row: Annotated[int, Meta(ge=1, le=1_000_000)] = 100
    # So does a larger share of bad ones than this among the last `flood_window`.
    flood_share: Unit = 0.5
    flood_window: Annotated[int, Meta(ge=10, le=1_000_000)] = 1_000
    # A paused partition is tried again after this; its next bad message pauses it at once. 0: not before a restart.
    flood_pause_ms: DurationMs = 300_000
    # With messages waiting and none processed for this long, the process ends with status 70. 0: never.
    progress_timeout_ms: DurationMs = 60_000

    def __post_init__(self) -> None:
        if self.bootstrap_servers:
            try:
                Address(self.bootstrap_servers)
            except BadAddress as fault:
                raise ValueError(str(fault)) from None
        security = self.security
        if self.profile == "production" and not security.is_tls and not self.allow_plaintext:
            raise ValueError(
                f"security_protocol {security.protocol} is not encrypted, which profile production refuses; "
                "use SSL or SASL_SSL, or allow_plaintext where something else encrypts"
            )
        if security.is_sasl and not (security.username and security.password_file):
            raise ValueError(f"{security.protocol} needs sasl_username and sasl_password_file")
        if (security.ca_file or security.certificate_file) and not security.is_tls:
            raise ValueError(f"ssl_*_file has no effect with {security.protocol}; use SSL or SASL_SSL")
        if security.key_file and not security.certificate_file:
            raise ValueError("ssl_key_file needs ssl_certificate_file")

    @property
    def security(self) -> Security:
        """How to be let in."""
        return Security(
            protocol=self.security_protocol,
            mechanism=self.sasl_mechanism,
            username=self.sasl_username,
            password_file=self.sasl_password_file,
            ca_file=self.ssl_ca_file,
            certificate_file=self.ssl_certificate_file,
            key_file=self.ssl_key_file,
        )


class MonitoringSettings(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """Metrics, health and logs."""

    # 0 picks a free port. The seed's 9090 is the port of Prometheus itself; it is accepted.
    metrics_port: Annotated[int, Meta(ge=0, le=65_535)] = 9_464
    host: Annotated[str, Meta(min_length=1)] = "127.0.0.1"
    enable_prometheus: bool = True
    # Spans for OpenTelemetry (extra `otel`), also on when OTEL_EXPORTER_OTLP_ENDPOINT is set; an insight without a
    # trace begins one. Contexts are carried on in any case.
    enable_tracing: bool = False
    log_level: Annotated[str, Meta(pattern="^(debug|info|warning|error)$")] = "info"
    log_format: Annotated[str, Meta(pattern="^(auto|json|text)$")] = "auto"


class Settings(Struct, frozen=True, gc=False, kw_only=True):
    """All settings of a process."""

    policy: Policy = Policy()
    kafka: KafkaSettings = KafkaSettings()
    monitoring: MonitoringSettings = MonitoringSettings()
    api: ApiSettings = ApiSettings()

    def address(self, servers: str) -> Address:
        """These servers with what it takes to be let in. Raises `BadSettings`."""
        try:
            return Address(servers, self.kafka.security)
        except BadAddress as fault:
            raise BadSettings(str(fault)) from None

    def stream(self, bootstrap_servers: str, *, begins_traces: bool = False) -> StreamSettings:
        """What the worker needs, with the Kafka that was chosen."""
        kafka = self.kafka
        names = {info.name for info in fields(kafka)} & {info.name for info in dataclasses.fields(StreamSettings)}
        names -= {"bootstrap_servers"}
        return StreamSettings(
            bootstrap_servers=self.address(bootstrap_servers),
            policy=self.policy,
            begins_traces=begins_traces,
            **{name: getattr(kafka, name) for name in sorted(names)},
        )


SECTIONS: dict[str, type[Struct]] = {
    "engine": EnginePolicy,
    "safety": SafetyPolicy,
    "validation": ValidationPolicy,
    "ramp": RampPolicy,
    "breaker": BreakerPolicy,
    "knowledge": KnowledgePolicy,
    "monitoring": MonitoringSettings,
    "api": ApiSettings,
    "kafka": KafkaSettings,
}


def load(path: Path | None = None, environment: Mapping[str, str] | None = None) -> Settings:
    """Settings of this file and environment; without a file, the defaults. Raises `BadSettings`."""
    text = ""
    if path is not None:
        try:
            text = path.read_text()
        except OSError as fault:
            raise BadSettings(f"{path} cannot be read: {fault.strerror}") from fault
    return parse(text, os.environ if environment is None else environment, source=str(path or "defaults"))


def parse(text: str, environment: Mapping[str, str], source: str = "settings") -> Settings:
    """Settings of a YAML text and an environment. Raises `BadSettings`."""
    try:
        document = yaml.load(text, Loader=_StrictLoader) or {}
    except yaml.YAMLError as fault:
        # Without the line itself, which may hold a secret; nor is it the cause that a traceback would show.
        raise BadSettings(f"{source} is not YAML: {_where(fault)}") from None
    if not isinstance(document, dict):
        raise BadSettings(f"{source} holds {type(document).__name__}, expected a mapping")
    errors: list[str] = []
    _override(document, environment, errors)
    known = [*SECTIONS, "strategies", "catalog"]
    errors += [_unknown(key, known, "") for key in document if key not in known]
    built = {name: _build(kind, document.get(name) or {}, name, errors) for name, kind in SECTIONS.items()}
    strategies = _strategies(document.get("strategies") or {}, errors)
    catalog = _leaf(document.get("catalog") or [], tuple[ModelEstimate, ...], "catalog", errors)
    if errors:
        raise BadSettings(f"{source} has {len(errors)} mistake(s):\n" + "\n".join(f"  {error}" for error in errors))
    kafka, monitoring, api = built.pop("kafka"), built.pop("monitoring"), built.pop("api")
    return Settings(policy=Policy(**built, **strategies, catalog=catalog), kafka=kafka, monitoring=monitoring, api=api)


def shown(settings: Any) -> Any:
    """The settings as they may be shown: a secret that is set is `***`."""
    found = {}
    for info in fields(settings):
        value = getattr(settings, info.name)
        if is_secret(info.type):
            found[info.name] = "***" if value else msgspec.to_builtins(value)
        else:
            found[info.name] = shown(value) if isinstance(value, Struct) else msgspec.to_builtins(value)
    return found


def is_secret(kind: Any) -> bool:
    """Whether a setting of this type is marked as secret."""
    return any(isinstance(it, Meta) and (it.extra or {}).get("secret") for it in getattr(kind, "__metadata__", ()))


def duration_ms(text: str) -> int:
    """Milliseconds of a duration such as `30s`, `1h30m`, `7d`; raises ValueError.

    >>> duration_ms("1h30m"), duration_ms("250ms")
    (5400000, 250)
    """
    parts = re.findall(r"(\d+)(ms|s|m|h|d)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is no duration; expected one such as 30s, 5m, 1h or 7d")
    return sum(int(number) * UNITS_MS[unit] for number, unit in parts)


def shown_duration(value_ms: int) -> str:
    """A duration as it is written in the file.

    >>> shown_duration(300_000), shown_duration(0)
    ('5m', '0s')
    """
    for unit in ("d", "h", "m", "s"):
        if value_ms and value_ms % UNITS_MS[unit] == 0:
            return f"{value_ms // UNITS_MS[unit]}{unit}"
    return f"{value_ms}ms" if value_ms else "0s"


def key_of(name: str) -> str:
    """A field's key in the file: its name without the unit."""
    return re.sub(r"_(ms|usd)$", "", name)


def is_duration(info: FieldInfo) -> bool:
    """Whether a field is written as a duration: whole milliseconds. Measured latencies are plain numbers of ms."""
    return info.type == DurationMs


def _strategies(section: Any, errors: list[str]) -> dict[str, Any]:
    if not isinstance(section, dict):
        errors.append(f"strategies: found {_kind(section)}, expected a mapping")
        return {}
    errors += [_unknown(name, list(STRATEGIES), "strategies.") for name in section if name not in STRATEGIES]
    built = {}
    for name, kind in STRATEGIES.items():
        path = f"strategies.{name}"
        entry = _read(section.get(name)) or {}
        if not isinstance(entry, dict):
            errors.append(f"{path}: found {_kind(entry)}, expected a mapping")
            continue
        allowed = ["enabled", "priority", "config"]
        errors += [_unknown(key, allowed, f"{path}.") for key in entry if key not in allowed]
        switches = {key: entry[key] for key in ("enabled", "priority") if key in entry}
        config = _read(entry.get("config")) or {}
        if not isinstance(config, dict):
            errors.append(f"{path}.config: found {_kind(config)}, expected a mapping")
            continue
        errors += [_unknown(key, [], f"{path}.config.") for key in config if key in ("enabled", "priority")]
        built[name] = _build(kind, {**config, **switches}, f"{path}.config", errors)
    return built


def _build(kind: type[Struct], section: Any, path: str, errors: list[str]) -> Any:
    """A struct from a mapping; mistakes are added to the list."""
    section = _read(section)
    if not isinstance(section, dict):
        errors.append(f"{path}: found {_kind(section)}, expected a mapping")
        return None
    by_key = {key_of(info.name): info for info in fields(kind)}
    errors += [_unknown(key, list(by_key), f"{path}.") for key in section if key not in by_key]
    before = len(errors)
    values = {}
    for key, info in by_key.items():
        if key not in section:
            continue
        value, where = section[key], f"{path}.{key}"
        if isinstance(info.type, type) and issubclass(info.type, Struct):
            values[info.name] = _build(info.type, value or {}, where, errors)
        elif is_duration(info):
            values[info.name] = _duration(value, info, where, errors)
        else:
            values[info.name] = _leaf(value, info.type, where, errors)
    if len(errors) > before:
        return None
    try:
        return kind(**values)
    except ValueError as fault:
        errors.append(f"{path}: {fault}")
        return None


def _duration(value: Any, info: FieldInfo, path: str, errors: list[str]) -> Any:
    value = _read(value)
    if value == 0:
        return 0
    if not isinstance(value, str):
        errors.append(f"{path}: found {value!r}, expected a duration with its unit, such as 30s")
        return None
    try:
        return _leaf(duration_ms(value), info.type, path, errors)
    except ValueError as fault:
        errors.append(f"{path}: {fault}")
        return None


def _leaf(value: Any, kind: Any, path: str, errors: list[str]) -> Any:
    is_text = getattr(kind, "__origin__", kind) is str
    value = value.text if is_text and isinstance(value, _Told) else _read(value)
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as fault:
        errors.append(f"{path}: {fault}" if is_secret(kind) else f"{path}: found {value!r}; {fault}")
        return None


def _unknown(key: Any, known: list[str], path: str) -> str:
    near = get_close_matches(str(key), known, n=1, cutoff=0.5)
    return f"{path}{key}: unknown key" + (f"; did you mean {near[0]}?" if near else f"; known: {', '.join(known)}")


def _override(document: dict[Any, Any], environment: Mapping[str, str], errors: list[str]) -> None:
    """Put `DS_SECTION__KEY` values into the document, as if they had been written there."""
    names = {**SECTIONS, "strategies": Struct}
    for variable in sorted(environment):
        path = variable.removeprefix(PREFIX).lower().split("__")
        if not variable.startswith(PREFIX) or len(path) < 2 or path[0] not in names:
            continue
        place: Any = document
        for part in path[:-1]:
            nested = _read(place.get(part)) if isinstance(place, dict) else None
            if isinstance(place, dict):
                nested = place[part] = {} if nested is None else nested
            place = nested
        if not isinstance(place, dict):
            errors.append(f"{variable}: {'.'.join(path[:-1])} is no mapping")
            continue
        place[path[-1]] = _Told(environment[variable])


@dataclasses.dataclass(frozen=True, slots=True)
class _Told:
    """A value of the environment, which is the text itself where text is wanted: a secret may be of digits."""

    text: str


def _read(value: Any) -> Any:
    """What YAML reads in a value of the environment; its text where that is not YAML."""
    if not isinstance(value, _Told):
        return value
    try:
        return yaml.safe_load(value.text)
    except yaml.YAMLError:
        return value.text


def _where(fault: yaml.YAMLError) -> str:
    if isinstance(fault, yaml.MarkedYAMLError) and fault.problem_mark is not None:
        return f"line {fault.problem_mark.line + 1}, column {fault.problem_mark.column + 1}: {fault.problem}"
    return "it holds characters that YAML forbids"


def _kind(value: Any) -> str:
    return "nothing" if value is None else type(value).__name__


class _StrictLoader(yaml.SafeLoader):
    """Safe YAML in which a key that is written twice is a mistake."""


def _mapping(loader: _StrictLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    loader.flatten_mapping(node)
    result: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node)
        if key in result:
            raise yaml.constructor.ConstructorError(None, None, f"key {key!r} is written twice", key_node.start_mark)
        result[key] = loader.construct_object(value_node, deep=True)
    return result


_StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
