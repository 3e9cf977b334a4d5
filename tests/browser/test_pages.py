"""The dashboard in a real Chromium, over the engine in process: every page, phone and desk, empty and full."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from decision_stream.edge.pulse import Standing
from decision_stream.edge.read_model import Filter, Unavailable
from decision_stream.model.command import Autonomy
from decision_stream.model.policy import Policy, SafetyPolicy
from tests.browser.chromium import SIZES
from tests.edge.engine import Engine
from tests.edge.fleet import PlayedFleet
from tests.edge.served import served

CHAT, RERANK = "acme/support/chat", "globex/search/rerank"
CAREFUL = Policy(safety=SafetyPolicy(autonomy=Autonomy.APPROVE))
PAGES = ("", "approvals", "decisions", "experiments", "frontier", "scopes")
TOOLS = "globex/agents/tools"


@pytest.fixture(scope="module")
def fleet() -> PlayedFleet:
    """An hour and a half of the demo: ramps done and under way, two experiments."""
    return PlayedFleet(90)


def shown(page, fragment: str, heading: str = "h2"):
    page.goto(page.url.split("#")[0] + f"#/{fragment}")
    page.wait_for_selector(f"main:not([aria-busy]) {heading}")


def quoted(scope: str) -> str:
    return scope.replace("/", "%2F")


def ids(engine: Engine, kind: str) -> list[str]:
    return [row["id"] for row in engine.model.decisions(Filter(kind=kind), 50)]


def sound(page, fragment: str) -> None:
    """The page shows, fits the screen, and axe finds nothing serious."""
    shown(page, fragment)
    text = page.locator("main").inner_text()
    assert not [word for word in ("NaN", "undefined", "[object", "null", "Invalid Date") if word in text], text
    found = Axe().run(page).response["violations"]
    serious = [f"{it['id']}: {it['nodes'][0]['html'][:160]}" for it in found if it["impact"] in ("serious", "critical")]
    assert serious == [], fragment
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0, f"{fragment or 'overview'} is wider than the screen by {overflow} pixels"


@pytest.mark.parametrize("size", sorted(SIZES))
def test_every_page_is_useful_when_empty(visit, size):
    with served(Engine()) as address, visit(address, size, dark=size == "phone") as (page, _):
        for fragment in PAGES:
            sound(page, fragment)
            assert "yet" in page.locator("main").inner_text() or "Nothing waits" in page.locator("main").inner_text()


@pytest.mark.parametrize("size", sorted(SIZES))
def test_every_page_is_shown_without_complaint_and_is_accessible(visit, fleet, size):
    experiment, switch = ids(fleet, "start_experiment")[0], ids(fleet, "model_switch")[-1]
    pages = [*PAGES, f"scope/{quoted(TOOLS)}", f"scope/{quoted(CHAT)}", f"frontier/{quoted(CHAT)}"]
    pages += [f"decision/{switch}", f"decision/{experiment}", f"experiment/{experiment}"]
    with served(fleet) as address, visit(address, size, dark=size == "phone") as (page, _):
        for fragment in pages:
            sound(page, fragment)


def test_a_running_experiment_shows_intervals_over_time_and_why_it_is_not_over(visit, fleet):
    with served(fleet) as address, visit(address) as (page, _):
        shown(page, "experiments")
        running = page.get_by_role("article", name=f"Experiment on {TOOLS}")
        assert "Not over yet" in running.inner_text() and "of the planned" in running.inner_text()
        running.get_by_role("heading").get_by_role("link").click()
        page.get_by_role("img", name="Gain of stepwise with its interval over time").wait_for()
        arms = page.get_by_role("region", name="Arms").inner_text()
        assert "control" in arms and "stepwise" in arms


def test_the_frontier_tells_which_models_no_other_beats(visit, fleet):
    with served(fleet) as address, visit(address) as (page, _):
        shown(page, f"frontier/{quoted(CHAT)}")
        told = page.get_by_role("region", name=f"Frontier of {CHAT}").inner_text()
        assert "in use" in told and "on the front" in told
        assert page.locator("main svg circle.point").count() == 5


def test_a_scope_shows_its_configuration_how_it_came_about_and_what_it_saved(visit, fleet):
    with served(fleet) as address, visit(address) as (page, _):
        shown(page, f"scope/{quoted(CHAT)}")
        live = page.get_by_role("region", name="Live measurements").inner_text()
        assert "–" not in live and " ms" in live and "$0.0" in live
        came = page.get_by_role("region", name="How it came about").inner_text()
        assert "model: atlas →" in came and "first seen" in came
        assert "between $" in page.get_by_role("region", name="Saved so far").inner_text()
        page.get_by_role("link", name="Older records").click()
        page.get_by_role("heading", name="Audit trail").wait_for()
        expect(page.get_by_role("link", name=CHAT)).to_have_count(1)
        expect(page.locator("main tbody tr")).to_have_count(100)
        page.go_back()
        shown(page, "")
        assert "saved, between" in page.locator("main").inner_text()


def test_all_decisions_and_scopes_are_reached_page_by_page(visit):
    engine = Engine(CAREFUL)
    for number in range(101):
        engine.switch(f"acme/support/route-{number:03}")
    with served(engine) as address, visit(address, "phone") as (page, _):
        shown(page, "")
        page.get_by_role("link", name="awaiting approval").click()
        page.get_by_role("heading", name="Decisions: awaiting approval").wait_for()
        for _ in range(2):
            before = page.url
            page.get_by_role("link", name="Older decisions").click()
            page.wait_for_function("before => location.href !== before", arg=before)
            page.wait_for_selector("main:not([aria-busy]) h2")
        expect(page.locator("main tbody tr")).to_have_count(1)
        expect(page.get_by_role("link", name="Older decisions")).to_have_count(0)
        shown(page, "scopes")
        page.get_by_role("link", name="More scopes").click()
        page.get_by_role("link", name="acme/support/route-100").wait_for()


def test_a_waiting_decision_is_approved_with_a_reason_in_the_inbox(visit):
    engine = Engine(CAREFUL)
    identifier = engine.switch(CHAT)
    with served(engine) as address, visit(address, "phone") as (page, _):
        shown(page, "approvals")
        card = page.get_by_role("article")
        assert "Switch from" in card.inner_text() and "If nothing is done" in card.inner_text()
        card.get_by_role("button", name="Approve").click()
        page.get_by_text("Say why").wait_for()
        assert engine.model.decision(identifier)["state"] == "awaiting_approval"
        card.get_by_label("Reason").fill("cheaper and as good")
        card.get_by_role("button", name="Approve").click()
        page.get_by_text("Nothing waits for you.").wait_for()
    assert engine.model.decision(identifier)["state"] == "monitoring"


def test_a_running_change_is_rolled_back_on_its_page_and_the_ramp_is_drawn(visit):
    engine = Engine()
    identifier = engine.switch(CHAT)
    with served(engine) as address, visit(address) as (page, _):
        shown(page, f"decision/{identifier}")
        page.get_by_role("img", name="Share of the traffic").wait_for()
        page.get_by_label("Reason").fill("not tonight")
        page.get_by_role("button", name="Roll back").click()
        page.locator("h2 + p .chip", has_text="rolled back").wait_for()
        assert "not tonight" in page.get_by_role("region", name="History").inner_text()


def test_news_arrive_without_reloading_and_do_not_sweep_away_a_reason(visit):
    engine = Engine(CAREFUL)
    engine.switch(CHAT)
    with served(engine) as address, visit(address) as (page, _):
        shown(page, "approvals")
        page.get_by_label("Reason").fill("let me think")
        engine.switch(RERANK)
        page.locator("#waiting", has_text="2").wait_for()
        page.wait_for_timeout(2_500)
        assert page.get_by_label("Reason").first.input_value() == "let me think"
        page.get_by_label("Reason").first.fill("")
        page.locator("h2").click()
        opened = page.get_by_role("article").filter(has_text=CHAT)
        opened.get_by_text("Evidence", exact=True).first.click()
        engine.switch("acme/support/mail")
        expect(page.get_by_role("article")).to_have_count(3, timeout=15_000)
        expect(opened.locator("details")).to_have_attribute("open", "")
        expect(page.locator("details[open]")).to_have_count(1)
        assert page.evaluate("document.activeElement.tagName") == "SUMMARY"


def test_an_order_whose_answer_is_lost_may_be_given_again_and_counts_once(visit):
    engine = Engine(CAREFUL)
    identifier = engine.switch(CHAT)
    with served(engine) as address, visit(address) as (page, seen):
        shown(page, f"decision/{identifier}")
        keys, cut = [], True

        def lose(route):
            nonlocal cut
            keys.append(route.request.headers["idempotency-key"])
            if cut:
                cut = False
                route.fetch()
                route.abort()
            else:
                route.continue_()

        page.route("**/approve**", lose)
        seen.may_be_down = True
        page.get_by_label("Reason").fill("as planned")
        page.get_by_role("button", name="Approve").click()
        page.get_by_text("No answer came").wait_for()
        page.get_by_role("button", name="Approve").click()
        page.locator("h2 + p .chip", has_text="monitoring").wait_for()
    assert len(keys) == 2 and len(set(keys)) == 1
    moves = [it["to_state"] for it in engine.model.decision(identifier)["transitions"]]
    assert moves.count("approved") == 1


def test_two_people_who_judge_at_once_are_told(visit):
    engine = Engine(CAREFUL)
    identifier = engine.switch(CHAT)
    with served(engine) as address, visit(address) as (page, seen):
        seen.expected_statuses.add(409)
        shown(page, f"decision/{identifier}")
        page.get_by_label("Reason").fill("yes")
        page.evaluate("path => fetch(path, {method: 'PUT', headers: {'Content-Type': 'application/json'}, body: '{}'})",
                      f"/api/v1/decisions/{identifier}/reject?wait=5")  # fmt: skip
        page.locator("#status.good").wait_for()
        expect(page.locator("#waiting")).to_have_text("", timeout=15_000)
        page.get_by_role("button", name="Approve").click()
        page.get_by_text("state has changed").wait_for()


def test_a_dead_listener_is_told_and_found_again(visit):
    engine = Engine()
    with served(engine) as address:
        port = int(address.rsplit(":", 1)[1])
        opened = visit(address)
        page, seen = opened.__enter__()
        page.locator("#status.good").wait_for()
        seen.may_be_down = True
    page.get_by_text("the API does not answer").wait_for()
    with served(engine, port=port):
        page.locator("#status.good").wait_for()
        opened.__exit__(None, None, None)


def test_an_engine_that_recovers_or_stands_still_is_told_and_what_was_shown_stays(visit):
    engine, now = Engine(), {"caught_up": False, "standing": Standing.READY}
    engine.switch(CHAT)
    with (
        served(engine, caught_up=lambda: now["caught_up"], standing=lambda: now["standing"]) as address,
        visit(address) as (page, _),
    ):
        page.get_by_text("catching up with the journal").wait_for()
        for standing, told in ((Standing.BEHIND, "the engine is behind"), (Standing.STILL, "the engine stands still")):
            now.update(caught_up=True, standing=standing)
            page.get_by_text(told).wait_for()
            assert page.get_by_role("table").count() == 1
        now["standing"] = Standing.READY
        page.locator("#status.good").wait_for()


def test_a_read_model_that_is_away_is_told_and_what_was_shown_stays(visit):
    engine = Engine()
    engine.switch(CHAT)
    with served(engine) as address, visit(address) as (page, _):
        page.locator("#status.good").wait_for()
        page.get_by_role("table").wait_for()
        counted = engine.model.statistics

        def away(_tenants):
            raise Unavailable("no answer")

        engine.model.statistics = away
        page.get_by_text("the read model does not answer").wait_for()
        assert page.get_by_role("table").count() == 1
        engine.model.statistics = counted
        page.locator("#status.good").wait_for()


def test_a_text_from_outside_never_becomes_markup(visit):
    engine = Engine(CAREFUL)
    identifier = engine.switch(CHAT)
    with served(engine) as address, visit(address) as (page, _):
        shown(page, f"decision/{identifier}")
        evil = "<img src=x onerror=alert(1)>"
        page.get_by_label("Reason").fill(evil)
        page.get_by_role("button", name="Reject").click()
        page.locator("h2 + p .chip", has_text="rejected").wait_for()
        assert evil in page.get_by_role("region", name="History").inner_text()
        assert page.locator("main img").count() == 0
