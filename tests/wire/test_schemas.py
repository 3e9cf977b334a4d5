"""The published schemas are those of the model, and the examples are messages."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from decision_stream.model.command import Command
from decision_stream.model.insight import Insight
from decision_stream.model.outcome import Outcome
from decision_stream.wire.codec import parser
from decision_stream.wire.schemas import MESSAGES, outdated, path_of, schema_of

SCHEMAS = Path(__file__).parents[2] / "schemas"
EXAMPLES = sorted((SCHEMAS / "examples").glob("*.json"))
INPUTS = {"insight": Insight, "outcome": Outcome, "command": Command}


def test_the_files_are_current():
    assert outdated(SCHEMAS) == [], "run `decision-stream schema export`"


@pytest.mark.parametrize("name", MESSAGES)
def test_a_schema_is_valid_and_says_what_it_describes(name):
    schema = schema_of(name)
    Draft202012Validator.check_schema(schema)
    assert schema["description"] and schema["$id"]


def test_there_is_an_example_of_every_input():
    assert {path.stem.split(".")[0] for path in EXAMPLES} == set(INPUTS)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_is_valid_and_is_read(path):
    name = path.stem.split(".")[0]
    document = json.loads(path.read_text())
    Draft202012Validator(json.loads(path_of(SCHEMAS, name).read_text())).validate(document)
    message = parser(INPUTS[name])(path.read_bytes(), document["scope"].encode(), 4_000_000_000_000)
    assert message.scope == document["scope"]
