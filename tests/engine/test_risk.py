"""Risk: what it grows with, and what is taken for the worst."""

from decision_stream.engine.risk import assess, is_sensitive, on_sensitive_scope
from decision_stream.model.configuration import Configuration
from decision_stream.model.decision import ImpactEstimate, Interval, PredictedImpact, RiskLevel
from decision_stream.model.policy import SafetyPolicy
from decision_stream.model.state import ColdState, ConfigurationVersion

TARGET = Configuration(model="b")
NONE = ImpactEstimate(delta=0.0)
KNOWN = ColdState(history=(ConfigurationVersion(configuration=TARGET, since_ms=0),))


def risk(quality: ImpactEstimate | None = NONE, *, cold: ColdState = KNOWN, exposure: float = 0.05, undo: float = 0.0):
    impact = PredictedImpact(quality=quality, cost=NONE, latency=NONE)
    return assess(impact, TARGET, cold, SafetyPolicy(), exposure, undo)


def test_the_worst_case_is_the_bound_and_not_the_mean():
    doubtful = ImpactEstimate(delta=0.02, interval=Interval(low=-0.05, high=0.09))
    assert risk(ImpactEstimate(delta=0.02)).worst_case == 0.0
    assert risk(doubtful).worst_case == 0.5


def test_what_is_not_predicted_is_critical_at_full_exposure():
    assert risk(None, cold=ColdState(), exposure=1.0, undo=1.0).level is RiskLevel.CRITICAL
    assert risk(None, exposure=0.05).level is RiskLevel.MEDIUM


def test_it_grows_with_exposure_novelty_and_what_cannot_be_undone():
    bad = ImpactEstimate(delta=-0.05)
    least = risk(bad).score
    assert risk(bad, exposure=1.0).score > least
    assert risk(bad, cold=ColdState()).score > least
    assert risk(bad, undo=1.0).score > least


def test_a_sensitive_scope_is_high_risk_at_least():
    safety = SafetyPolicy(sensitive_scopes=("bank/payments/*", "a/b/c"))
    assert is_sensitive("bank/payments/refund", safety) and is_sensitive("a/b/c", safety)
    assert not is_sensitive("bank/loans/refund", safety) and not is_sensitive("a/b/cd", safety)
    raised = on_sensitive_scope(risk(NONE))
    assert raised.level is RiskLevel.HIGH and raised.worst_case == 0.0
    critical = risk(None, cold=ColdState(), exposure=1.0, undo=1.0)
    assert on_sensitive_scope(critical) == critical
