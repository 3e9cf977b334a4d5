"""No progress with records waiting is noticed; idleness and slow work are not."""

from decision_stream.stream.watchdog import Waiting


def test_records_that_wait_too_long_without_progress_are_a_reason_to_end():
    waiting = Waiting(10.0)
    assert waiting.look(0.0, 1.0, ["ds.insights-3"]) is None
    assert waiting.look(9.9, 1.0, ["ds.insights-3"]) is None
    assert waiting.look(10.0, 1.0, ["ds.insights-3"]) == "no progress for 10 s while records wait on ds.insights-3"


def test_progress_and_idleness_begin_the_count_again():
    waiting = Waiting(10.0)
    for second in range(0, 100, 9):
        assert waiting.look(float(second), float(second), ["ds.insights-3"]) is None, "slow, but not stuck"
    assert waiting.look(200.0, 99.0, []) is None
    assert waiting.look(205.0, 99.0, ["ds.insights-3"]) is None
    assert waiting.look(209.9, 99.0, ["ds.insights-3"]) is None
