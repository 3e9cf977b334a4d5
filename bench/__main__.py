"""`python -m bench [core|parts|codec|backlog|steady]`: one table of figures, goals, and whether they are met."""

import asyncio
import sys
from collections.abc import Iterable

from decision_stream.broker.choose import broker

from . import backlog, codec, core, open_loop, parts
from .figures import Figure, show


def _timed(rows: Iterable[tuple[str, float, str]]) -> list[Figure]:
    return [Figure(what=what, value=spent, unit="µs", remark=remark) for what, spent, remark in rows]


IN_PROCESS = {
    "core": core.measure,
    "parts": lambda: _timed(parts.measure()),
    "codec": lambda: _timed(codec.measure()),
}
ON_KAFKA = {"backlog": backlog.measure, "steady": open_loop.measure}
PARTS = (*IN_PROCESS, *ON_KAFKA)


def main(names: list[str]) -> None:
    """Measure the named parts, or all; the Kafka is the same for all of them."""
    unknown = sorted(set(names) - set(PARTS))
    if unknown:
        sys.exit(f"unknown part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    figures, notes = [], []
    wanted = [name for name in PARTS if not names or name in names]
    for name in wanted:
        if name in IN_PROCESS:
            figures += IN_PROCESS[name]()
    if set(wanted) & set(ON_KAFKA):
        with broker(progress=lambda line: print(line, file=sys.stderr)) as kafka:
            for name in wanted:
                if name in ON_KAFKA:
                    figures += asyncio.run(ON_KAFKA[name](kafka.bootstrap_servers))
            notes.append(kafka.description)
    show(figures, notes)


if __name__ == "__main__":
    main(sys.argv[1:])
