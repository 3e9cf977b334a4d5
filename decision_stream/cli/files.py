"""Commands about files: the JSON Schemas of the messages, the settings."""

import sys
from pathlib import Path

import typer

from .common import AsJson, Config, answer, settings_of

schema_app = typer.Typer(no_args_is_help=True, help="JSON Schemas of the messages.")
config_app = typer.Typer(no_args_is_help=True, help="Check and show settings.")
SCHEMAS = Path("schemas")


@schema_app.command("export")
def schema_export(directory: Path = SCHEMAS, as_json: AsJson = False) -> None:
    """Write the JSON Schemas of all messages, and the AsyncAPI document of the topics."""
    from ..tools import asyncapi
    from ..wire.schemas import export

    changed = [str(path) for path in (*export(directory), *asyncapi.export(directory))]
    answer(changed, as_json, changed, "nothing changed")


@schema_app.command("check")
def schema_check(directory: Path = SCHEMAS, as_json: AsJson = False) -> None:
    """Fail when a schema file is missing or outdated."""
    from ..tools import asyncapi
    from ..wire.schemas import outdated

    names = [*outdated(directory), *asyncapi.outdated(directory)]
    lines = [f"{name}: outdated; run `decision-stream schema export`" for name in names]
    answer(names, as_json, lines, "all schemas are current")
    sys.exit(1 if names else 0)


@config_app.command("check")
def config_check(file: Path, as_json: AsJson = False) -> None:
    """Fail, naming every mistake, when a settings file cannot be used."""
    settings = settings_of(file)
    policy = settings.policy.hash
    answer({"file": str(file), "policy": policy}, as_json, [f"{file} is good; policy {policy}"])


@config_app.command("show")
def config_show(config: Config = None) -> None:
    """Print the settings in force, defaults included, as JSON; secrets are shown as ***."""
    import json

    from ..settings import shown

    print(json.dumps(shown(settings_of(config)), indent=2))
