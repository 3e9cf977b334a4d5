"""JSON Schemas of the messages, written to schemas/ and kept current by a test."""

import json
from pathlib import Path

import msgspec

from ..model.actuation import Directive
from ..model.command import Command
from ..model.dead_letter import DeadLetter
from ..model.decision import Proposal
from ..model.insight import Insight
from ..model.journal import JournalRecord
from ..model.knowledge import CatalogEntry, Sighting, Signal
from ..model.outcome import Outcome

DIALECT = "https://json-schema.org/draft/2020-12/schema"
MESSAGES: dict[str, type] = {
    "insight": Insight,
    "proposal": Proposal,
    "directive": Directive,
    "outcome": Outcome,
    "command": Command,
    "sighting": Sighting,
    "signal": Signal,
    "catalog-entry": CatalogEntry,
    "journal-record": JournalRecord,
    "dead-letter": DeadLetter,
}


def schema_of(name: str) -> dict[str, object]:
    """The schema of a message by its file name without version. Readers are lenient: unknown fields are allowed."""
    (schema,), components = msgspec.json.schema_components([MESSAGES[name]], ref_template="#/$defs/{name}")
    root = components.pop(MESSAGES[name].__name__)
    assert schema == {"$ref": f"#/$defs/{MESSAGES[name].__name__}"}
    return {
        "$schema": DIALECT,
        "$id": f"urn:decision-stream:{name}:1",
        **root,
        "$defs": dict(sorted(components.items())),
    }


def rendered(name: str) -> str:
    """The file's text."""
    return json.dumps(schema_of(name), indent=2, sort_keys=True) + "\n"


def path_of(directory: Path, name: str) -> Path:
    """Where a message's schema lies."""
    return directory / f"{name}.v1.schema.json"


def export(directory: Path) -> list[Path]:
    """Write all schemas; returns the files that changed."""
    directory.mkdir(parents=True, exist_ok=True)
    changed = []
    for name in MESSAGES:
        path = path_of(directory, name)
        if not path.exists() or path.read_text() != rendered(name):
            path.write_text(rendered(name))
            changed.append(path)
    return changed


def outdated(directory: Path) -> list[str]:
    """Names of the messages whose file is missing or differs from the model."""
    return [
        name
        for name in MESSAGES
        if not path_of(directory, name).exists() or path_of(directory, name).read_text() != rendered(name)
    ]
