"""Sequential acceptance: both error chances are kept, and it takes as many probes as it says."""

from random import Random

import pytest

from decision_stream.stats.acceptance import Acceptance, Plan

PLAN = Plan(good=0.02, bad=0.15, false_rejection=0.05, false_acceptance=0.05)


def judged(seed: int, rate: float, plan: Plan = PLAN) -> tuple[str, int]:
    draw, state = Random(seed), Acceptance()
    while (verdict := state.verdict(plan)) == "undecided":
        state = state.apply(failed=draw.random() < rate)
    return verdict, state.probes


def test_a_healthy_path_is_accepted_and_a_broken_one_is_not():
    healthy = [judged(seed, PLAN.good)[0] for seed in range(1_000)]
    broken = [judged(seed, PLAN.bad)[0] for seed in range(1_000)]
    assert healthy.count("reject") / 1_000 <= 0.06
    assert broken.count("accept") / 1_000 <= 0.06


@pytest.mark.parametrize("rate", [0.0, 0.02, 0.06, 0.15, 0.5, 1.0])
def test_the_outlook_is_what_simulation_shows(rate):
    runs = [judged(seed, rate) for seed in range(1_000)]
    outlook = PLAN.outlook(rate)
    assert sum(probes for _, probes in runs) / 1_000 == pytest.approx(outlook.probes, rel=0.1)
    assert [verdict for verdict, _ in runs].count("accept") / 1_000 == pytest.approx(outlook.accepted, abs=0.05)


def test_one_passing_probe_proves_nothing():
    state = Acceptance().apply(failed=False)
    assert state.verdict(PLAN) == "undecided" and PLAN.fewest_probes > 10


def test_an_undecided_path_is_rejected_in_the_end():
    plan = Plan(good=0.02, bad=0.15, most_probes=5)
    assert Acceptance(4, 0).verdict(plan) == "undecided" and Acceptance(5, 0).verdict(plan) == "reject"


@pytest.mark.parametrize("wrong", [{"good": 0.2, "bad": 0.1}, {"good": 0.1, "bad": 0.2, "false_rejection": 0.0}])
def test_a_plan_that_cannot_be_is_refused(wrong):
    with pytest.raises(ValueError, match=r"rise|inside"):
        Plan(**wrong)
