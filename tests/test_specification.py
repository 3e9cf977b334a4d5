"""The page of the specification: every item once, and nothing named that does not exist."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "specification.md"
LAST = 214
STATUSES = {"done", "repaired", "declined", "open"}
MEASURED = {"docs/benchmarks.md", "docs/quality.md", "docs/chaos.md"}


def rows() -> list[list[str]]:
    """Cells of every row: number, asked, status, how, where, test."""
    lines = PAGE.read_text().splitlines()
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if re.match(r"\| \d+ \|", line)]


def quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


@cache
def functions(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text())
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_every_item_is_there_once_and_in_order():
    assert [int(row[0]) for row in rows()] == list(range(1, LAST + 1))


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_a_row_is_whole_and_names_what_exists(row):
    number, asked, status, _, where, tests = row
    assert asked and status in STATUSES
    files, named = quoted(where), quoted(tests)
    for file in files:
        assert (ROOT / file).is_file(), f"{file} does not exist"
    for name in named:
        path, function = name.split("::")
        assert function in functions(path), f"{name} does not exist"
    if status in ("done", "repaired"):
        assert files and (named or MEASURED & set(files)), "neither a test nor a page of measurements"
    if status == "declined":
        pages = [ROOT / file for file in files if file.startswith("docs/decisions/")]
        assert any(re.search(rf"\b{number}\b", page.read_text()) for page in pages), "no page gives the reason"


def test_the_summary_counts_the_rows():
    states = [row[2] for row in rows()]
    summary = next(line for line in PAGE.read_text().splitlines() if "what became of each item" in line)
    told = {status: int(count) for count, status in re.findall(r"(\d+) (\w+)", summary) if status in STATUSES}
    assert told == {status: states.count(status) for status in STATUSES}
