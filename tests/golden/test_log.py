"""A log that an earlier version recorded replays under this one, in processes with different hash seeds."""

import json
import os
import subprocess
import sys

import pytest

from decision_stream.tools.recording import read_recording
from decision_stream.tools.verify import verify
from tests.golden.log import DIFFERENCES, unpacked


@pytest.mark.parametrize("hash_seed", ["1", "4242"])
def test_the_golden_log_replays_or_what_differs_is_listed(hash_seed):
    done = subprocess.run(
        [sys.executable, "-m", "tests.golden.log", "now"],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
    )
    assert done.returncode == 0, done.stderr
    told = "decisions have changed; review and accept with `python -m tests.golden.log differences`"
    assert json.loads(done.stdout) == json.loads(DIFFERENCES.read_text()), told


def test_the_golden_log_is_whole_and_holds_what_an_engine_does(tmp_path):
    recording = read_recording(unpacked(tmp_path))
    checked = verify([value for scope in sorted(recording.journal) for value in recording.journal[scope]])
    assert checked.faults == () and checked.scopes == 8 and checked.aggregates > 0
    kinds = {json.loads(value)["decision"]["decision"]["kind"] for value in recording.directives.values()}
    assert kinds == {"model_switch", "start_experiment", "conclude_experiment", "rollback", "circuit_break"}
    told = {json.loads(value)["content"]["kind"] for value in recording.signals.values()}
    assert {"provider_report", "catalog_reader", "contribution", "attempts", "priors"} <= told
