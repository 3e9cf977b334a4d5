"""The scorecard as one HTML file: no script, nothing loaded from elsewhere, readable on a phone and in the dark."""

from html import escape
from itertools import accumulate
from pathlib import Path

from .card import MEASURES, PLAYERS, Scorecard, coverage, off_policy_error, speeds
from .page import told
from .scenario import DAY_MINUTES
from .scenarios import MEANING, ScenarioName
from .season import ENGINE, ORACLES
from .story import Reading, Story
from .svg import Plot, ticks

SHEET = (Path(__file__).parent / "report.css").read_text()
LINES = {"engine": "engine", "oracle": "oracle", "static best guess": "guess", "always strongest": "strongest"}


def html(card: Scorecard, command: str) -> str:
    """The report."""
    seeds = [season.seed for season in card.of(card.scenarios[0])]
    total = sum(it.verdicts[ENGINE].scope_days for it in card.seasons)
    body = [
        "<h1>How well does the engine decide?</h1>",
        f"<p class='dim'>{total:,.0f} scope-days of a simulated fleet with a known truth, seeds {seeds[0]} to "
        f"{seeds[-1]}, made by <code>{escape(command)}</code>. Intervals are 95&nbsp;% over seeds.</p>",
        _bars(card),
    ]
    for scenario in card.scenarios:
        body += [
            f"<h2>Scenario: {escape(scenario.value)}</h2>",
            f"<p class='dim'>{escape(MEANING[scenario].capitalize())}.</p>",
            _worths(card, scenario),
            _table(card, scenario),
            _incidents(card, scenario),
        ]
        story = card.of(scenario)[0].story
        if story is not None:
            body.append(_story(story))
    body.append(_coverage(card))
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width,initial-scale=1'><title>decision_stream: scorecard</title>"
        f"<style>{SHEET}</style></head><body><main>{''.join(body)}</main></body></html>\n"
    )


def _bars(card: Scorecard) -> str:
    items = []
    for bar in card.bars():
        kind, word = {True: ("yes", "met"), False: ("no", "missed"), None: ("", "told")}[bar.met]
        items.append(
            f"<li class='{kind}'><b>{escape(bar.name)}</b><span class='found'>{escape(bar.found)}</span><br>"
            f"<span class='dim'>wanted: {escape(bar.wanted)}</span> <span class='badge'>{word}</span></li>"
        )
    return f"<h2>What must be shown</h2><ul class='bars'>{''.join(items)}</ul>"


def _worths(card: Scorecard, scenario: ScenarioName) -> str:
    """Worth of a request by player, with intervals."""
    found = [(player, card.estimate(scenario, player, MEASURES[0])) for player in PLAYERS]
    known = [(player, it) for player, it in found if it is not None]
    low, high = min(it.low for _, it in known), max(it.high for _, it in known)
    reach = (high - low) or 0.1
    plot = Plot(low - 0.1 * reach, high + 0.1 * reach, 0.0, len(known), "worth of a request by player", margin=150)
    plot.height = 30 * len(known) + 42
    plot.x_axis([(value, f"{value:g}") for value in ticks(low, high)])
    for place, (player, it) in enumerate(known):
        y = len(known) - place - 0.5
        kind = "engine" if player == ENGINE else "oracle" if player in ORACLES else "other"
        plot.y_axis([(y, player)])
        plot.line([(it.low, y), (it.high, y)], kind)
        plot.mark(it.mean, y, kind, f"{player}: {it.mean:.4f} [{it.low:.4f}, {it.high:.4f}]")
    return "<h3>Worth of a request</h3>" + plot.drawn()


def _table(card: Scorecard, scenario: ScenarioName) -> str:
    rows = []
    for measure in MEASURES:
        cells = [told(card.estimate(scenario, player, measure), measure) for player in PLAYERS]
        if any(cells):
            unit = f" <span class='dim'>{escape(measure.unit)}</span>" if measure.unit else ""
            shown = "".join(
                f"<td class='us'>{cell}</td>" if player == ENGINE else f"<td>{cell or '–'}</td>"
                for player, cell in zip(PLAYERS, cells, strict=True)
            )
            rows.append(f"<tr><td>{escape(measure.name)}{unit}</td>{shown}</tr>")
    head = "".join(f"<th scope='col'>{escape(player)}</th>" for player in PLAYERS)
    return (
        f"<div class='wide'><table><thead><tr><th></th>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _incidents(card: Scorecard, scenario: ScenarioName) -> str:
    found = speeds(card.pooled(scenario, ENGINE))
    if not found:
        return ""
    rows = "".join(
        f"<tr><td>{escape(it.kind.replace('_', ' '))}</td><td>{it.struck}</td><td>{it.detected}</td>"
        f"<td>{_minutes(it.detect_p50)}</td><td>{_minutes(it.detect_p95)}</td><td>{it.cleared}</td>"
        f"<td>{_minutes(it.clear_p50)}</td><td>{_minutes(it.clear_p95)}</td><td>{it.exposed_p50:.1%}</td></tr>"
        for it in found
    )
    heads = ("incident", "struck", "decided on", "p50", "p95", "without traffic", "p50", "p95", "exposed, of a day")
    head = "".join(f"<th scope='col'>{it}</th>" for it in heads)
    return (
        "<h3>How the engine met incidents</h3><div class='wide'><table>"
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _story(story: Story) -> str:
    return (
        f"<h3>One route, one seed: {escape(story.scope)}</h3>"
        f"{_served(story)}{_ramps(story)}{_money(story)}{_decisions(story)}"
    )


def _served(story: Story) -> str:
    """Who served what share, incidents behind, decisions above."""
    models = sorted({label.split(" ")[0] for _, _, arms in story.served for label, _ in arms})
    colour = {model: f"m{place % 8}" for place, model in enumerate(models)}
    plot = Plot(0.0, story.minutes, 0.0, 1.25, "shares of the traffic, incidents and decisions")
    plot.height = 260
    plot.x_axis([(day * DAY_MINUTES, f"day {day + 1}") for day in range(story.minutes // DAY_MINUTES)])
    plot.y_axis([(0.0, "0"), (0.5, "50 %"), (1.0, "100 %")])
    for start, stop, arms in story.served:
        base = 0.0
        for label, share in arms:
            hint = f"{_clock(start)} to {_clock(stop)}: {label} {share:.0%}"
            plot.box(start, stop, base, base + share, colour[label.split(" ")[0]], hint)
            base += share
    for incident in story.incidents:
        kind = "trouble" if incident.good_answers else "harmless"
        end = min(incident.end_minute, story.minutes)
        plot.box(incident.start_minute, end, 0.0, 1.25, kind, f"{incident.name}, {_clock(incident.start_minute)}")
    for decision in story.decisions:
        kind = {"rollback": "reversal", "circuit_break": "reversal"}.get(
            decision.kind, "trial" if "experiment" in decision.kind else "change"
        )
        plot.mark(decision.minute, 1.13, kind, f"{_clock(decision.minute)} {decision.kind} {decision.what}")
    key = "".join(f"<li><i class='{colour[model]}'></i>{escape(model)}</li>" for model in models)
    key += (
        "<li>dots: <b class='change'>changes</b>, <b class='reversal'>rollbacks and breaks</b>, grey: experiments</li>"
        "<li>red: incidents to be answered; grey: to be left alone</li>"
    )
    return f"<p>Who served, and what happened</p>{plot.drawn()}<ul class='key'>{key}</ul>"


def _ramps(story: Story) -> str:
    """What the quality guard of the last long ramp said."""
    ramps: list[list[Reading]] = []
    for reading in story.readings:
        if not ramps or reading.minute - ramps[-1][-1].minute > 15:
            ramps.append([])
        ramps[-1].append(reading)
    if not ramps:
        return ""
    # A breach is the best story; without one the longest ramp is.
    ramp = max(ramps, key=lambda it: (it[-1].breached, len(it), -it[0].minute))
    start, end = ramp[0].minute, ramp[-1].minute
    high = min(0.5, max(it.high for it in ramp))
    low = max(-0.5, min(it.low for it in ramp))
    plot = Plot(start, max(end, start + 1), low, high, "interval of the harm to quality in a ramp")
    plot.x_axis([(value, _clock(int(value))) for value in ticks(start, end)])
    plot.y_axis([(value, f"{100 * value:+.0f}") for value in ticks(low, high)])
    cut = [(it.minute, max(low, it.low), min(high, it.high)) for it in ramp]
    plot.band([(at, below) for at, below, _ in cut], [(at, above) for at, _, above in cut], "band")
    plot.line([(it.minute, (it.low + it.high) / 2.0) for it in ramp if -0.5 < (it.low + it.high) / 2.0 < 0.5], "engine")
    plot.line([(it.minute, it.margin) for it in ramp], "margin", "what is allowed")
    for first, stop, arms in story.served:
        if start <= first <= end and len(arms) == 2:
            plot.text(max(first, start), high, f"{arms[1][1]:.0%}", "start")
        if start <= stop <= end + 3 and len(arms) == 2:
            plot.line([(min(stop, end), low), (min(stop, end), high)], "zero")
    ending = "ends with a breach and a rollback" if ramp[-1].breached else "ends without a breach"
    return (
        f"<p>A ramp that {ending}: points of quality lost against the concurrent control, interval valid at every look "
        f"(band), what is allowed (dashed), and the share of traffic at each step</p>{plot.drawn()}"
    )


def _money(story: Story) -> str:
    totals = {name: [0.0, *accumulate(hours)] for name, hours in story.money.items()}
    top = max(values[-1] for values in totals.values())
    plot = Plot(0.0, story.minutes, 0.0, top or 1.0, "money spent over time")
    plot.x_axis([(day * DAY_MINUTES, f"day {day + 1}") for day in range(story.minutes // DAY_MINUTES)])
    plot.y_axis([(value, f"${value:,.0f}") for value in ticks(0.0, top)])
    for name, values in totals.items():
        plot.line([(hour * 60.0, value) for hour, value in enumerate(values)], LINES[name], name)
    key = "".join(
        f"<li><i class='{kind}'></i>{escape(name)}: ${totals[name][-1]:,.0f}</li>" for name, kind in LINES.items()
    )
    return f"<p>Money spent</p>{plot.drawn()}<ul class='key'>{key}</ul>"


def _decisions(story: Story) -> str:
    kept = [it for it in story.decisions if it.kind != "start_experiment"]
    rows = "".join(
        f"<tr><td>{_clock(it.minute)} {escape(it.kind.replace('_', ' '))}</td>"
        f"<td class='words'>{escape(it.what)}</td><td class='words'>{escape(it.why[:160])}</td></tr>"
        for it in kept
    )
    return (
        f"<details><summary>{len(kept)} decisions of this route (starts of experiments left out)</summary>"
        "<div class='wide'><table><thead><tr><th>when, what</th><th>to</th><th>why</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div></details>"
    )


def _coverage(card: Scorecard) -> str:
    rows = "".join(
        f"<tr><td>{escape(it.kind)}</td><td>{it.held}</td><td>{it.stated}</td><td>{it.held / it.stated:.1%}</td>"
        f"<td>{it.claimed:.1%}</td></tr>"
        for it in coverage(card)
    )
    error, number = off_policy_error(card)
    more = f"<p>Off-policy estimates: root mean square error {error:.4f} over {number}.</p>" if number else ""
    return (
        "<h2>Stated intervals against the truth</h2><div class='wide'><table><thead><tr><th>claim</th><th>held</th>"
        f"<th>of</th><th>share</th><th>level claimed</th></tr></thead><tbody>{rows}</tbody></table></div>{more}"
    )


def _clock(minute: int) -> str:
    return f"day {minute // DAY_MINUTES + 1}, {minute % DAY_MINUTES // 60:02d}:{minute % 60:02d}"


def _minutes(value: float) -> str:
    return f"{value:.0f} min" if value == value else "–"
