"""The AsyncAPI document: current, valid by the official schema, and about the topics there are."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft7Validator

from decision_stream.broker.topics import topic_table
from decision_stream.tools.asyncapi import FILE, document, rendered
from decision_stream.wire.schemas import MESSAGES
from tests.contract.registry import asyncapi_schema

SCHEMAS = Path(__file__).parents[2] / "schemas"


@pytest.fixture(scope="module")
def official() -> Draft7Validator:
    return Draft7Validator(asyncapi_schema())


def test_the_file_is_current():
    assert (SCHEMAS / FILE).read_text() == rendered(), "run `decision-stream schema export`"


def test_it_is_valid_by_the_official_schema(official):
    assert [error.message for error in official.iter_errors(document())] == []


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        (("operations", "receive-insight", "action"), "subscribe"),
        (("channels", "journal", "bindings", "kafka", "partitions"), "12"),
        (("channels", "insights", "messages", "insight"), 7),
        (("servers", "production", "security"), "plain"),
    ],
)
def test_the_official_schema_finds_a_mistake(official, path, wrong):
    told = json.loads(rendered())
    place = told
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = wrong
    assert not official.is_valid(told)


def test_every_topic_but_the_changelog_is_a_channel():
    addresses = {channel["address"] for channel in document()["channels"].values()}
    assert addresses == {spec.name for spec in topic_table() if not spec.name.endswith("-changelog")}


def test_every_message_is_told_and_every_reference_leads_somewhere():
    told = document()
    assert set(told["components"]["messages"]) == set(MESSAGES)

    def follow(node):
        if isinstance(node, dict):
            reference = node.get("$ref", "")
            if reference.startswith("#/"):
                place = told
                for part in reference[2:].split("/"):
                    place = place[part]
            elif reference:
                assert (SCHEMAS / reference).is_file()
            for value in node.values():
                follow(value)
        elif isinstance(node, list):
            for value in node:
                follow(value)

    follow(told)
