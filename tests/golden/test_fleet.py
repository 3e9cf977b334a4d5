"""The golden run under two hash seeds, in processes of their own."""

import json
import os
import subprocess
import sys

import pytest

from tests.golden.fleet import FILE


@pytest.mark.parametrize("hash_seed", ["1", "4242"])
def test_the_golden_run_is_decided_as_it_was(hash_seed):
    done = subprocess.run(
        [sys.executable, "-m", "tests.golden.fleet"],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
    )
    assert done.returncode == 0, done.stderr
    found, golden = json.loads(done.stdout), json.loads(FILE.read_text())
    assert found == golden, (
        "decisions have changed; accept with `python -m tests.golden.fleet > tests/golden/fleet.json`"
    )
    assert {"model_switch", "rollback", "circuit_break", "conclude_experiment"} <= {made["kind"] for made in golden}
