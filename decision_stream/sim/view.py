"""What a person sees of a run: a live screen, or plain lines."""

import time
from collections import Counter, deque

from rich.console import Console, Group
from rich.layout import Layout
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from ..model.actuation import Directive
from ..model.decision import Evidence
from ..model.journal import JournalRecord
from .actuator import MINUTE_MS
from .fleet import Fleet
from .incidents import IncidentKind
from .policy import START_MS
from .scorecard import Answer, MadeDecision, Scorecard

SHOWN_DECISIONS = 8
STYLES = {"model_switch": "cyan", "rollback": "bold red", "circuit_break": "bold yellow"}


class View:
    """Collects what happens; a subclass shows it."""

    def __init__(self, broker: str) -> None:
        self.broker = broker
        self.started = time.monotonic()
        self.decisions: deque[tuple[MadeDecision, Directive]] = deque(maxlen=SHOWN_DECISIONS)
        self.where: dict[str, tuple[str, str]] = {}

    def decided(self, made: MadeDecision, directive: Directive) -> None:
        """A decision was made."""
        self.decisions.append((made, directive))

    def journaled(self, entry: JournalRecord) -> None:
        """An event was applied."""
        for transition in entry.transitions:
            self.where[transition.decision_id] = (entry.scope, transition.to_state.value)

    def refresh(self, fleet: Fleet, minute: int) -> None:
        """A simulated minute is over."""

    def rate(self, fleet: Fleet) -> float:
        """Insights per second of real time."""
        return fleet.insights / max(1e-9, time.monotonic() - self.started)

    def __enter__(self) -> "View":
        return self

    def __exit__(self, *_: object) -> None:
        pass


class Lines(View):
    """Plain lines, for logs and pipes."""

    def __init__(self, broker: str) -> None:
        super().__init__(broker)
        print(broker, flush=True)

    def decided(self, made: MadeDecision, directive: Directive) -> None:
        """One line for a decision."""
        super().decided(made, directive)
        print(f"{clock(made.minute)} {made.scope}: {made.kind} -> {made.target} [{made.id}] {made.reason}", flush=True)
        for evidence in directive.decision.evidence:
            print(f"{'':6}because {told(evidence)}", flush=True)

    def refresh(self, fleet: Fleet, minute: int) -> None:
        """A line now and then."""
        for incident in fleet.world.incidents:
            if incident.start_minute == minute:
                print(f"{clock(minute)} incident: {incident.name} on {incident.scope}", flush=True)
        if minute % 60 == 0:
            print(
                f"{clock(minute)} {fleet.insights} insights, {self.rate(fleet):.0f}/s, "
                f"{len(fleet.card.decisions)} decisions, {fleet.card.saved_usd:,.0f} USD saved",
                flush=True,
            )


class Screen(View):
    """A live screen on a terminal."""

    def __init__(self, broker: str, console: Console) -> None:
        super().__init__(broker)
        self._live = Live(console=console, refresh_per_second=8, screen=True)

    def __enter__(self) -> "Screen":
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def refresh(self, fleet: Fleet, minute: int) -> None:
        """Draw the screen anew."""
        layout = Layout()
        layout.split_column(
            Layout(self._head(fleet, minute), size=4),
            Layout(self._decisions(), ratio=2),
            Layout(name="low", ratio=2),
        )
        layout["low"].split_row(Layout(self._incidents(fleet.card, minute)), Layout(self._scopes(fleet)))
        self._live.update(layout)

    def _head(self, fleet: Fleet, minute: int) -> Panel:
        line = Text.assemble(
            (f"{clock(minute)} simulated", "bold"),
            f"   {fleet.insights} insights, {self.rate(fleet):.0f}/s   {len(fleet.card.decisions)} decisions   ",
            (f"{fleet.card.saved_usd:,.0f} USD saved", "bold green"),
            f"   quality {fleet.card.quality_change * 100:+.2f} points",
        )
        return Panel(Group(line, Text(self.broker, style="dim")), title="decision_stream")

    def _decisions(self) -> Panel:
        table = Table("time", "scope", "decision", "why", "evidence", expand=True, box=None)
        for made, directive in reversed(self.decisions):
            evidence = directive.decision.evidence
            table.add_row(
                clock(made.minute),
                made.scope,
                Text(f"{made.kind} -> {made.target}", style=STYLES.get(made.kind, "")),
                made.reason,
                told(evidence[0]) if evidence else "",
            )
        return Panel(table, title="decisions")

    def _incidents(self, card: Scorecard, minute: int) -> Panel:
        table = Table("incident", "scope", "answer", expand=True, box=None)
        for answer in card.answers():
            if answer.incident.start_minute <= minute and answer.struck:
                table.add_row(answer.incident.name, answer.incident.scope, outcome_of(answer))
        return Panel(table, title="incidents (known only to the simulator)")

    def _scopes(self, fleet: Fleet) -> Panel:
        table = Table("scope", "serves", "decisions by state", expand=True, box=None)
        for scope in fleet.world.scopes:
            arms = fleet.actuator.served(scope).arms(START_MS + fleet.card.minutes * MINUTE_MS)
            serves = ", ".join(f"{configuration.model} {share:.0%}" for configuration, share in arms.values())
            states = Counter(state for where, state in self.where.values() if where == scope)
            table.add_row(scope, serves, ", ".join(f"{count} {state}" for state, count in sorted(states.items())))
        return Panel(table, title="scopes")


def summary(card: Scorecard) -> Table:
    """The run against the known truth."""
    table = Table("what", "result", title="summary against the known truth")
    for answer in card.answers():
        if answer.struck and answer.incident.start_minute <= card.minutes:
            table.add_row(f"{answer.incident.name} ({answer.incident.scope})", outcome_of(answer))
    kinds = Counter(made.kind for made in card.decisions)
    table.add_row("decisions", ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())) or "none")
    share = card.saved_usd / card.baseline_usd if card.baseline_usd else 0.0
    table.add_row(
        "expected cost against staying with the first model", f"{-share:+.1%} ({card.saved_usd:,.0f} USD saved)"
    )
    table.add_row("expected quality against the same", f"{card.quality_change * 100:+.2f} points")
    table.add_row("simulated time", clock(card.minutes))
    return table


def outcome_of(answer: Answer) -> str:
    """What came of an incident, in a few words."""
    if answer.incident.kind is IncidentKind.PLACEBO:
        return "left alone, rightly" if answer.is_right else f"WRONG: {answer.decision.kind if answer.decision else ''}"
    if answer.decision is None:
        return "not answered yet"
    mark = "" if answer.is_right else "UNEXPECTED: "
    return f"{mark}{answer.decision.kind} -> {answer.decision.target} after {answer.delay_minutes} min"


def told(evidence: Evidence) -> str:
    """Evidence in a few words."""
    parts = [evidence.method]
    if evidence.metric:
        parts.append(f"on {evidence.metric}")
    if evidence.statistic is not None and evidence.threshold is not None:
        parts.append(f"{evidence.statistic:.4g} against {evidence.threshold:.4g}")
    if evidence.interval is not None:
        parts.append(f"[{evidence.interval.low:.4f}, {evidence.interval.high:.4f}] at {evidence.interval.level:.0%}")
    parts.append(f"n={evidence.samples}")
    return " ".join(parts)


def clock(minute: int) -> str:
    """Simulated time since the start, as hours and minutes."""
    return f"{minute // 60:02d}:{minute % 60:02d}"
