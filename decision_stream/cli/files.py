"""Commands about files: the JSON Schemas of the messages, the settings."""

import sys
from pathlib import Path

import typer

from .common import Config, say_all, settings_of

schema_app = typer.Typer(no_args_is_help=True, help="JSON Schemas of the messages.")
config_app = typer.Typer(no_args_is_help=True, help="Check and show settings.")
SCHEMAS = Path("schemas")


@schema_app.command("export")
def schema_export(directory: Path = SCHEMAS) -> None:
    """Write the JSON Schemas of all messages, and the AsyncAPI document of the topics."""
    from ..tools import asyncapi
    from ..wire.schemas import export

    say_all([*export(directory), *asyncapi.export(directory)], "nothing changed")


@schema_app.command("check")
def schema_check(directory: Path = SCHEMAS) -> None:
    """Fail when a schema file is missing or outdated."""
    from ..tools import asyncapi
    from ..wire.schemas import outdated

    names = [*outdated(directory), *asyncapi.outdated(directory)]
    say_all([f"{name}: outdated; run `decision-stream schema export`" for name in names], "all schemas are current")
    sys.exit(1 if names else 0)


@config_app.command("check")
def config_check(file: Path) -> None:
    """Fail, naming every mistake, when a settings file cannot be used."""
    settings = settings_of(file)
    print(f"{file} is good; policy {settings.policy.hash}")


@config_app.command("show")
def config_show(config: Config = None) -> None:
    """Print the settings in force, defaults included, as JSON; secrets are shown as ***."""
    import json

    from ..settings import shown

    print(json.dumps(shown(settings_of(config)), indent=2))
