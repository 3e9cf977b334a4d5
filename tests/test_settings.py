"""Settings: the seed's file loads, every mistake is named, and nothing is guessed."""

import json
import re
from pathlib import Path

import msgspec
import pytest
import yaml

from decision_stream.model.policy import Policy, Response, ThompsonSampling
from decision_stream.settings import BadSettings, Settings, duration_ms, load, parse, shown, shown_duration

EXAMPLE = Path(__file__).parents[1] / "deploy" / "decision_engine.yaml"
MINUTE_MS = 60_000


def mistakes(text: str, environment: dict[str, str] | None = None) -> str:
    with pytest.raises(BadSettings) as caught:
        parse(text, environment or {})
    return str(caught.value)


def test_without_a_file_the_defaults_hold():
    assert load(None, {}) == Settings()
    assert parse("", {}) == Settings()


def test_the_example_file_loads_with_the_values_it_names():
    policy = load(EXAMPLE, {}).policy
    assert policy.engine.decision_timeout_ms == 30_000
    assert policy.ab_testing.max_duration_ms == 7 * 24 * 60 * MINUTE_MS
    assert policy.ab_testing.allocation_strategy == ThompsonSampling(prior_alpha=1.0, prior_beta=1.0)
    assert policy.threshold_based.performance.max_latency_p95_ms == 5_000.0
    assert policy.threshold_based.responses.on_anomaly is Response.CIRCUIT_BREAK
    assert policy.safety.min_time_between_changes_ms == 5 * MINUTE_MS
    assert policy.pareto.min_candidates == 5


def leaves(found: object, path: str = "") -> dict[str, object]:
    """Every value of nested mappings and structs by its path, without units and the level `config` of the file."""
    items = found.items() if isinstance(found, dict) else msgspec.structs.asdict(found).items()
    told: dict[str, object] = {}
    for name, value in items:
        place = path if name == "config" else f"{path}.{re.sub('_(ms|usd)$', '', name)}".lstrip(".")
        nested = isinstance(value, dict | msgspec.Struct) and "allocation" not in name
        told |= leaves(value, place) if nested else {place: value}
    return told


def test_every_value_of_the_example_file_arrives_and_the_defaults_differ_where_they_are_meant_to():
    document = yaml.safe_load(EXAMPLE.read_text())
    del document["monitoring"]
    asked = leaves({**document.pop("strategies"), **document})
    loaded, default = leaves(load(EXAMPLE, {}).policy), leaves(Policy())
    for path, value in asked.items():
        expected = duration_ms(value) if isinstance(value, str) and value[0].isdigit() else value
        assert loaded[path] == (ThompsonSampling() if "allocation" in path else expected), path
    told = {path for path in asked if loaded[path] != default[path]}
    assert told == {
        "ab_testing.min_sample_size",
        "ab_testing.allocation_strategy",
        "pareto.min_candidates",
        "reinforcement.algorithm",
        "reinforcement.alpha",
        "adaptive_parameters.search_strategy",
    }


def test_the_environment_overrides_the_file():
    settings = parse("safety: {max_cost_increase: 0.1}", {"DS_SAFETY__MAX_COST_INCREASE": "0.2", "DS_CACHE": "/tmp"})
    assert settings.policy.safety.max_cost_increase == 0.2
    nested = parse("", {"DS_STRATEGIES__PARETO__CONFIG__WEIGHTS": "{quality: 1.0, cost: 0.0, latency: 0.0}"})
    assert nested.policy.pareto.weights.quality == 1.0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("engine: {decision_timout: 30s}", "engine.decision_timout: unknown key; did you mean decision_timeout?"),
        ("strategies: {parto: {}}", "strategies.parto: unknown key; did you mean pareto?"),
        ("strategies: {pareto: {weights: {}}}", "strategies.pareto.weights: unknown key"),
        ("strategies: {pareto: {config: {enabled: false}}}", "strategies.pareto.config.enabled: unknown key"),
        ("safety: {max_risk_level: huge}", "Invalid enum value 'huge'"),
        ("safety: {min_time_between_changes: 5}", "expected a duration with its unit"),
        ("safety: {min_time_between_changes: 5 minutes}", "is no duration"),
        ("safety: {min_confidence: 1.5}", "<= 1.0"),
        ("safety: {min_confidence: yes}", "got `bool`"),
        ("engine: [1]", "engine: found list, expected a mapping"),
        ("strategies: {ab_testing: {config: {allocation_strategy: {type: dice}}}}", "dice"),
        ("- 1", "holds list, expected a mapping"),
        ("a: b: c", "is not YAML"),
        ("engine: {salt: a, salt: b}", "'salt' is written twice"),
        ("nonsense: 1", "nonsense: unknown key"),
        ("catalog: [{model: m}]", "missing required field"),
    ],
)
def test_a_mistake_is_told_with_its_path(text, said):
    assert said in mistakes(text)


def test_all_mistakes_are_told_at_once():
    told = mistakes("engine: {x1: 1}\nsafety: {x2: 2}\nramp: {initial_weight: 7}")
    assert "3 mistake(s)" in told and "engine.x1" in told and "safety.x2" in told and "ramp.initial_weight" in told


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(BadSettings, match=r"gone\.yaml cannot be read"):
        load(tmp_path / "gone.yaml", {})


def test_another_policy_has_another_hash_and_kafka_settings_have_none_in_it():
    assert parse("kafka: {partitions: 3}", {}).policy.hash == Policy().hash
    assert parse("ramp: {increment: 0.2}", {}).policy.hash != Policy().hash


@pytest.mark.parametrize(("text", "value_ms"), [("30s", 30_000), ("1h30m", 5_400_000), ("7d", 604_800_000), ("5ms", 5)])
def test_durations(text, value_ms):
    assert duration_ms(text) == value_ms
    assert duration_ms(shown_duration(value_ms)) == value_ms


def test_the_stream_gets_every_setting_of_kafka():
    stream = parse("kafka: {partitions: 3, app_id: x, tick_interval: 0, linger: 20ms}", {}).stream("host:1")
    assert (stream.partitions, stream.app_id, stream.tick_interval_ms, stream.linger_ms) == (3, "x", 0, 20)


CANARY = "canary-5d1e7a"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DS_API__REDIS_URL", f"redis://:{CANARY}@host:6379/0"),
        ("DS_API__WEBHOOK__SECRET", "1234567890123456789"),
        ("DS_API__WEBHOOK__SECRET", f"a: {CANARY} # not a comment"),
        ("DS_API__WEBHOOK__SECRET", "yes"),
        ("DS_API__WEBHOOK__SECRET", f"@{CANARY}"),
        ("DS_API__WEBHOOK__SECRET", "{}"),
        ("DS_API__WEBHOOK__SECRET", f"[{CANARY}"),
    ],
)
def test_text_of_the_environment_is_taken_as_it_is(variable, value):
    api = load(environment={variable: value}).api
    assert value in (api.redis_url, api.webhook.secret)


@pytest.mark.parametrize(
    ("text", "environment"),
    [
        (f"api:\n  redis_url: [{CANARY}]\n", {}),
        (f"api:\n  redis_url: {CANARY}: x\n", {}),
        (f"api:\n  redis_url: '{CANARY}\n", {}),
        (f'api:\n  redis_url: "{CANARY}\x07"\n', {}),
        (f"api:\n  webhook: {{url: 'http://example.org/{CANARY}', secret: {CANARY * 2}}}\n", {}),
        (f"api:\n  webhook: {{url: https://example.org, secret: {'x' * 501 + CANARY}}}\n", {}),
        (f"api:\n  webhook: {CANARY}\n", {}),
        (f"api:\n  tokens: [{{name: ada, sha256: {CANARY}}}]\n", {}),
        (f"api:\n  tokens: {CANARY}\n", {}),
        ("", {"DS_API__TOKENS": f"[{{name: ada, sha256: {CANARY}}}]"}),
        ("", {"DS_API__WEBHOOK": CANARY}),
        ("", {"DS_API__WEBHOOK__SECRET": CANARY, "DS_API__WEBHOOK__URL": f"ftp://{CANARY}"}),
        (f"kafka:\n  bootstrap_servers: user:{CANARY}@host:9092\n", {}),
    ],
)
def test_a_mistake_in_a_secret_is_told_without_it(text, environment):
    with pytest.raises(BadSettings) as told:
        parse(text, environment)
    assert CANARY not in str(told.value) and CANARY not in repr(told.value.__cause__)


def test_secrets_are_shown_as_stars_and_appear_in_no_repr():
    token = {"name": "ada", "sha256": "ab" * 32}
    webhook = {"url": f"https://example.org/{CANARY}", "secret": f"{CANARY}-{CANARY}"}
    document = {"api": {"redis_url": f"redis://:{CANARY}@host/0", "tokens": [token], "webhook": webhook}}
    settings = parse(json.dumps(document), {})
    api = shown(settings)["api"]
    assert (api["redis_url"], api["tokens"], api["webhook"]["url"], api["webhook"]["secret"]) == ("***",) * 4
    for told in (json.dumps(shown(settings)), repr(settings), str(settings.api), repr(settings.api.webhook)):
        assert CANARY not in told and "ab" * 32 not in told
    assert shown(load(environment={}))["api"]["redis_url"] == ""
    assert shown(load(environment={}))["kafka"]["partitions"] == 12
