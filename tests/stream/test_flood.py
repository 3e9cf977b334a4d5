"""Floods of bad messages pause a partition; single ones do not."""

from decision_stream.stream.flood import FloodGuard, FloodLimits

LIMITS = FloodLimits(in_a_row=5, share=0.5, window=20, pause_s=1.0)


def seen(pattern: str) -> FloodGuard:
    """`b` for a bad message and `g` for a good one, on one partition."""
    guard = FloodGuard(LIMITS)
    for letter in pattern:
        guard.saw("insights", 0, letter == "b")
    return guard


def test_bad_messages_in_a_row_are_a_flood_and_a_good_one_between_them_is_not():
    assert not seen("bbbb").is_flooded("insights", 0)
    assert seen("bbbbb").is_flooded("insights", 0)
    assert not seen("bbbbgbbbb").is_flooded("insights", 0)
    assert not seen("bbbbb").is_flooded("insights", 1) and not seen("bbbbb").is_flooded("outcomes", 0)


def test_more_than_a_share_of_a_whole_window_is_a_flood():
    assert not seen("bg" * 10).is_flooded("insights", 0), "a half is not more than a half"
    assert seen("bg" * 7 + "bbbgbg").is_flooded("insights", 0)
    assert not seen("bbg" * 6).is_flooded("insights", 0), "the window is not full yet"
    assert not seen("bbg" * 7 + "g" * 10).is_flooded("insights", 0), "old ones leave the window"


def test_a_partition_that_is_tried_again_has_one_chance():
    guard = seen("bbbbb")
    guard.paused.add(("insights", 0))
    guard.release_all()
    assert not guard.paused and not guard.is_flooded("insights", 0)
    guard.saw("insights", 0, True)
    assert guard.is_flooded("insights", 0)
    guard.release("insights", 0)
    guard.saw("insights", 0, False)
    guard.saw("insights", 0, True)
    assert not guard.is_flooded("insights", 0)


def test_good_messages_cost_no_memory():
    guard = FloodGuard(LIMITS)
    for number in range(1_000):
        guard.saw("insights", number, False)
    assert not guard._watched
