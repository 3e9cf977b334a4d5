"""Renders the reference pages from the code: `python -m tests.reference_pages` writes them, a test compares."""

import ast
import inspect
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import fields

from decision_stream.edge.metric_table import TABLE
from decision_stream.settings import SECTIONS, STRATEGIES, is_duration, key_of, shown_duration

DOCS = Path(__file__).parents[1] / "docs"


def configuration() -> str:
    """docs/configuration.md."""
    lines = [
        "# Configuration",
        "",
        "Made from the code. One YAML file; every key may be left out. Durations are written `30s`, `5m`, `1h30m`,",
        "`7d`; latencies are numbers of milliseconds, money is in US dollars, shares lie between 0 and 1. A key of a",
        "section is overridden by the environment variable `DS_<SECTION>__<KEY>`, a key of a strategy by",
        "`DS_STRATEGIES__<NAME>__CONFIG__<KEY>`.",
        "",
        "`catalog` is a list of prior model estimates (`model`, `quality`, `quality_stddev`, `cost_usd`,",
        "`cost_stddev_usd`, `latency_p50_ms`, `latency_p95_ms`, `samples`; `provider` where the model does not stand",
        "for itself).",
    ]
    for name, kind in SECTIONS.items():
        lines += ["", f"## {name}", "", *_section(kind)]
    for name, kind in STRATEGIES.items():
        lines += [
            "",
            f"## strategies.{name}",
            "",
            "`enabled` and `priority` stand beside `config`; the other keys in it.",
            "",
        ]
        lines += _section(kind)
    return "\n".join(lines) + "\n"


def metrics() -> str:
    """docs/metrics.md."""
    lines = [
        "# Metrics",
        "",
        "Made from the code. On `/metrics` of the probes' port. All label values are there from the start.",
        "",
        "| metric | kind | labels | meaning |",
        "|---|---|---|---|",
    ]
    for row in TABLE:
        labels = ", ".join(f"`{label}`" for label in row.labels) or "–"
        lines.append(f"| `{row.name}` | {row.kind.__name__.lower()} | {labels} | {row.meaning} |")
    return "\n".join(lines) + "\n"


def _section(kind: type[Struct]) -> list[str]:
    lines = [_summary(kind), "", "| key | default | why |", "|---|---|---|"]
    lines += [f"| `{key}` | {default} | {why} |" for key, default, why in _rows(kind(), "")]
    return lines


def _rows(section: Struct, prefix: str) -> list[tuple[str, str, str]]:
    """Key, default and comment of each field; `section` holds the defaults."""
    comments = _comments(type(section))
    rows = []
    for info in fields(section):
        key, value = prefix + key_of(info.name), getattr(section, info.name)
        if isinstance(info.type, type) and issubclass(info.type, Struct):
            rows += _rows(value, f"{key}.")
        else:
            default = shown_duration(value) if is_duration(info) else msgspec.json.encode(value).decode()
            rows.append((key, f"`{default}`", comments.get(info.name, "")))
    return rows


def _summary(kind: type[Struct]) -> str:
    return inspect.cleandoc(kind.__doc__ or "").split("\n\n")[0].replace("\n", " ")


def _comments(kind: type[Struct]) -> dict[str, str]:
    """The comment above each field of a class."""
    source = inspect.getsource(kind).splitlines()
    (definition,) = ast.parse("\n".join(source)).body
    found = {}
    for node in definition.body:
        if isinstance(node, ast.AnnAssign):
            above = []
            line = node.lineno - 2
            while line >= 0 and source[line].strip().startswith("#"):
                above.insert(0, source[line].strip().lstrip("# "))
                line -= 1
            found[node.target.id] = " ".join(above)
    return found


PAGES = {"configuration.md": configuration, "metrics.md": metrics}

if __name__ == "__main__":
    for file, render in PAGES.items():
        (DOCS / file).write_text(render())
