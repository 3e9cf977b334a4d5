"""The short form of the chaos run: each of the main faults once, on a real Kafka of its own."""

import subprocess
import sys


def test_every_promise_is_kept_through_one_of_each_main_fault():
    done = subprocess.run([sys.executable, "-m", "bench.chaos", "--quick"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-6_000:] + done.stderr[-3_000:]
