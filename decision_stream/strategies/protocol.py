"""What a strategy is: it sees a scope and an insight, and has ideas or says why not."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Protocol

from msgspec import Struct

from ..model.configuration import Configuration, ConfigurationChanges
from ..model.decision import DECISION_KINDS, SAFETY_KINDS, Alternative, DecisionType, Evidence, PredictedImpact
from ..model.insight import Insight
from ..model.journal import Alert, FrontierPoint, Reason
from ..model.policy import Policy
from ..model.state import ColdState, Experiment, HotState, ScopeState

NO_CHANGES = ConfigurationChanges()
NO_PREDICTION = PredictedImpact()


class _Once:
    """A property that is worked out once: `functools.cached_property` without the lock, which costs more than the work.

    Python 3.12 leaves the lock out too.
    """

    def __init__(self, work: Callable[[Any], bool]) -> None:
        self._work = work
        self._name = work.__name__
        self.__doc__ = work.__doc__

    def __get__(self, instance: Any, owner: type) -> bool:
        found = instance.__dict__[self._name] = self._work(instance)
        return found


class View(Struct, frozen=True, kw_only=True, dict=True):
    """What a strategy may look at. `state` has already taken in the insight; `configuration` is the one in use.

    `is_news` says that the insight told something new of a candidate.
    """

    state: ScopeState
    insight: Insight
    configuration: Configuration
    policy: Policy
    at_ms: int
    is_news: bool = False

    @_Once
    def is_broken(self) -> bool:
        """Whether a hard limit is firing."""
        for watch in self.state.hot.watches.values():  # noqa: SIM110 - asked at every insight, a generator costs thrice
            if watch.firing:
                return True
        return False

    @_Once
    def is_ill(self) -> bool:
        """Whether any hard limit or alarm is firing."""
        if self.is_broken:
            return True
        for alarm in self.state.hot.alarms.values():  # noqa: SIM110 - as above
            if alarm.firing_windows:
                return True
        return False


def is_busy(cold: ColdState) -> bool:
    """Whether another change is under way or on its way; an exploration is none, for it gives way."""
    return bool(cold.pending) or (bool(cold.live) and any(not live.decision.yields for live in cold.live))


def experiment_of(cold: ColdState) -> Experiment | None:
    """The experiment that holds the scope; an exploration holds nothing."""
    return cold.experiment if cold.experiment is not None and not cold.experiment.yields else None


class Idea(Struct, frozen=True, gc=False, kw_only=True):
    """A change a strategy would make, with its evidence; the engine gives it an id and judges it."""

    decision: DecisionType
    changes: ConfigurationChanges = NO_CHANGES
    impact: PredictedImpact = NO_PREDICTION
    confidence: float | None = None
    evidence: tuple[Evidence, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    would_flip: str = ""

    @property
    def kind(self) -> str:
        """The decision type's name."""
        return DECISION_KINDS[type(self.decision)]

    @property
    def is_safety(self) -> bool:
        """True for rollbacks and circuit breaks."""
        return self.kind in SAFETY_KINDS


class Opinion(Struct, frozen=True, gc=False, kw_only=True):
    """Ideas, best first, and the reasons for what was not proposed; `frontier` is a picture of the candidates."""

    ideas: tuple[Idea, ...] = ()
    reasons: tuple[Reason, ...] = ()
    alerts: tuple[Alert, ...] = ()
    frontier: tuple[FrontierPoint, ...] = ()


@lru_cache(maxsize=512)
def silent(source: str, code: str, detail: str = "") -> Opinion:
    """No idea, for one reason without numbers; what is said at every other insight is made once."""
    return Opinion(reasons=(Reason(source=source, code=code, detail=detail),))


class Strategy(Protocol):
    """One of the five. An instance holds no state: what it has learnt is in the scope's state.

    `observe` takes in the measurements of every insight; `propose` changes nothing. `complete` is False for a
    strategy that does not propose yet.
    """

    @property
    def name(self) -> str:
        """Under which it stands in policy, journal and metrics."""
        ...

    @property
    def complete(self) -> bool:
        """Whether it proposes."""
        ...

    def priority(self, policy: Policy) -> int:
        """Higher goes first where two ideas touch the same facet."""
        ...

    def is_enabled(self, policy: Policy) -> bool:
        """Whether the policy has this strategy on."""
        ...

    def observe(self, hot: HotState, insight: Insight, policy: Policy) -> HotState:
        """The hot state after this insight's measurements of the configuration in use."""
        ...

    def propose(self, view: View) -> Opinion:
        """Ideas for this scope now, or reasons for having none."""
        ...
