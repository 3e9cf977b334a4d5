"""Alert rules fire and stay silent as they should, and no expression asks for a metric or label that does not exist."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from shutil import which

import pytest
import yaml

from decision_stream.edge.metric_table import TABLE
from decision_stream.edge.metrics import Metrics

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
RULES = DEPLOY / "prometheus" / "rules.yml"
CASES = Path(__file__).with_name("rules_test.yml")
DASHBOARDS = sorted((DEPLOY / "grafana" / "dashboards").glob("*.json"))
METRIC = re.compile(r"\b((?:decision_engine|process)_[a-z_]+|decision_engine:[a-z0-9_:]+)\b(?:\{([^}]*)\})?")
MATCHER = re.compile(r'\s*(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')


@pytest.fixture(scope="module")
def promtool() -> str:
    found = which("promtool")
    assert found, "promtool is needed to check rules and expressions: apt-get install prometheus"
    return found


def run(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rules() -> list[dict]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def alerts() -> list[dict]:
    return [rule for rule in rules() if "alert" in rule]


def panels(dashboard: dict) -> list[dict]:
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def expressions() -> Iterator[tuple[str, str]]:
    """Where each expression stands, and the expression with Grafana's variables replaced."""
    for rule in rules():
        yield rule.get("alert") or rule["record"], rule["expr"]
    for path in DASHBOARDS:
        for panel in panels(json.loads(path.read_text())):
            for target in panel["targets"]:
                plain = re.sub(r"\$__rate_interval", "5m", target["expr"])
                yield f"{path.stem}: {panel['title']}", re.sub(r"\$\w+", ".*", plain)


def known() -> dict[str, dict[str, tuple[str, ...] | None]]:
    """Every exported name with its labels and their values; None where any value may come."""
    found: dict[str, dict[str, tuple[str, ...] | None]] = {}
    for row in TABLE:
        labels = {name: tuple(map(str, values)) or None for name, values in row.labels.items()}
        if row.buckets:
            found |= {f"{row.name}_{part}": labels for part in ("sum", "count")}
            labels = {**labels, "le": None}
            found[f"{row.name}_bucket"] = labels
        else:
            found[row.name] = labels
    for family in Metrics().registry.collect():
        if family.name.startswith("process_"):
            found |= {sample.name: {} for sample in family.samples}
    return found | {rule["record"]: {"strategy": None} for rule in rules() if "record" in rule}


def test_the_files_of_prometheus_are_valid(promtool):
    run(promtool, "check", "rules", str(RULES))
    run(promtool, "check", "config", str(DEPLOY / "prometheus" / "prometheus.yml"))


def test_every_alert_fires_on_its_fault_and_stays_silent_beside_it(promtool):
    assert "SUCCESS" in run(promtool, "test", "rules", str(CASES))


def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not():
    cases = [case for group in yaml.safe_load(CASES.read_text())["tests"] for case in group.get("alert_rule_test", ())]
    fires = {case["alertname"] for case in cases if case["exp_alerts"]}
    silent = {case["alertname"] for case in cases if not case["exp_alerts"]}
    assert fires == silent == {rule["alert"] for rule in alerts()}


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_an_alert_says_how_bad_and_the_handbook_says_what_to_do(rule):
    assert rule["labels"]["severity"] in ("info", "warning", "critical") and rule["annotations"]["summary"]
    assert f"### {rule['alert']}" in (ROOT / "docs" / "operations.md").read_text()


@pytest.mark.parametrize(("place", "expression"), list(expressions()))
def test_an_expression_asks_for_what_there_is(place, expression):
    asked = METRIC.findall(expression)
    assert asked, f"{place} asks for no metric of ours"
    exported = known()
    for name, matchers in asked:
        assert name in exported, f"{place} asks for {name}"
        for label, operator, wanted in MATCHER.findall(matchers):
            if label == "instance":
                continue
            assert label in exported[name], f"{place}: {name} has no label {label}"
            values = exported[name][label]
            if values is not None and wanted != ".*":
                parts = wanted.split("|") if operator in ("=~", "!~") else [wanted]
                assert set(parts) <= set(values), f"{place}: {label} is never {wanted}"
        grouped = {label for words in re.findall(r"by \(([^)]*)\)", expression) for label in words.split(", ")}
        assert grouped <= {label for it, _ in asked for label in exported[it]} | {"instance"}, place


def test_prometheus_parses_every_expression(promtool, tmp_path):
    checked = tmp_path / "expressions.yml"
    found = [{"record": f"e{number}", "expr": expression} for number, (_, expression) in enumerate(expressions())]
    checked.write_text(yaml.safe_dump({"groups": [{"name": "expressions", "rules": found}]}))
    assert f"{len(found)} rules found" in run(promtool, "check", "rules", str(checked))


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_is_whole(path):
    dashboard = json.loads(path.read_text())
    assert dashboard["uid"] == f"ds-{path.stem}" and dashboard["title"] and dashboard["description"]
    variables = {variable["name"]: variable for variable in dashboard["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource" and variables["datasource"]["query"] == "prometheus"
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids)) and len({panel["title"] for panel in panels(dashboard)}) == len(panels(dashboard))
    for panel in panels(dashboard):
        assert panel["datasource"]["uid"] == "${datasource}" and panel["fieldConfig"]["defaults"]["unit"]
        assert {target["datasource"]["uid"] for target in panel["targets"]} == {"${datasource}"}
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
    used = set(re.findall(r"\$(\w+)", json.dumps(panels(dashboard)))) - {"__rate_interval"}
    assert used - {"datasource"} <= set(variables)


def test_there_are_both_dashboards_and_grafana_is_told_where_they_lie():
    assert [path.stem for path in DASHBOARDS] == ["experiments", "overview"]
    (provider,) = yaml.safe_load((DEPLOY / "grafana/provisioning/dashboards/decision-stream.yml").read_text())[
        "providers"
    ]
    grafana = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["grafana"]
    mounted = {volume.split(":")[1]: volume.split(":")[0] for volume in grafana["volumes"] if volume.startswith("./")}
    assert mounted[provider["options"]["path"]] == "./deploy/grafana/dashboards"
    assert mounted["/etc/grafana/provisioning"] == "./deploy/grafana/provisioning"
    (source,) = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/prometheus.yml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"
