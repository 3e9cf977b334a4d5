"""Recommendations of the analyzer: candidates for strategies, never commands; traced whether used or not (spec, 159).

Three actions are understood: `switch_model:NAME`, `try_prompt:NAME` and `set_parameter:NAME=VALUE`.
"""

from ..model.decision import Evidence
from ..model.insight import Insight, Recommendation
from ..model.journal import Reason
from .protocol import View

SWITCH_MODEL, TRY_PROMPT, SET_PARAMETER = "switch_model", "try_prompt", "set_parameter"
VERBS = frozenset({SWITCH_MODEL, TRY_PROMPT, SET_PARAMETER})


def recommended(view: View, verb: str) -> dict[str, Recommendation]:
    """What this insight recommends for one verb, by its object, in the analyzer's order; the first of two alike.

    >>> from types import SimpleNamespace
    >>> told = Recommendation(action="try_prompt:short")
    >>> recommended(SimpleNamespace(insight=SimpleNamespace(recommendations=(told,))), TRY_PROMPT) == {"short": told}
    True
    """
    found: dict[str, Recommendation] = {}
    for told in view.insight.recommendations:
        said, _, what = told.action.partition(":")
        if said == verb and what:
            found.setdefault(what, told)
    return found


def used(source: str, told: Recommendation) -> tuple[Reason, Evidence]:
    """The trace of a recommendation that a strategy acts on: for the journal, and for the decision."""
    reason = Reason(source=source, code="recommendation_used", detail=told.action, value=told.expected_impact)
    evidence = Evidence(
        method="recommendation",
        statistic=told.expected_impact,
        detail=f"{told.action}: the analyzer's claim, which proves nothing",
    )
    return reason, evidence


def refused(source: str, told: Recommendation, why: str) -> Reason:
    """The trace of a recommendation that a strategy does not act on."""
    return Reason(source=source, code="recommendation_refused", detail=f"{told.action}: {why}")


def not_understood(insight: Insight) -> list[Reason]:
    """Those that no strategy understands."""
    return [
        Reason(source="engine", code="recommendation_unknown", detail=told.action)
        for told in insight.recommendations
        if told.action.partition(":")[0] not in VERBS or not told.action.partition(":")[2]
    ]
