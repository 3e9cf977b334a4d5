"""Commands that carry what was learnt from one deployment to another, without raw data."""

import getpass
from pathlib import Path
from typing import Annotated

import typer

from .common import AsJson, Bootstrap, Config, answer, fail, named_kafka, settings_of, topic_specs

learn_app = typer.Typer(
    no_args_is_help=True, help="What was learnt of models: export it as sums, merge such files, import one."
)
Out = Annotated[Path, typer.Option("--out", "-o", help="File to write.")]


@learn_app.command("export")
def learn_export(out: Out, config: Config = None, bootstrap_servers: Bootstrap = None, as_json: AsJson = False) -> None:
    """Write what this deployment's scopes measured of models, as sums over at least four scopes each."""
    from ..tools import learning

    settings = settings_of(config)
    changelog = next(spec.name for spec in topic_specs(settings) if spec.name.endswith("scope-state-changelog"))
    try:
        pools = learning.read_pools(named_kafka(settings, bootstrap_servers), changelog)
    except learning.BadLearning as fault:
        fail(fault)
    _written(out, learning.learnt_by(pools.values()), as_json)


@learn_app.command("merge")
def learn_merge(
    files: Annotated[list[Path], typer.Argument(help="Exports of several deployments.")],
    out: Out,
    as_json: AsJson = False,
) -> None:
    """Add up exports of several deployments. An export of one deployment must be in it once only."""
    from ..tools import learning

    try:
        _written(out, learning.merge([learning.read_file(file) for file in files]), as_json)
    except learning.BadLearning as fault:
        fail(fault)


@learn_app.command("import")
def learn_import(
    file: Annotated[Path, typer.Argument(help="An export, or a merge of several.")],
    tenant: Annotated[list[str], typer.Option("--tenant", help="Whose scopes learn from it; may be repeated.")],
    config: Config = None,
    bootstrap_servers: Bootstrap = None,
    actor: Annotated[str | None, typer.Option("--as", help="Who orders it; by default the user.")] = None,
    reason: Annotated[str, typer.Option("--reason", "-r", help="Why; it stands in the audit trail.")] = "",
    as_json: AsJson = False,
) -> None:
    """Let a tenant's scopes start from it. It takes the place of an import before; scopes hear of it within a day.

    However many scopes are behind a pair, it counts for eight of the tenant's own.
    """
    from ..tools import catalog, learning

    settings = settings_of(config)
    kafka = named_kafka(settings, bootstrap_servers)
    try:
        learnt = learning.read_file(file)
    except learning.BadLearning as fault:
        fail(fault)
    who = actor or f"cli:{getpass.getuser()}"
    told = learning.commands(learnt, tenant, settings.policy.knowledge.shards, who, reason, catalog.now_ms())
    catalog.publish(kafka, f"{settings.kafka.topic_prefix}commands", told)
    scopes = [command.scope for command in told]
    pairs = len(learnt.comparisons)
    answer({"pairs": pairs, "told": scopes}, as_json, [f"{pairs} pairs of models told to {', '.join(scopes)}"])


def _written(out: Path, learnt, as_json: bool) -> None:
    from ..tools import learning

    learning.write_file(out, learnt)
    rows = [{"new": it.new, "old": it.old, "scopes": it.scopes, "samples": it.samples} for it in learnt.comparisons]
    lines = [f"{it['new']} against {it['old']}: {it['scopes']} scopes, {it['samples']} scored requests" for it in rows]
    answer(rows, as_json, lines, "no pair of models was compared on four scopes yet")
