"""The OpenAPI document as a file: `python -m decision_stream.edge.api.document FILE` writes it."""

import json
import sys
from pathlib import Path
from typing import Any

from ..api_settings import ApiSettings
from ..read_model import SqliteReadModel
from .app import create_app
from .commands import Sender


def document() -> dict[str, Any]:
    """OpenAPI 3.1 of the API, without the version of the engine, which changes more often."""

    def commands() -> Sender:
        raise NotImplementedError("the document needs no producer")

    found = create_app(SqliteReadModel(), ApiSettings(), commands, lambda: True).openapi()
    found["info"]["version"] = "1"
    return found


def rendered() -> str:
    """The document as it is written to the file."""
    return json.dumps(document(), indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(rendered())
