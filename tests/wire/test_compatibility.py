"""Messages stay readable: today's schemas break nothing that an older version promised."""

import json
from copy import deepcopy
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from decision_stream.model.command import Command
from decision_stream.model.insight import Insight
from decision_stream.model.outcome import Outcome
from decision_stream.wire.codec import parser
from decision_stream.wire.compatibility import breaks
from decision_stream.wire.schemas import MESSAGES, schema_of

HISTORY = Path(__file__).parents[2] / "schemas" / "history"
FROZEN = sorted(HISTORY.glob("*.schema.json"))
EXAMPLES = sorted((HISTORY / "examples").glob("*.json"))
INPUTS = {"insight": Insight, "outcome": Outcome, "command": Command}


def name_of(path: Path) -> str:
    return path.name.split(".")[0]


def test_there_is_a_frozen_version_of_every_message_and_an_example_of_every_input():
    assert {name_of(path) for path in FROZEN} == set(MESSAGES)
    assert {name_of(path) for path in EXAMPLES} == set(INPUTS)


@pytest.mark.parametrize("path", FROZEN, ids=lambda path: path.name)
def test_todays_schema_breaks_nothing_that_was_promised(path):
    faults = breaks(json.loads(path.read_text()), schema_of(name_of(path)))
    assert faults == [], f"add a version instead; {path.name} is what others were promised"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_old_message_is_read_by_todays_model(path):
    document = json.loads(path.read_text())
    event = parser(INPUTS[name_of(path)])(path.read_bytes(), document["scope"].encode(), 4_000_000_000_000)
    assert event.id == document["id"]
    Draft202012Validator(schema_of(name_of(path))).validate(document)


def changed(name: str, change) -> list[str]:
    old, new = schema_of(name), deepcopy(schema_of(name))
    change(new)
    return breaks(old, new)


def removed_field(schema):
    del schema["properties"]["stability"]


def newly_required(schema):
    schema["required"].append("stability")


def narrowed_type(schema):
    schema["$defs"]["Performance"]["properties"]["latency_p95_ms"]["type"] = "integer"


def narrowed_bound(schema):
    schema["properties"]["window_ms"]["maximum"] = 60_000


def new_bound(schema):
    schema["properties"]["stability"]["exclusiveMaximum"] = 1.0


def narrowed_enum(schema):
    schema["$defs"]["Metric"]["enum"].remove("latency")


def narrowed_pattern(schema):
    schema["properties"]["scope"]["pattern"] = "^[a-z]+/[a-z]+/[a-z]+$"


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (removed_field, "/stability"),
        (newly_required, "/stability"),
        (narrowed_type, "/performance/latency_p95_ms"),
        (narrowed_bound, "/window_ms"),
        (new_bound, "/stability"),
        (narrowed_enum, "/metric"),
        (narrowed_pattern, "/scope"),
    ],
)
def test_a_break_is_found_and_told_with_its_place(change, place):
    (fault, *_) = changed("insight", change)
    assert place in fault


def test_an_alternative_that_is_gone_is_found():
    def without_pin(schema):
        (instruction,) = [it for it in schema["properties"].values() if "anyOf" in it and len(it["anyOf"]) > 3]
        instruction["anyOf"] = [it for it in instruction["anyOf"] if it != {"$ref": "#/$defs/Pin"}]

    (fault,) = changed("command", without_pin)
    assert "Pin" in fault


def test_an_optional_field_a_wider_bound_and_a_further_value_break_nothing():
    def wider(schema):
        schema["properties"]["colour"] = {"type": "string"}
        schema["properties"]["window_ms"]["maximum"] *= 2
        schema["$defs"]["Metric"]["enum"].append("joy")
        schema["$defs"]["Performance"]["properties"]["requests"]["type"] = "number"

    assert changed("insight", wider) == []


@pytest.mark.parametrize("name", MESSAGES)
def test_a_schema_is_compatible_with_itself(name):
    assert breaks(schema_of(name), schema_of(name)) == []
