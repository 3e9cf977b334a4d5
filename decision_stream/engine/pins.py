"""A human's word on a scope: a pin stops what the engine has under way, not only what it would begin.

A ramp is held at its weight or taken back, as the policy says. A held ramp stays guarded, is resumed by a human after
the pin has ended, and is undone when nobody does so in time. An experiment serves its control again.
"""

from ..model.lifecycle import DecisionState
from ..model.policy import OnPin
from ..model.state import LiveDecision
from . import experiments
from .deadlines import undo
from .turn import Turn


def stop_all(turn: Turn) -> None:
    """The scope was pinned: stop every change that already serves traffic."""
    for live in turn.cold.live:
        current = turn.live(live.decision.id)
        if current is live and live.state is DecisionState.MONITORING:
            stop(turn, live)


def stop(turn: Turn, live: LiveDecision) -> None:
    """Stop one change that serves traffic on a pinned scope; nothing for safety, which a pin does not touch."""
    reason = f"the scope is pinned by {turn.cold.pinned_by}"
    if live.decision.kind == "start_experiment":
        experiments.stop(turn, live, reason, tried=False)
    elif live.decision.is_safety or not live.decision.changes.facets:
        return
    elif live.ramp is None or turn.policy.safety.on_pin is OnPin.ROLL_BACK:
        undo(turn, live, reason, "operator")
    else:
        deadline_ms = turn.at_ms + turn.policy.engine.pause_timeout_ms
        turn.move(live, DecisionState.PAUSED, reason, deadline_ms)
        turn.alert("ramp_held", f"{live.decision.id}: {reason}; resume it by {deadline_ms} or it is undone", "info")
