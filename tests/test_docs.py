"""The documentation says what the code does."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from decision_stream.broker.topics import topic_table
from tests.reference_pages import DOCS, PAGES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PAGES_WITH_LINKS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("name", PAGES)
def test_a_reference_page_is_current(name):
    assert (DOCS / name).read_text() == PAGES[name](), "run `python -m tests.reference_pages`"


@pytest.mark.parametrize("page", PAGES_WITH_LINKS, ids=lambda page: page.name)
def test_a_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        assert "://" in target or (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_command_of_the_readme_exists():
    commands = set(re.findall(r"`?decision-stream ([a-z]+)", README))
    told = subprocess.run([sys.executable, "-m", "decision_stream", "--help"], capture_output=True, text=True).stdout
    assert commands and all(re.search(rf"\b{command}\b", told) for command in commands)


def test_every_make_target_of_the_readme_exists():
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"make ([a-z]+)", README))
    assert {"demo", "test"} <= targets and all(f"\n{target}:" in makefile for target in targets)


def test_continuous_integration_calls_the_test_command_of_the_readme():
    assert (
        "make test" in (ROOT / ".ci" / "run").read_text() and "DS_REQUIRE_ALL=1" in (ROOT / ".ci" / "run").read_text()
    )


def test_the_topics_of_the_architecture_page_are_those_of_the_table():
    page = (ROOT / "docs" / "ARCHITECTURE.md").read_text()
    for spec in topic_table(prefix=""):
        assert spec.name.removeprefix("decision-stream-") in page


def test_no_lock_names_an_index():
    locks = [*ROOT.glob("requirements*.lock"), *(ROOT / "bench").glob("*.lock")]
    assert len(locks) == 4
    for lock in locks:
        assert "://" not in lock.read_text(), lock


def test_the_tests_that_close_holes_of_stock_faust_exist():
    page = (ROOT / "docs" / "decisions" / "0001-effectively-once-on-at-least-once.md").read_text()
    named = set(re.findall(r"`(?:[\w/.]+::)?(test_\w+)`", page))
    sources = "".join(
        path.read_text() for folder in ("stream", "kafka") for path in (ROOT / "tests" / folder).glob("*.py")
    )
    assert len(named) > 15 and {name for name in named if f"def {name}(" not in sources} == set()
