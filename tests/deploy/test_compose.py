"""docker-compose.yml and the image: parsed, linted, true to the program they start; nothing is run in a container."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft201909Validator
from typer.main import get_command

from decision_stream.cli.app import app
from decision_stream.settings import load, parse
from tests.contract.registry import compose_schema

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("decision-stream:")}
PINNED = re.compile(r"^[a-z0-9./-]+:v?\d+\.\d+\.\d+(-[a-z0-9]+)?$")


@pytest.fixture(scope="module")
def specification() -> Draft201909Validator:
    return Draft201909Validator(compose_schema())


def test_the_file_is_valid_by_the_compose_specification(specification):
    assert [f"{list(it.path)}: {it.message}" for it in specification.iter_errors(COMPOSE)] == []


@pytest.mark.parametrize(
    "wrong", [{"imgae": "x"}, {"ports": "8080"}, {"healthcheck": {"tset": []}}, {"depends_on": {"redis": "up"}}]
)
def test_the_specification_finds_a_mistake(specification, wrong):
    services = {**SERVICES, "api": {**SERVICES["api"], **wrong}}
    assert not specification.is_valid({**COMPOSE, "services": services})


def with_defaults(value: str) -> str:
    """What compose makes of `${NAME:-default}` when NAME is not set."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value)


def test_there_are_the_services_and_profiles_that_the_head_of_the_file_tells():
    assert set(SERVICES) == {"kafka", "redis", "topics", "engine", "api", "demo", "prometheus", "grafana"}
    assert "version" not in COMPOSE
    told = {name: service["profiles"] for name, service in SERVICES.items() if "profiles" in service}
    assert told == {"demo": ["demo"], "prometheus": ["observability"], "grafana": ["observability"]}


@pytest.mark.parametrize("name", SERVICES)
def test_an_image_is_pinned_and_a_health_check_says_when_it_is_up(name):
    service = SERVICES[name]
    assert PINNED.match(service["image"]), service["image"]
    check = service["healthcheck"]
    assert check == {"disable": True} or (check["test"][0] == "CMD" and check["retries"] and check["timeout"])
    for published in service.get("ports", ()):
        assert published.startswith("127.0.0.1:"), f"{name} would be open to the network"


def test_each_waits_for_what_it_needs():
    waits = {name: service.get("depends_on", {}) for name, service in SERVICES.items()}
    for name, needed in waits.items():
        for other, condition in needed.items():
            disabled = SERVICES[other]["healthcheck"] == {"disable": True}
            expected = "service_completed_successfully" if disabled else "service_healthy"
            assert condition["condition"] == expected, (name, other)
    assert set(waits["topics"]) == {"kafka"} and set(waits["engine"]) == {"topics"}
    assert set(waits["api"]) == {"topics", "redis"}


def test_volumes_are_named_and_files_that_are_mounted_exist():
    named = set()
    for service in SERVICES.values():
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            if source.startswith("./"):
                assert (ROOT / source).exists() and volume.endswith(":ro"), volume
            else:
                named.add(source)
    assert named == set(COMPOSE["volumes"])


@pytest.mark.parametrize("name", OURS)
def test_a_command_of_ours_exists_with_its_options(name):
    command = get_command(app)
    words = list(OURS[name]["command"])
    while words and hasattr(command, "commands"):
        assert words[0] in command.commands, words
        command = command.commands[words.pop(0)]
    options = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options


@pytest.mark.parametrize("name", OURS)
def test_its_environment_and_settings_file_are_settings(name):
    told = {key: with_defaults(value) for key, value in OURS[name]["environment"].items()}
    known = parse((ROOT / "deploy" / "decision_engine.yaml").read_text(), told)
    default = load(None, {})
    for key in told:
        if key.startswith("DS_"):
            section, field = key.removeprefix("DS_").lower().split("__")
            assert hasattr(getattr(default, section), field), f"{key} is no setting"
    if name == "engine":
        assert known.monitoring.host == "0.0.0.0" and OURS[name]["expose"] == [str(known.monitoring.metrics_port)]
    if name == "api":
        assert known.api.redis_url == "redis://redis:6379/0" and known.api.tokens == ()


@pytest.mark.parametrize("name", OURS)
def test_ours_run_without_rights_on_a_read_only_root(name):
    service = OURS[name]
    assert service["read_only"] and service["tmpfs"] == ["/tmp"] and service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_kafka_never_creates_topics_by_itself():
    assert SERVICES["kafka"]["environment"]["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"


def test_prometheus_scrapes_the_port_of_the_engine():
    config = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())
    (job,) = config["scrape_configs"]
    assert job["dns_sd_configs"] == [{"names": ["engine"], "type": "A", "port": 9464}]
    assert load(None, {}).monitoring.metrics_port == 9464


def test_the_image_passes_the_linter():
    done = subprocess.run(
        [Path(sys.executable).with_name("hadolint"), ROOT / "deploy" / "Dockerfile"], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_the_linter_finds_a_mistake(tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM python:latest\nRUN cd /x && pip install y\n")
    done = subprocess.run(
        [Path(sys.executable).with_name("hadolint"), tmp_path / "Dockerfile"], capture_output=True, text=True
    )
    assert done.returncode == 1 and "DL3007" in done.stdout


def test_the_image_is_pinned_checked_by_hash_and_runs_as_nobody_in_particular():
    lines = (ROOT / "deploy" / "Dockerfile").read_text().splitlines()
    bases = [line.split()[1] for line in lines if line.startswith("FROM ")]
    assert len(bases) == 2 and len(set(bases)) == 1 and PINNED.match(bases[0].replace("-slim-bookworm", "-slim"))
    assert "USER 10001:10001" in lines and any("--require-hashes" in line for line in lines)
    assert any(line.startswith("HEALTHCHECK") for line in lines)


def test_what_is_copied_into_the_image_is_let_through_and_nothing_else():
    lines = (ROOT / "deploy" / "Dockerfile").read_text().splitlines()
    copied = {word for line in lines if line.startswith("COPY") and "--from" not in line for word in line.split()[1:-1]}
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignored[0] == "*" and copied == {line[1:] for line in ignored if line.startswith("!")}
    assert all((ROOT / name).exists() for name in copied)
