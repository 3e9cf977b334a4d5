"""What becomes of a strategy that fails: its fault is recorded, and one that fails repeatedly is paused and probed.

The safety strategy is asked whatever happens to it. A step reads no clock, so that there is no time limit: what a
strategy may do is bounded by the bounded state it is given, and a worker without progress is ended by its watchdog.
"""

from msgspec.structs import replace

from ..model.state import StrategyHealth
from .turn import Turn

SAFETY_STRATEGY = "threshold_based"
MAX_OPENS = 10
_HEALTHY = StrategyHealth()


def is_paused(turn: Turn, name: str) -> bool:
    """Whether a strategy is left out for now; the first insight after its pause is the probe."""
    health = turn.cold.strategies.get(name)
    return health is not None and turn.at_ms < health.paused_until_ms


def failed(turn: Turn, name: str, fault: Exception) -> None:
    """Count a fault; too many within the window, or one of a probe, pause the strategy, each time for longer."""
    rules, health = turn.policy.breaker, turn.cold.strategies.get(name, _HEALTHY)
    detail = _without_addresses(f"{type(fault).__name__}: {fault}")[:500]
    turn.refuse(name, "strategy_fault", detail)
    recent = tuple(at_ms for at_ms in health.recent_ms if turn.at_ms - at_ms < rules.strategy_window_ms)
    faults, latest = health.faults + 1, (*recent, turn.at_ms)[-rules.strategy_faults :]
    health = replace(health, faults=faults, recent_ms=latest)
    if name == SAFETY_STRATEGY:
        if not recent:
            turn.alert("safety_strategy_fault", f"{name}: {detail}", "critical")
    elif health.opens or len(latest) >= rules.strategy_faults:
        until_ms = turn.at_ms + min(rules.strategy_pause_ms * 2**health.opens, rules.max_open_ms)
        health = replace(health, recent_ms=(), opens=min(health.opens + 1, MAX_OPENS), paused_until_ms=until_ms)
        turn.alert("strategy_paused", f"{name} failed {faults} times and pauses until {until_ms}; last: {detail}")
    _put(turn, name, health)


def succeeded(turn: Turn, name: str) -> None:
    """A strategy went through a whole insight: a probe that did so ends its suspicion."""
    health = turn.cold.strategies.get(name)
    if health is not None and health.opens:
        _put(turn, name, StrategyHealth(faults=health.faults))
        turn.learned(f"strategy_recovered:{name}", float(health.opens), 0.0)


def _without_addresses(text: str) -> str:
    """The text with addresses in memory cut off: they would differ at replay.

    >>> _without_addresses("<object at 0x7f12ab> and <x at 0xff>")
    '<object at 0x> and <x at 0x>'
    """
    first, *rest = text.split("0x")
    return "0x".join([first, *(part.lstrip("0123456789abcdef") for part in rest)])


def _put(turn: Turn, name: str, health: StrategyHealth) -> None:
    turn.update(strategies=dict(sorted({**turn.cold.strategies, name: health}.items())))
