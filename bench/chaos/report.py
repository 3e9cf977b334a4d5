"""The result of a chaos run as one table, for a terminal and for the documentation."""

import os
import signal
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from decision_stream.stream.hardening.lifeline import EXIT_FAILED

from .nemesis import Injection
from .oracle import Judgement
from .stage import Ending

COLUMNS = (
    "fault",
    "times injected",
    "processes killed",
    "lost",
    "doubled on the wire",
    "doubled after de-duplication",
    "divergent scopes",
    "recovery s, median",
    "recovery s, max",
)
NEVER = "before any fault"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A finished run."""

    seed: int
    seconds: float
    rate: float
    chosen: tuple[str, ...]
    injections: list[Injection]
    endings: list[Ending]
    judgement: Judgement
    peak_rss_kb: int
    sent: Counter[str]
    broker: str

    @property
    def missing(self) -> list[str]:
        """Chosen kinds of faults that never happened: the run says nothing about them and is void."""
        happened = {injection.kind for injection in self.injections}
        return [kind for kind in self.chosen if kind not in happened]

    @property
    def odd_endings(self) -> list[Ending]:
        """Workers that ended neither as told, nor killed, nor to protect what is not theirs, nor without a Kafka."""
        fine = {0, -signal.SIGKILL, EXIT_FAILED, os.EX_UNAVAILABLE}
        # A worker that is told to stop while its modules are still loading has no handler yet.
        told = {-signal.SIGTERM}
        return [one for one in self.endings if one.status not in fine and not (one.wanted and one.status in told)]

    @property
    def is_good(self) -> bool:
        """Every promise was kept."""
        return self.judgement.is_good and not self.odd_endings


def rows(run: Run) -> list[tuple[str, ...]]:
    """One row a kind of fault, and their sum. What was lost or doubled counts for the newest fault begun before it."""
    found = run.judgement
    lost, wire, doubled = (
        _by_fault(run.injections, at) for at in (found.lost_s, found.doubled_on_wire_s, found.doubled_s)
    )
    by_kind: dict[str, list[Injection]] = defaultdict(list)
    for injection in run.injections:
        by_kind[injection.kind].append(injection)
    made = []
    for kind in (NEVER, *run.chosen):
        injections = by_kind.get(kind, [])
        if kind == NEVER and not (lost[kind] or wire[kind] or doubled[kind]):
            continue
        made.append(_row(kind, injections, lost[kind], wire[kind], doubled[kind], ""))
    total = (len(found.lost_s), len(found.doubled_on_wire_s), len(found.doubled_s))
    made.append(_row("all", run.injections, *total, str(len(found.divergent))))
    return made


def facts(run: Run) -> list[str]:
    """Everything else worth knowing, a line each."""
    found = run.judgement
    statuses = Counter((ending.status, ending.wanted) for ending in run.endings)
    ends = ", ".join(
        f"{count} × status {status} ({'by the nemesis' if wanted else 'of itself'})"
        for (status, wanted), count in sorted(statuses.items())
    )
    habits = ", ".join(f"{run.sent[name]} {name}" for name in sorted(run.sent) if name.endswith(" outcomes"))
    return [
        f"{sum(found.events.values()):,} events ("
        + ", ".join(f"{count:,} {name}" for name, count in sorted(found.events.items()))
        + f") on {found.scopes} scopes in {run.seconds:,.0f} s, {run.rate:g} insights/s, seed {run.seed}; {run.broker}",
        f"verdicts: {', '.join(f'{count:,} {name}' for name, count in found.verdicts.most_common())}; "
        f"{found.dead_letters} dead letters",
        f"{found.directives} directives, {found.acted} acted on; the actuator also sent {habits}",
        f"changelog records of replaced owners: {found.late_writes}; of them effective: {len(found.divergent)}",
        f"workers ended: {ends}; largest worker {run.peak_rss_kb / 1024:.0f} MB",
    ]


def markdown(run: Run) -> str:
    """The table and the facts as a page."""
    lines = [f"| {' | '.join(COLUMNS)} |", "|" + "---|" * len(COLUMNS)]
    lines += [f"| {' | '.join(row)} |" for row in rows(run)]
    lines += ["", *(f"- {fact}" for fact in facts(run)), *(f"- **broken**: {told}" for told in run.judgement.findings)]
    return "\n".join(lines) + "\n"


def _row(
    kind: str, injections: Sequence[Injection], lost: int, wire: int, doubled: int, divergent: str
) -> tuple[str, ...]:
    took = [injection.recovered_s for injection in injections if injection.recovered_s is not None]
    return (
        kind,
        str(len(injections)),
        str(sum(injection.kills for injection in injections)),
        str(lost),
        str(wire),
        str(doubled),
        divergent,
        f"{median(took):.1f}" if took else "–",
        f"{max(took):.1f}" if took else "–",
    )


def _by_fault(injections: Sequence[Injection], at: list[float]) -> Counter[str]:
    begun = [injection.at_s for injection in injections]
    places = [bisect_right(begun, moment) - 1 for moment in at]
    return Counter(injections[place].kind if place >= 0 else NEVER for place in places)
