"""The scorecard: intervals, bars that can be missed, and pages that hold what they must."""

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from decision_stream.sim.scoreboard.card import MEASURES, PLAYERS, Scorecard, estimated, speeds
from decision_stream.sim.scoreboard.judging import Trapped, Verdict
from decision_stream.sim.scoreboard.scenarios import ScenarioName
from decision_stream.sim.scoreboard.season import BASELINES, ENGINE, ORACLE, STRONGEST, Season
from decision_stream.sim.scoreboard.timeline import Account

SMALL = ("simulate", "--seeds", "2", "--days", "1", "--scopes", "1")


def verdict(worth: float = 0.6, cost_usd: float = 100.0, value: float = 0.9, **counts: int) -> Verdict:
    account = Account(requests=1.0, worth=worth, utility=worth, cost_usd=cost_usd, value=value)
    return Verdict(scope_days=10.0, account=account, counts=Counter(counts))


def season(name: ScenarioName, seed: int, engine: Verdict, **others: Verdict) -> Season:
    verdicts = {player: verdict() for player in PLAYERS} | {ENGINE: engine, ORACLE: verdict(worth=0.8)}
    return Season(scenario=name, seed=seed, verdicts=verdicts | others, allowing=verdicts | others)


def bars(*seasons: Season) -> dict[str, bool | None]:
    return {bar.name: bar.met for bar in Scorecard(list(seasons)).bars()}


def test_an_interval_is_students():
    found = estimated([0.1, 0.2, 0.3, 0.4])
    assert found is not None and found.mean == 0.25
    assert found.high - found.mean == pytest.approx(3.18245 * 0.1290994 / 2.0, abs=1e-5)
    assert estimated([]) is None and estimated([float("nan"), 1.0]) == estimated([1.0])


@pytest.mark.parametrize(("false", "met"), [(5, True), (6, False)])
def test_false_winners_are_held_to_five_percent(false, met):
    engine = verdict(experiments=100, winners=false, false_winners=false)
    assert bars(season(ScenarioName.PLACEBO, 1, engine))["false winners of A/A experiments"] is met


@pytest.mark.parametrize(("changes", "met"), [(0, True), (1, False)])
def test_a_placebo_allows_no_change_not_even_an_experiments_winner(changes, met):
    found = bars(season(ScenarioName.PLACEBO, 1, verdict(changes=changes)))
    assert found["changes where every model is the same, winners of experiments included"] is met


@pytest.mark.parametrize(("exposed", "met"), [(0.009, True), (0.011, False)])
def test_exposure_to_a_trap_is_held_to_a_hundredth_of_a_day(exposed, met):
    engine = replace(verdict(), trapped=[Trapped(exposed=exposed, minutes=60, left=True)] * 3)
    (found,) = (it for name, it in bars(season(ScenarioName.TRAP, 1, engine)).items() if "10 points" in name)
    assert found is met


@pytest.mark.parametrize(("cost_usd", "value", "met"), [(60.0, 0.895, True), (75.0, 0.895, False), (60.0, 0.87, False)])
def test_money_counts_only_at_equal_quality(cost_usd, value, met):
    seasons = [season(ScenarioName.CALM, seed, verdict(cost_usd=cost_usd, value=value)) for seed in (1, 2)]
    assert bars(*seasons)["money saved where the world allows it"] is met


def test_a_lead_must_be_proven_against_every_baseline():
    ahead = [season(ScenarioName.STANDARD, seed, verdict(worth=0.7 + seed / 1_000)) for seed in (1, 2, 3)]
    assert all(bars(*ahead)[f"worth of a request above: {player}"] for player in BASELINES)
    mixed = [season(ScenarioName.STANDARD, seed, verdict(worth=worth)) for seed, worth in ((1, 0.7), (2, 0.55))]
    assert not any(bars(*mixed)[f"worth of a request above: {player}"] for player in BASELINES)


def test_what_was_not_played_is_neither_met_nor_missed():
    found = bars(season(ScenarioName.CALM, 1, verdict()))
    assert found["false winners of A/A experiments"] is None and speeds(verdict()) == []


def test_those_who_decide_nothing_are_not_judged_for_decisions():
    card = Scorecard([season(ScenarioName.CALM, 1, verdict(decisions=20))])
    decisions = next(measure for measure in MEASURES if measure.name == "decisions")
    assert card.estimate(ScenarioName.CALM, STRONGEST, decisions) is None
    found = card.estimate(ScenarioName.CALM, ENGINE, decisions)
    assert found is not None and found.mean == 2.0


class Balanced(HTMLParser):
    """Fails on a tag that is not closed, and keeps what is shown and what is referred to."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: Counter[str] = Counter()
        self.references: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.seen[tag] += 1
        self.references += [value for name, value in attrs if name in ("src", "href", "xlink:href") and value]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen[tag] += 1

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def simulated(directory, name: str, hash_seed: str, jobs: int) -> tuple[bytes, bytes, str]:
    """Report, page and JSON of a small run."""
    report, page = directory / f"{name}.html", directory / f"{name}.md"
    command = [sys.executable, "-m", "decision_stream", *SMALL, "--jobs", str(jobs), "--json"]
    done = subprocess.run(
        [*command, "--report", str(report), "--page", str(page)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return report.read_bytes(), page.read_bytes(), done.stdout


@pytest.fixture(scope="module")
def told(tmp_path_factory) -> list[tuple[bytes, bytes, str]]:
    directory = tmp_path_factory.mktemp("simulated")
    return [simulated(directory, "one", "1", 1), simulated(directory, "two", "4242", 2)]


def test_other_hash_seeds_and_more_processes_give_the_same_bytes(told):
    assert told[0] == told[1]


def test_the_report_stands_alone_and_shows_what_it_must(told):
    text = told[0][0].decode()
    parser = Balanced()
    parser.feed(text)
    assert parser.open == [] and parser.references == [], "nothing is loaded from elsewhere"
    assert "url(" not in text and "<script" not in text and "@import" not in text
    assert parser.seen["svg"] >= 3 * len(ScenarioName) and parser.seen["table"] >= 2 * len(ScenarioName)
    for words in ("What must be shown", "Money spent", "Who served", "Stated intervals", *PLAYERS):
        assert words in text


def test_the_page_and_the_document_tell_the_same(told):
    page, document = told[0][1].decode(), json.loads(told[0][2])
    assert set(document["scenarios"]) == set(ScenarioName) and document["seeds"] == [6001, 6002]
    for bar in document["bars"]:
        assert f"| {bar['name']} | {bar['wanted']} | {bar['found']} |" in page
    assert "6001 to 6002" in page and "decision-stream simulate --seeds 2 --days 1 --scopes 1`" in page


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--report", "/nowhere/at/all.html"], "no directory"),
        (["--scenario", "storm"], "storm"),
        (["--seeds", "0"], "0"),
    ],
)
def test_a_mistake_on_the_command_line_is_named(more, said):
    done = subprocess.run(
        [sys.executable, "-m", "decision_stream", "simulate", *more], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2 and said in done.stderr + done.stdout
