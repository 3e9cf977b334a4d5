"""The scorecard as text: a Markdown page and a JSON document. Equal seasons give equal bytes."""

import json
from dataclasses import asdict
from math import isfinite

from .card import MEASURES, PLAYERS, Estimate, Measure, Scorecard, coverage, off_policy_error, speeds
from .scenarios import MEANING
from .season import ENGINE


def markdown(card: Scorecard, command: str) -> str:
    """The page `docs/scorecard.md`."""
    seeds = [season.seed for season in card.of(card.scenarios[0])]
    lines = [
        "# Scorecard",
        "",
        f"Made by `{command}`; the same command gives the same page.",
        f"Each scenario is played with the {len(seeds)} seeds {seeds[0]} to {seeds[-1]}; intervals are 95 %, by",
        "Student's t over seeds. *Worth* is the engine's own objective on the truth, where a point of quality below",
        "what the policy allows counts four times. Routes begin with the strongest model; the world *allows* where one",
        "choice would do it. No setting was chosen on these seeds; what is missed, and why, is told in",
        "[decision 16](decisions/0016-scorecard.md).",
        "",
        *_paragraphs(card),
        "## What must be shown",
        "",
        "| bar | wanted | found | met |",
        "|---|---|---|---|",
        *(f"| {bar.name} | {bar.wanted} | {bar.found} | {_MET[bar.met]} |" for bar in card.bars()),
        "",
    ]
    for scenario in card.scenarios:
        lines += [f"## Scenario `{scenario}`", "", f"{MEANING[scenario].capitalize()}.", ""]
        lines += ["| | " + " | ".join(PLAYERS) + " |", "|---" * (len(PLAYERS) + 1) + "|"]
        for measure in MEASURES:
            cells = [told(card.estimate(scenario, player, measure), measure) for player in PLAYERS]
            if any(cells):
                lines.append(f"| {measure.name}{f' ({measure.unit})' if measure.unit else ''} | {' | '.join(cells)} |")
        lines.append("")
        found = speeds(card.pooled(scenario, ENGINE))
        if found:
            lines += [
                "How the engine met incidents that struck the model in use, in minutes from their start; exposed is",
                "the share of a day's requests that the model served meanwhile.",
                "",
                "| incident | struck | decided on | p50 | p95 | model without traffic | p50 | p95 | exposed, median |",
                "|---|---|---|---|---|---|---|---|---|",
                *(
                    f"| {it.kind.replace('_', ' ')} | {it.struck} | {it.detected} | {_number(it.detect_p50)} | "
                    f"{_number(it.detect_p95)} | {it.cleared} | {_number(it.clear_p50)} | {_number(it.clear_p95)} | "
                    f"{it.exposed_p50:.1%} |"
                    for it in found
                ),
                "",
            ]
    lines += [
        "## Stated intervals against the truth",
        "",
        "| claim | held | of | share | level claimed |",
        "|---|---|---|---|---|",
        *(
            f"| {it.kind} | {it.held} | {it.stated} | {it.held / it.stated:.1%} | {it.claimed:.1%} |"
            for it in coverage(card)
        ),
        "",
    ]
    error, number = off_policy_error(card)
    if number:
        lines += [f"Off-policy estimates of a gain in reward: root mean square error {error:.4f} over {number}.", ""]
    return "\n".join(lines)


def document(card: Scorecard) -> str:
    """Everything as JSON, one line."""
    return json.dumps(
        {
            "seeds": sorted({season.seed for season in card.seasons}),
            "bars": [asdict(bar) for bar in card.bars()],
            "scenarios": {
                scenario.value: {
                    "measures": {
                        measure.name: {
                            player: asdict(found)
                            for player in PLAYERS
                            if (found := card.estimate(scenario, player, measure)) is not None
                        }
                        for measure in MEASURES
                    },
                    "incidents": [_known(asdict(it)) for it in speeds(card.pooled(scenario, ENGINE))],
                    "counts": dict(sorted(card.pooled(scenario, ENGINE).counts.items())),
                }
                for scenario in card.scenarios
            },
            "intervals": {
                it.kind: {"held": it.held, "stated": it.stated, "claimed": round(it.claimed, 6)}
                for it in coverage(card)
            },
        },
        sort_keys=True,
    )


def told(estimate: Estimate | None, measure: Measure) -> str:
    """Mean and half width, with as many places as the unit deserves; empty for nothing."""
    if estimate is None:
        return ""
    places = {"": 4, "%": 1, "points": 2}.get(measure.unit, 2)
    reach = estimate.high - estimate.mean
    return f"{estimate.mean:.{places}f} ± {reach:.{places}f}"


_MET = {None: "–", True: "yes", False: "**NO**"}


def _paragraphs(card: Scorecard) -> list[str]:
    days = {scenario: card.of(scenario)[0].verdicts[ENGINE].scope_days for scenario in card.scenarios}
    each = ", ".join(f"{scenario} {scope_days:.0f}" for scenario, scope_days in days.items())
    total = sum(it.verdicts[ENGINE].scope_days for it in card.seasons)
    return [f"{total:,.0f} scope-days in all; a seed has {each}.", ""]


def _known(values: dict[str, object]) -> dict[str, object]:
    """JSON knows no nan."""
    return {name: None if isinstance(it, float) and not isfinite(it) else it for name, it in values.items()}


def _number(value: float) -> str:
    return f"{value:.0f}" if isfinite(value) else "–"
