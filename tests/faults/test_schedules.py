"""Thousands of fault schedules: nothing lost or contradicted, state as if nothing had happened."""

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import fields
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from decision_stream.model.decision import Proposal
from decision_stream.stream.record import UnreadableState
from tests.faults.promises import POLICY, Broken, check, made, play
from tests.faults.virtual import FAULTS, SCOPE, EndedItself, Guards, Schedule

ROOT = Path(__file__).parents[2]
SCHEDULES = int(os.environ.get("DS_FAULT_SCHEDULES", "10000"))
PROCESSES = 2


def test_no_schedule_of_faults_breaks_a_promise():
    bounds = [SCHEDULES * number // PROCESSES for number in range(PROCESSES + 1)]
    playing = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.faults", str(first), str(end)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for first, end in pairwise(bounds)
    ]
    led_to: Counter[str] = Counter()
    for process in playing:
        told, broken = process.communicate()
        assert process.returncode == 0, broken
        led_to.update(json.loads(told))
    assert led_to["scope proposals"] > SCHEDULES / 10 and led_to["aggregate signals"] > SCHEDULES / 20, (
        "the schedules are about something"
    )


NOTICED = (Broken, EndedItself, UnreadableState)
"""How a missing guard shows; any other error is one of this checker's own."""


def first_noticed(guards: Guards) -> str:
    """What the first of a thousand schedules says that these guards do not hold."""
    for seed in range(1_000):
        try:
            check(*play(seed, guards))
        except NOTICED as fault:
            return str(fault)
    raise AssertionError(f"with {guards} a thousand schedules were fine: the checker is blind to what is missing")


@pytest.mark.parametrize("guard", [field.name for field in fields(Guards)])
def test_the_checker_notices_a_missing_guard(guard):
    assert first_noticed(Guards(**{guard: False}))


def test_what_the_order_of_recovery_throws_away_is_lost_when_nobody_looks_for_gaps():
    assert "every event has exactly one verdict" in first_noticed(Guards(recovery_order=False, contiguity=False))


def test_every_kind_of_fault_happens():
    happened = set()
    for seed in range(50):
        schedule = Schedule(seed, made(seed), Guards(), POLICY)
        schedule.run()
        happened |= schedule.happened
    assert happened >= {name for name, share in FAULTS.items() if share}


def test_a_schedule_runs_again_exactly():
    one, other = (play(77, Guards())[0] for _ in range(2))
    assert one.outputs == other.outputs and one.changelog == other.changelog


def test_proposals_are_messages():
    log, _ = play(3, Guards())
    for output in log.outputs:
        if output.topic == "proposals":
            assert msgspec.json.decode(output.value, type=Proposal).scope == SCOPE
