"""The command line: help, exit statuses, messages instead of tracebacks."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("DS_", "KAFKA_"))}
    return subprocess.run(
        [sys.executable, "-m", "decision_stream", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={**clean, "NO_COLOR": "1", "COLUMNS": "200", **environment},
    )


@pytest.mark.parametrize("command", [(), ("run",), ("demo",), ("topics",), ("schema",), ("config",), ("broker",)])
def test_help_says_what_a_command_does(command):
    done = run(*command, "--help")
    assert done.returncode == 0 and "Usage" in done.stdout and done.stderr == ""


def test_strategies_tells_which_are_complete():
    rows = json.loads(run("strategies", "--json").stdout)
    assert {row["name"]: row["complete"] for row in rows} == {
        "threshold_based": True,
        "ab_testing": True,
        "pareto": True,
        "reinforcement": True,
        "adaptive_parameters": True,
    }
    assert run("strategies").stdout.count("complete") == 5


def test_bad_settings_end_with_the_path_of_the_mistake(tmp_path):
    file = tmp_path / "bad.yaml"
    file.write_text("safety: {max_cost_incraese: 1}")
    done = run("config", "check", str(file))
    assert done.returncode == 2 and "did you mean max_cost_increase?" in done.stderr
    assert "Traceback" not in done.stderr


def test_settings_are_shown_with_what_is_in_force(tmp_path):
    done = run("config", "show", DS_SAFETY__MIN_CONFIDENCE="0.95")
    assert json.loads(done.stdout)["policy"]["safety"]["min_confidence"] == 0.95


def test_topics_without_a_kafka_says_how_to_name_one():
    done = run("topics", "check")
    assert done.returncode == 2 and "--bootstrap-servers" in done.stderr and "Traceback" not in done.stderr


def test_a_kafka_that_does_not_answer_is_an_error_with_its_address():
    done = run("topics", "check", "-b", "127.0.0.1:9")
    assert done.returncode == 2 and "127.0.0.1:9" in done.stderr and "Traceback" not in done.stderr


def test_docker_without_an_engine_says_what_to_do_instead(tmp_path):
    done = run("broker", "--help")
    assert done.returncode == 0
    told = run("demo", "--broker", "nowhere")
    assert told.returncode == 2 and "nowhere" in told.stderr and "Traceback" not in told.stderr


def test_the_schemas_are_current_and_the_version_is_told():
    assert run("schema", "check").returncode == 0
    assert run("version").stdout.strip().count(".") == 2


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_commands(shell):
    script = Path(sys.executable).with_name("decision-stream")
    shown = subprocess.run(
        [script, "--show-completion", shell], capture_output=True, text=True, env={**os.environ, "SHELL": shell}
    )
    assert shown.returncode == 0 and "_DECISION_STREAM_COMPLETE" in shown.stdout
    line = {"COMP_WORDS": "decision-stream app", "COMP_CWORD": "1", "_TYPER_COMPLETE_ARGS": "decision-stream app"}
    done = subprocess.run(
        [script],
        capture_output=True,
        text=True,
        env={
            **os.environ,
            **line,
            "_TYPER_COMPLETE_FISH_ACTION": "get-args",
            "_DECISION_STREAM_COMPLETE": f"complete_{shell}",
        },
    )
    assert "approve" in done.stdout and "approvals" in done.stdout and "topics" not in done.stdout


def test_files_are_checked_and_answered_in_json(tmp_path):
    assert json.loads(run("schema", "check", "--json").stdout) == []
    assert json.loads(run("version", "--json").stdout) == {"version": run("version").stdout.strip()}
    told = run("schema", "export", "--directory", str(tmp_path / "new"), "--json")
    written = json.loads(told.stdout)
    assert len(written) > 10 and all(Path(name).is_file() for name in written)
    assert json.loads(run("schema", "check", "--directory", str(tmp_path / "new"), "--json").stdout) == []
    file = tmp_path / "settings.yaml"
    file.write_text("safety: {min_confidence: 0.95}")
    good = json.loads(run("config", "check", str(file), "--json").stdout)
    assert good["file"] == str(file) and len(good["policy"]) == 16
