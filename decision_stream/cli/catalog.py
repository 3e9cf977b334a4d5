"""Commands about the catalogue of models: bring a file into it, and show it."""

import getpass
import json
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from .common import AsJson, Bootstrap, Config, answer, fail, named_kafka, settings_of
from .tables import show

catalog_app = typer.Typer(no_args_is_help=True, help="The catalogue of models: apply a file, show what holds.")


@catalog_app.command("apply")
def catalog_apply(
    file: Annotated[Path, typer.Argument(help="YAML: a list of models with price, prior quality and latency.")],
    config: Config = None,
    bootstrap_servers: Bootstrap = None,
    actor: Annotated[str | None, typer.Option("--as", help="Who orders it; by default the user.")] = None,
    reason: Annotated[str, typer.Option("--reason", "-r", help="Why; it stands in the audit trail.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    as_json: AsJson = False,
) -> None:
    """Put the models of a file into the catalogue; `retired: true` ends one, and what the file does not name stays."""
    from ..tools import catalog

    settings = settings_of(config)
    kafka, prefix = named_kafka(settings, bootstrap_servers), settings.kafka.topic_prefix
    try:
        wanted = catalog.parsed(file)
    except catalog.BadCatalog as fault:
        fail(fault)
    models = catalog.changed(wanted, catalog.read(kafka, f"{prefix}catalog"))
    rows = [{"model": it.estimate.model, "change": "retired" if it.is_retired else "put in"} for it in models]
    answer(rows, as_json, [f"{row['model']}: {row['change']}" for row in rows], "nothing changed")
    if models and not dry_run:
        shards = settings.policy.knowledge.shards
        who = actor or f"cli:{getpass.getuser()}"
        catalog.publish(kafka, f"{prefix}commands", catalog.commands(models, shards, who, reason, catalog.now_ms()))


@catalog_app.command("show")
def catalog_show(config: Config = None, bootstrap_servers: Bootstrap = None, as_json: AsJson = False) -> None:
    """Show the catalogue as the engine has published it, beside which the catalogue of the settings holds."""
    import msgspec

    from ..tools import catalog

    settings = settings_of(config)
    held = catalog.read(named_kafka(settings, bootstrap_servers), f"{settings.kafka.topic_prefix}catalog")
    if as_json:
        print(json.dumps(msgspec.to_builtins(list(held.values()))))
        return
    table = Table("model", "provider", "USD a request", "quality", "p95 ms", "samples", "state", "by")
    for name, entry in held.items():
        it = entry.model.estimate
        numbers = (f"{it.cost_usd:.6g}", f"{it.quality:.4g}", f"{it.latency_p95_ms:.6g}", str(it.samples))
        state = "retired" if entry.model.is_retired else "offered"
        table.add_row(name, it.provider or name, *numbers, state, entry.actor)
    if held:
        show(table)
    else:
        print("the catalogue is empty; `decision-stream catalog apply FILE` fills it")
