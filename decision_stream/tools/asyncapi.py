"""The AsyncAPI 3.0 document: channels from the table of topics, messages from the model; operations as the engine sees
them, so that an analyzer sends what the engine receives.
"""

import json
from pathlib import Path
from typing import Any

from .. import ENGINE_VERSION
from ..broker.topics import TopicSpec, topic_table
from ..wire.dead_letters import PREFIX
from ..wire.schemas import DIALECT, MESSAGES, path_of, schema_of
from ..wire.trace import TRACEPARENT

FILE = "asyncapi.json"
BINDING = "0.5.0"
TEXT, NUMBER_AS_TEXT = {"type": "string"}, {"type": "string", "pattern": "^-?[0-9]+$"}
CHANNELS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "insights": (("insight",), ("receive",)),
    "proposals": (("proposal",), ("send", "receive")),
    "decisions": (("directive",), ("send",)),
    "outcomes": (("outcome",), ("receive",)),
    "commands": (("command",), ("receive", "send")),
    "signals": (("sighting", "signal"), ("receive", "send")),
    "catalog": (("catalog-entry",), ("send",)),
    "journal": (("journal-record",), ("send",)),
    "dead-letters": (("dead-letter",), ("send",)),
}
"""Messages of each topic, and what the engine does with it. The changelog is its own and no interface."""
SECURITY = {
    "scramSha512": {"type": "scramSha512", "description": "SASL/SCRAM-SHA-512 over TLS"},
    "scramSha256": {"type": "scramSha256", "description": "SASL/SCRAM-SHA-256 over TLS"},
    "plain": {"type": "plain", "description": "SASL/PLAIN over TLS"},
    "certificate": {"type": "X509", "description": "a client certificate (mutual TLS)"},
}


def document() -> dict[str, Any]:
    """The whole document, for the default settings."""
    specs = {spec.name.removeprefix("ds."): spec for spec in topic_table()}
    return {
        "asyncapi": "3.0.0",
        "id": "urn:decision-stream",
        "defaultContentType": "application/json",
        "info": {
            "title": "decision_stream",
            "version": ENGINE_VERSION,
            "description": "Decision engine of an LLM auto-optimizer: insights in, orders out, outcomes back.",
            "license": {"name": "Apache-2.0"},
        },
        "servers": {
            "development": {"host": "localhost:9092", "protocol": "kafka", "description": "one broker, PLAINTEXT"},
            "production": {
                "host": "{broker}",
                "protocol": "kafka-secure",
                "variables": {"broker": {"description": "host:port of a broker", "default": "kafka:9093"}},
                "security": [_reference("securitySchemes", name) for name in SECURITY],
            },
        },
        "channels": {name: _channel(name, specs[name]) for name in CHANNELS},
        "operations": dict(
            _operation(name, message, action)
            for name, (messages, actions) in CHANNELS.items()
            for message in messages
            for action in actions
        ),
        "components": {
            "messages": {message: _message(message) for messages, _ in CHANNELS.values() for message in messages},
            "securitySchemes": SECURITY,
        },
    }


def rendered() -> str:
    """The file's text."""
    return json.dumps(document(), indent=2, sort_keys=True) + "\n"


def export(directory: Path) -> list[Path]:
    """Write the document where it changed."""
    if not outdated(directory):
        return []
    (directory / FILE).write_text(rendered())
    return [directory / FILE]


def outdated(directory: Path) -> list[str]:
    """Its name when the file is missing or differs from the code."""
    path = directory / FILE
    return [] if path.exists() and path.read_text() == rendered() else [FILE]


def _channel(name: str, spec: TopicSpec) -> dict[str, Any]:
    messages, _ = CHANNELS[name]
    return {
        "address": spec.name,
        "description": spec.purpose,
        "messages": {message: _reference("messages", message) for message in messages},
        "bindings": {
            "kafka": {
                "topic": spec.name,
                "partitions": spec.partitions,
                "replicas": spec.replication,
                "topicConfiguration": _typed(spec.config),
                "bindingVersion": BINDING,
            }
        },
    }


def _operation(name: str, message: str, action: str) -> tuple[str, dict[str, Any]]:
    binding: dict[str, Any] = {"bindingVersion": BINDING}
    if action == "receive":
        binding["groupId"] = {"type": "string", "default": "decision-stream"}
    told = {
        "action": action,
        "channel": {"$ref": f"#/channels/{name}"},
        "summary": f"the engine {action}s each {message}",
        "messages": [{"$ref": f"#/channels/{name}/messages/{message}"}],
        "bindings": {"kafka": binding},
    }
    return f"{action}-{message}", told


def _message(name: str) -> dict[str, Any]:
    described = str(schema_of(name)["description"])
    told: dict[str, Any] = {
        "name": name,
        "title": MESSAGES[name].__name__,
        "summary": described.split("\n\n")[0].replace("\n", " "),
        "contentType": "application/json",
        "headers": _headers(name),
        "bindings": {
            "kafka": {
                "key": {"type": "string", "description": "the scope: tenant/service/route; murmur2 partitioner"},
                "bindingVersion": BINDING,
            }
        },
    }
    if name != "dead-letter":
        # The schemas are files of their own, of a newer dialect than AsyncAPI's default.
        dialect = DIALECT.split("/")[-2]
        told["payload"] = {
            "schemaFormat": f"application/schema+json;version={dialect}",
            "schema": {"$ref": f"./{path_of(Path(), name)}"},
        }
    return told


def _headers(name: str) -> dict[str, Any]:
    if name == "dead-letter":
        fields = schema_of(name)["properties"]
        assert isinstance(fields, dict)
        numbers = {key for key, field in fields.items() if field.get("type") == "integer"}
        ours = {PREFIX + key: NUMBER_AS_TEXT if key in numbers else TEXT for key in sorted(fields)}
        return {"type": "object", "description": "beside the original ones", "properties": ours}
    context = {**TEXT, "description": "W3C trace context; carried on to what follows"}
    return {"type": "object", "properties": {TRACEPARENT: context}}


def _typed(config: dict[str, str]) -> dict[str, Any]:
    """Topic settings as the binding wants them: a list of policies, numbers as numbers."""
    found: dict[str, Any] = {key: int(value) if value.isdecimal() else value for key, value in config.items()}
    if "cleanup.policy" in found:
        found["cleanup.policy"] = found["cleanup.policy"].split(",")
    return found


def _reference(kind: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/components/{kind}/{name}"}
