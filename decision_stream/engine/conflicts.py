"""Which ideas may go on together.

A greedy independent set over facets, in one deterministic order (seed §6.3, repaired).
"""

from collections.abc import Callable
from dataclasses import dataclass

from ..model.configuration import Facet
from ..model.journal import Reason
from ..model.state import ColdState
from ..strategies.protocol import Idea


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An idea with the name, priority and rank (0 is best) it has within its strategy."""

    idea: Idea
    strategy: str
    priority: int
    rank: int


def facets_of(idea: Idea) -> frozenset[Facet]:
    """The facets an idea touches; a safety idea takes them all."""
    return frozenset(Facet) if idea.is_safety or idea.kind == "start_experiment" else frozenset(idea.changes.facets)


def resolve(
    candidates: list[Candidate], cold: ColdState, is_urgent: Callable[[Idea], bool] = lambda _: False
) -> tuple[list[Candidate], list[Reason]]:
    """Winners, and for each loser the reason with the winner's name.

    Safety comes before everything and suppresses the rest of the scope; then what is urgent, priority, rank and name.
    A facet that is taken by a live decision or a proposal on its way is not free, except for safety.
    """

    def order(it: Candidate) -> tuple[bool, bool, int, str, int]:
        return (not it.idea.is_safety, not is_urgent(it.idea), -it.priority, it.strategy, it.rank)

    ordered = sorted(candidates, key=order)
    taken = {
        facet: "an experiment" if live.decision.kind == "start_experiment" else "a live decision"
        for live in cold.live
        for facet in live.decision.held_facets
    }
    taken |= {facet: "a proposal in validation" for pending in cold.pending for facet in pending.facets}
    winners: list[Candidate] = []
    losers: list[Reason] = []
    for candidate in ordered:
        facets = facets_of(candidate.idea)
        # The end of an experiment takes the facets that the experiment holds.
        passes = candidate.idea.is_safety or candidate.idea.kind == "conclude_experiment"
        held = [] if passes else [f"{facet} by {taken[facet]}" for facet in sorted(facets) if facet in taken]
        rival = next((winner for winner in winners if winner.idea.is_safety or facets & facets_of(winner.idea)), None)
        if held:
            losers.append(Reason(source=candidate.strategy, code="facet_taken", detail=", ".join(held)))
        elif rival is not None:
            losers.append(
                Reason(
                    source=candidate.strategy,
                    code="superseded",
                    detail=f"{candidate.idea.kind} lost to {rival.idea.kind} of {rival.strategy}",
                )
            )
        else:
            winners.append(candidate)
    return winners, losers
