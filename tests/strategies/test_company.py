"""Losses of quality: the model's own, or shared by all because requests or their judge changed."""

from random import Random

from msgspec.structs import replace

from decision_stream.model.configuration import Configuration
from decision_stream.model.policy import Policy
from decision_stream.model.state import Alarm, ColdState, Company, HotState
from decision_stream.stats.moments import Moments
from decision_stream.strategies.company import Cause, cause, followed, heard, parted
from decision_stream.strategies.protocol import Opinion
from decision_stream.strategies.threshold import Threshold
from tests.factories import MINUTE_MS, PREMIUM, START_MS, estimate, insight
from tests.strategies.test_threshold import first_idea, versions, watched_for

WINDOW, HOUR, KEPT, NEW = 5, 60, 0.95, 60
GOOD = Configuration(model="good")
COLD = ColdState(configuration=PREMIUM, history=versions(GOOD, PREMIUM, since_ms=START_MS - 600 * MINUTE_MS))
BEGIN = 40 * HOUR


class Analyzer:
    """Windows of five minutes; every hour mirrored requests of four other models, of which a day is remembered."""

    def __init__(self, seed: int, *, own: float = 0.0, shared: float = 0.0, dearer: float = 1.0, told: bool = True):
        self.draws = Random(seed)
        self.own, self.shared, self.dearer, self.told = own, shared, dearer, told
        self.means = {name: 0.85 + self.draws.gauss(0.0, 0.005) for name in ("a", "b", "c", "d")}

    def windows(self, minutes: int):
        return [self.window(minute) for minute in range(0, minutes, WINDOW)]

    def window(self, minute: int):
        struck = minute >= BEGIN
        candidates = ()
        if minute % HOUR == 0 and self.told:
            for name, mean in self.means.items():
                truth = 0.85 - (self.shared if struck else 0.0)
                self.means[name] = KEPT * mean + (1.0 - KEPT) * self.draws.gauss(truth, 0.2 / NEW**0.5)
            candidates = tuple(
                estimate(name, quality=mean, samples=round(NEW / (1.0 - KEPT))) for name, mean in self.means.items()
            )
        truth = 0.9 - (self.own + self.shared if struck else 0.0)
        return replace(
            insight(
                minute,
                requests=1_000,
                quality=self.draws.gauss(truth, 0.2 / 300**0.5),
                quality_samples=300,
                cost_usd=0.02 * (self.dearer if struck else 1.0) * self.draws.lognormvariate(0.0, 0.01),
            ),
            window_ms=WINDOW * MINUTE_MS,
            candidates=candidates,
        )


def played(analyzer: Analyzer, hours: int = 4) -> list[Opinion]:
    return watched_for(analyzer.windows(BEGIN + hours * HOUR), cold=COLD)


def minutes_to_the_answer(opinions: list[Opinion]) -> int | None:
    return next((WINDOW * n - BEGIN for n, opinion in enumerate(opinions) if opinion.ideas), None)


def alerts(opinions: list[Opinion]) -> list[str]:
    return [alert.code for opinion in opinions for alert in opinion.alerts]


def test_a_stricter_judge_undoes_nothing_and_is_told():
    opinions = [played(Analyzer(seed, shared=0.05)) for seed in range(20)]
    spared = [first_idea(one) is None and "shared_loss" in alerts(one) for one in opinions]
    assert sum(spared) >= 17, f"{sum(spared)} of 20 (19 are expected)"


def test_a_model_that_loses_as_much_by_itself_is_left_when_the_others_have_spoken():
    waits = [minutes_to_the_answer(played(Analyzer(seed, own=0.05))) for seed in range(20)]
    left = [wait is not None and wait <= 185 for wait in waits]
    assert sum(left) >= 16, f"{sum(left)} of 20 (18.5 are expected): {waits}"


def test_a_grave_loss_waits_for_nobody():
    waits = [minutes_to_the_answer(played(Analyzer(seed, own=0.15))) for seed in range(10)]
    assert all(wait is not None and wait <= 15 for wait in waits), waits


def test_a_grave_loss_of_dearer_requests_waits_too():
    for seed in range(10):
        opinions = played(Analyzer(seed, shared=0.12, dearer=1.4))
        assert first_idea(opinions) is None, seed


def test_a_loss_is_answered_at_once_where_nobody_tells_of_other_models():
    waits = [minutes_to_the_answer(played(Analyzer(seed, own=0.05, told=False))) for seed in range(5)]
    assert all(wait is not None and wait <= 60 for wait in waits), waits


def test_dearer_requests_are_excused_where_nobody_tells_of_other_models():
    for seed in range(5):
        opinions = played(Analyzer(seed, shared=0.12, dearer=1.4, told=False))
        assert first_idea(opinions) is None, seed
        assert "shared_loss" in alerts(opinions), seed


def test_what_is_excused_is_taken_back_when_quality_comes_back():
    """The judge is as he was after some hours; then the model loses by itself, from where it stood at first."""
    analyzer = Analyzer(3, shared=0.05)
    events = analyzer.windows(BEGIN + 4 * HOUR)
    analyzer.shared = 0.0
    events += [analyzer.window(minute) for minute in range(BEGIN + 4 * HOUR, BEGIN + 8 * HOUR, WINDOW)]
    analyzer.own = 0.15
    events += [analyzer.window(minute) for minute in range(BEGIN + 8 * HOUR, BEGIN + 9 * HOUR, WINDOW)]
    opinions = watched_for(events, cold=COLD)
    answered = next(n for n, opinion in enumerate(opinions) if opinion.ideas)
    assert 0 <= WINDOW * answered - (BEGIN + 8 * HOUR) <= 20


def test_after_a_change_the_others_are_others_and_their_chance_is_still_known():
    known = Company(others=4, average=0.85, size=4_800.0, reports=30, square=1e-6, moved=-0.01, since=2, excused=0.05)
    assert parted(known, is_same=False) == Company(reports=30, square=1e-6)
    assert parted(known, is_same=True).excused == 0.05 and parted(known, is_same=True).average == 0.85
    assert parted(None, is_same=True) is None


def test_the_model_in_use_is_not_its_own_company():
    told = replace(insight(60), candidates=(estimate("premium"), estimate("a"), estimate("b", samples=0)))
    assert heard(None, told).others == 1
    assert heard(None, insight(60)) is None


def test_the_loss_is_counted_from_where_the_alarm_began_to_rise():
    low = Alarm(baseline=Moments(30, 0.1, 0.003), statistics=(0.1, 0.1, 0.1))
    known = Company(windows=3, lost=0.3, moved=-0.01, since=1)
    assert followed(known, {"quality": low}, None, insight(60)) == Company()


def test_without_company_an_alarm_is_the_models_own():
    alarm = Alarm(baseline=Moments(30, 0.1, 0.003), statistics=(1e6, 1e6, 1e6), firing_windows=1)
    assert cause({"quality": alarm}, None, insight(60), Policy())[0] is Cause.OWN


def test_calm_before_any_data():
    assert Threshold().observe(HotState(), insight(0), Policy()).company is None
