"""Search over policies: what a recording knows of a change counts, what it does not know is an interval."""

import json
from math import log10

import msgspec
import pytest

from decision_stream.cli.policies import policies
from decision_stream.model.actuation import Directive
from decision_stream.model.command import Command, Tick
from decision_stream.model.decision import Proposal
from decision_stream.model.insight import Insight
from decision_stream.model.journal import Source
from decision_stream.model.outcome import CONTROL, TREATMENT, Outcome, OutcomeStatus
from decision_stream.model.policy import Policy
from decision_stream.settings import BadSettings
from decision_stream.stream.record import DECISIONS, JOURNAL, PROPOSALS, apply, empty
from decision_stream.tools.policy_search import BadSpace, Worth, candidates_of, search
from decision_stream.tools.recording import Recording
from decision_stream.wire.codec import encode
from tests.factories import MINUTE_MS, START_MS, arm, command, estimate, insight, outcome
from tests.test_cli import run

GOOD, BAD = ("acme/service/good-0", "acme/service/good-1"), ("acme/service/bad-0", "acme/service/bad-1")
QUALITY = "strategies.pareto.config.max_quality_loss"


class Tape:
    """Records what the default policy does on a scope whose ramps measure what they are told to."""

    def __init__(self) -> None:
        self.recording, self.offset = Recording(), 0

    def play(self, scope: str, candidates, **measured: float) -> None:
        self.stored, self.orders = empty(scope), []
        for minute in range(8):
            self._take(insight(minute, scope=scope, candidates=candidates))
        for number in range(60):
            arms = {TREATMENT: arm(200, **measured), CONTROL: arm(200)}
            at_ms = START_MS + (10 + 5 * number) * MINUTE_MS
            if self.orders and self.stored.state.cold.live:
                self._take(outcome(self.orders[-1], OutcomeStatus.MEASURED, at_ms, number, arms=arms))
            self._take(command(10.5 + 5 * number, Tick(), scope=scope))

    def _take(self, event) -> None:
        if not isinstance(event, Proposal):
            self.recording.events[event.id] = event
        source = Source(topic=type(event).__name__, partition=0, offset=self.offset)
        self.offset += 1
        delivered = {entry.sequence for entry in self.stored.outbox}
        done = apply(self.stored, source, event, Policy(), delivered=delivered)
        self.stored = done.stored
        for output in done.outputs:
            if output.topic == JOURNAL:
                self.recording.note(JOURNAL, output.value)
            elif output.topic == DECISIONS:
                order = msgspec.json.decode(output.value, type=Directive)
                self.recording.directives[order.id] = output.value
                self.orders.append(order)
                self._take(outcome(order, OutcomeStatus.APPLIED, order.at_ms + 1_000))
            elif output.topic == PROPOSALS:
                self._take(msgspec.json.decode(output.value, type=Proposal))


@pytest.fixture(scope="module")
def recording() -> Recording:
    """Two scopes on which a cheaper model does well, and two on which it does not hold what it promised."""
    tape = Tape()
    for scope in GOOD:
        tape.play(scope, (estimate("cheap", quality=0.9, cost_usd=0.002),), quality=0.9, cost_usd=0.002)
    for scope in BAD:
        tape.play(scope, (estimate("poor", quality=0.888, cost_usd=0.001),), quality=0.6, cost_usd=0.001)
    return tape.recording


def found_for(recording: Recording, *settings: dict):
    return search(recording, Policy(), policies("", {}, settings))


def test_a_policy_that_leaves_a_harmful_change_out_goes_first_and_is_worth_what_was_measured(recording):
    strict, loose = {QUALITY: 0.005}, {QUALITY: 0.02}
    found = found_for(recording, loose, strict)
    assert [it.settings for it in found.candidates] == [strict, loose]
    best, same = found.candidates
    for worth in (best.chosen_on, best.told_on):
        assert (worth.changes, worth.measured, worth.harmful) == (1, 1, 0) and worth.low == worth.high > 0.0
    assert (same.chosen_on, same.told_on) == (found.recorded.chosen_on, found.recorded.told_on)
    assert same.told_on.harmful == 1 and found.is_better


def test_a_change_that_was_never_made_may_be_worth_anything_that_was_measured(recording):
    known = found_for(recording, {QUALITY: 0.005}).candidates[0].told_on
    other = Recording(events=recording.events, journal=dict(recording.journal), directives=dict(recording.directives))
    # The change that went well, as if it had been recorded on the scopes it was chosen on only.
    gone = {key for key, value in other.directives.items() if json.loads(value)["scope"] == GOOD[1]}
    other.directives = {key: value for key, value in other.directives.items() if key not in gone}
    told = found_for(other, {QUALITY: 0.005}).candidates[0].told_on
    assert (told.changes, told.measured) == (1, 0) and told.low < known.low <= told.high


def test_nothing_is_concluded_from_a_recording_that_measured_nothing(recording):
    bare = Recording(events=recording.events, journal=dict(recording.journal))
    found = found_for(bare, {QUALITY: 0.005})
    assert not found.is_better
    assert found.candidates[0].told_on == Worth(changes=1, measured=0, harmful=0, low=None, high=None)


def test_policies_that_do_nothing_are_worth_nothing(recording):
    (nothing,) = found_for(recording, {"strategies.pareto.enabled": False}).candidates
    assert nothing.told_on == Worth(changes=0, measured=0, harmful=0, low=0, high=0)


def test_a_hypercube_covers_each_range_evenly_and_the_same_seed_draws_the_same():
    space = {"ramp.alpha": {"low": 0.001, "high": 0.1, "log": True}, "ramp.increment": [0.1, 0.2]}
    made = candidates_of(space, 10, 3)
    assert made == candidates_of(space, 10, 3) != candidates_of(space, 10, 4)
    assert sorted(int(10 * (log10(it["ramp.alpha"]) + 3) / 2) for it in made) == list(range(10))
    assert sorted(it["ramp.increment"] for it in made) == [0.1] * 5 + [0.2] * 5


@pytest.mark.parametrize(
    ("space", "told"),
    [
        ({}, "a mapping of keys"),
        ({"ramp.alpha": 0.1}, "a list of values, or a mapping of low and high"),
        ({"ramp.alpha": {"low": 0.1, "high": 0.2, "step": 1}}, "a list of values"),
        ({"ramp.alpha": {"low": 0.2, "high": 0.1}}, "low < high"),
        ({"ramp.alpha": {"low": "a", "high": 0.1}}, "must be numbers"),
        ({f"ramp.key{number}": list(range(10)) for number in range(5)}, "at most 10000"),
    ],
)
def test_a_space_that_is_none_is_told(space, told):
    with pytest.raises(BadSpace, match=told):
        candidates_of(space, 10, 1)


def test_a_key_that_is_no_policys_and_a_value_out_of_bounds_are_told():
    for key in ("kafka.partitions", "ramps.alpha", "ramp"):
        with pytest.raises(BadSpace, match="no key of a policy"):
            policies("", {}, [{key: 1}])
    with pytest.raises(BadSettings, match="alpha"):
        policies("", {}, [{"ramp.alpha": 7.0}])
    with pytest.raises(BadSettings, match="alhpa"):
        policies("", {}, [{"ramp.alhpa": 0.05}])


def test_the_command_ranks_policies_and_says_what_may_be_concluded(recording, tmp_path):
    tape, space, policy = tmp_path / "tape.jsonl", tmp_path / "space.yaml", tmp_path / "policy.yaml"
    kinds = {Insight: "insights", Outcome: "outcomes", Command: "commands"}
    lines = [(kinds[type(event)], encode(event)) for event in recording.events.values()]
    lines += [(DECISIONS, value) for value in recording.directives.values()]
    lines += [(JOURNAL, value) for values in recording.journal.values() for value in values]
    tape.write_text("".join(json.dumps({"topic": topic, "value": value.decode()}) + "\n" for topic, value in lines))
    policy.write_text("ramp: {step: 5m}\n")
    space.write_text(f"{QUALITY}: [0.02, 0.005]\n")
    done = run("whatif", str(tape), "--policy", str(policy), "--search", str(space))
    assert done.returncode == 0, done.stderr
    assert "better on scopes it was not chosen on, if" in done.stdout
    assert done.stdout.index("max_quality_loss=0.005") < done.stdout.index("max_quality_loss=0.02")
    told = json.loads(run("whatif", str(tape), "--policy", str(policy), "--search", str(space), "--json").stdout)
    assert told["is_better"] and told["candidates"][0]["settings"] == {QUALITY: 0.005}
    space.write_text("kafka.partitions: [1, 2]\n")
    done = run("whatif", str(tape), "--policy", str(policy), "--search", str(space))
    assert done.returncode == 2 and "no key of a policy" in done.stderr and "Traceback" not in done.stderr
