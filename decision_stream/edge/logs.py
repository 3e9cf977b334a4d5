"""Logs: JSON lines for machines, short lines for a terminal."""

import logging
import sys
from typing import TextIO

from pythonjsonlogger.json import JsonFormatter

from ..model.effect import Effects
from ..model.event import Event
from ..model.trace import trace_id
from ..stream.observer import SilentObserver

# Faust and aiokafka tell every step of a rebalance at INFO; what matters of it the worker says itself.
QUIET = ("faust", "mode", "aiokafka", "asyncio")
log = logging.getLogger("decision_stream.decisions")


def configure(level: str, form: str, stream: TextIO = sys.stderr) -> None:
    """Set up the root logger. `form` is json, text, or auto: text on a terminal."""
    handler = logging.StreamHandler(stream)
    as_text = form == "text" or (form == "auto" and stream.isatty())
    if as_text:
        handler.setFormatter(_Printable("%(asctime)s %(levelname)-7s %(message)s%(fields)s", "%H:%M:%S"))
    else:
        handler.setFormatter(
            JsonFormatter("{levelname}{name}{message}", style="{", timestamp=True, rename_fields={"levelname": "level"})
        )
    handler.addFilter(_is_no_chatter)
    handler.addFilter(_weighed)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING if level != "debug" else logging.DEBUG)
    # At DEBUG it writes down every request with its fields, of which one is the password.
    logging.getLogger("aiokafka.conn").setLevel(max(logging.INFO, root.level))


def _is_no_chatter(record: logging.LogRecord) -> bool:
    """Faust's services tell their starts and stops under our modules' names; the mark is how mode begins a message."""
    return record.levelno >= logging.WARNING or not str(record.msg).startswith("[^")


def _weighed(record: logging.LogRecord) -> bool:
    """A Kafka that has just begun has no coordinator yet, which is asked for again: odd, and no ERROR."""
    if record.name.endswith(".group_coordinator") and "CoordinatorNotAvailable" in record.getMessage():
        record.levelno, record.levelname = logging.WARNING, "WARNING"
    return True


class DecisionLog(SilentObserver):
    """Writes a line for every transition of a decision and every alert (seed §12.2)."""

    def applied(self, event: Event, effects: Effects, seconds: float, age_seconds: float) -> None:
        """Log what the event led to."""
        if not (effects.transitions or effects.alerts):
            return
        about = {subject.id: subject for subject in effects.about}
        for transition in effects.transitions:
            subject = about[transition.decision_id]
            log.info(
                "decision moved",
                extra={
                    "decision_id": transition.decision_id,
                    "scope": event.scope,
                    "state": transition.to_state.value,
                    "strategy": subject.strategy,
                    "decision_type": subject.kind,
                    "confidence": subject.confidence,
                    "trace_id": subject.trace or trace_id(event.traceparent),
                    "why": transition.reason,
                },
            )
        for alert in effects.alerts:
            log.warning("alert", extra={"scope": event.scope, "code": alert.code, "why": alert.detail})


_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "fields", "taskName"}


class _Printable(logging.Formatter):
    """Text with the extra fields behind it; control characters cannot forge a line."""

    def format(self, record: logging.LogRecord) -> str:
        extra = {name: value for name, value in vars(record).items() if name not in _STANDARD}
        record.fields = "".join(f" {name}={_plain(str(value))}" for name, value in extra.items())
        return super().format(record)


def _plain(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)
