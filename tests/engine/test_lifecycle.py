"""The table of moves, and the same table in the architecture page."""

from pathlib import Path

import pytest

from decision_stream.engine.lifecycle import MOVES, OVER, IllegalMove, check_move
from decision_stream.model.lifecycle import DecisionState

PAGE = Path(__file__).parents[2] / "docs" / "ARCHITECTURE.md"
BEGIN, END = "<!-- lifecycle:begin -->\n", "<!-- lifecycle:end -->"


def table() -> str:
    """The moves as a table in Markdown, in the order of the states."""
    rows = ["| state | over | may become |", "|---|---|---|"]
    for state in DecisionState:
        targets = ", ".join(f"`{target}`" for target in DecisionState if target in MOVES[state]) or "–"
        rows.append(f"| `{state}` | {'yes' if state in OVER else ''} | {targets} |")
    return "\n".join(rows) + "\n"


def test_the_architecture_page_shows_this_table():
    text = PAGE.read_text()
    shown = text[text.index(BEGIN) + len(BEGIN) : text.index(END)]
    assert shown == table(), f"write this between the marks:\n{table()}"


def test_a_move_that_the_table_lacks_is_refused_with_what_is_allowed():
    with pytest.raises(
        IllegalMove, match=r"decision is paused and cannot become completed; .*: monitoring, rolling_back"
    ):
        check_move(DecisionState.PAUSED, DecisionState.COMPLETED)


def test_only_completed_and_failed_decisions_leave_a_state_that_is_over():
    assert {state for state in OVER if MOVES[state]} == {DecisionState.COMPLETED, DecisionState.FAILED}
