"""The value ledger: what adopted changes saved, from their ramps, and until they are undone."""

import numpy as np
from msgspec.structs import replace

from decision_stream.engine import ledger
from decision_stream.engine.ledger import SAVINGS_KEPT, saved
from decision_stream.engine.turn import Turn
from decision_stream.model.command import Revert
from decision_stream.model.policy import Policy
from decision_stream.model.state import ColdState, HotState, Ramp, Saving, ScopeState
from decision_stream.stats.blocks import Blocks
from decision_stream.stats.moments import Moments
from tests.engine.route import Route
from tests.engine.test_step import CHEAP, ramped_to_the_end, told_of_a_cheaper_model
from tests.factories import command, insight


def cheaper() -> Route:
    route = Route()
    told_of_a_cheaper_model(route)
    ramped_to_the_end(route)
    return route


def test_an_adopted_change_saves_what_its_ramp_measured_on_every_request_served_since():
    route = cheaper()
    (saving,) = route.state.cold.savings
    assert abs(saving.per_request_usd - 0.018) < 1e-9 and saving.error_usd > 0.0
    assert saved(route.state)[0] == 0.0
    route.tell(insight(100, configuration=CHEAP, cost_usd=0.002, requests=1_000))
    usd, interval = saved(route.state)
    assert abs(usd - 18.0) < 1e-6 and interval.low < usd < interval.high
    assert abs((interval.high - interval.low) / 2 - 1.96 * 1_000 * saving.error_usd) < 0.01


def test_a_change_that_is_undone_stops_saving_and_keeps_what_it_saved():
    route = cheaper()
    route.tell(insight(100, configuration=CHEAP, cost_usd=0.002, requests=1_000))
    route.tell(command(101, Revert(decision_id=route.state.cold.savings[0].decision_id)))
    before = saved(route.state)
    route.tell(insight(102, requests=5_000))
    assert saved(route.state) == before and before[0] > 0.0
    assert route.state.cold.savings[0].to_requests is not None


def test_independent_changes_add_up_and_so_do_their_variances():
    savings = tuple(
        Saving(decision_id=name, per_request_usd=0.01, error_usd=0.001, from_requests=0.0) for name in ("a", "b")
    )
    state = ScopeState(scope="a/b/c", hot=HotState(served=100.0), cold=ColdState(savings=savings))
    usd, interval = saved(state)
    assert abs(usd - 2.0) < 1e-12 and abs(interval.high - usd - 1.959964 * 0.1 * 2**0.5) < 1e-6


def test_nothing_measured_is_nothing_booked_and_the_list_is_bounded():
    turn = Turn(ScopeState(scope="a/b/c"), "event", 1, Policy())
    ledger.booked(turn, "none", None)
    ledger.booked(turn, "unmeasured", Ramp())
    assert turn.cold.savings == ()
    costs = Blocks().apply(Moments(200, 0.02, 0.01), Moments(200, 0.01, 0.01)).closed()
    for number in range(SAVINGS_KEPT + 5):
        ledger.booked(turn, str(number), Ramp(blocks={"cost": costs}))
        if number == 3:
            (*rest, last) = turn.cold.savings
            turn.update(savings=(*rest, replace(last, to_requests=1.0)))
    kept = [one.decision_id for one in turn.cold.savings]
    assert len(kept) == SAVINGS_KEPT and "3" not in kept and kept[-1] == str(SAVINGS_KEPT + 4)


def test_the_interval_holds_the_truth_as_often_as_it_says():
    random = np.random.default_rng(90_001)
    runs, held = 600, 0
    for _ in range(runs):
        costs = Blocks()
        for share, level in ((0.05, 1.0), (0.2, 1.3), (0.5, 0.8), (0.8, 1.1)):
            arms = (
                level * 0.02 * random.lognormal(-0.08, 0.4, int(600 * (1.0 - share))),
                level * 0.02 * random.lognormal(-0.08, 0.4, int(600 * share)) - 0.004,
            )
            costs = costs.apply(*(Moments(len(arm), arm.mean(), arm.var() * len(arm)) for arm in arms)).closed()
        turn = Turn(ScopeState(scope="a/b/c"), "event", 1, Policy())
        ledger.booked(turn, "change", Ramp(blocks={"cost": costs}))
        _, interval = saved(ScopeState(scope="a/b/c", hot=HotState(served=10_000.0), cold=turn.cold))
        held += interval.low <= 40.0 <= interval.high
    assert 0.92 <= held / runs <= 0.975, f"{held} of {runs}"
