"""The doctor: one line for each thing that is fine, odd or broken, with what to do."""

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from .common import AsJson, Bootstrap, Config, named_kafka, settings_of, topic_specs

if TYPE_CHECKING:
    from ..settings import Settings
    from ..tools.doctor import Finding

app = typer.Typer()


@app.command()
def doctor(
    config: Config = None,
    bootstrap_servers: Bootstrap = None,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Do not make the topic that the broker's clock is read from.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Examine everything the engine needs: one line each with the fix; fails when something is broken."""
    found = _examined(config, bootstrap_servers, not read_only)
    if as_json:
        rows = [{"level": it.level.value, "what": it.what, "told": it.told, "fix": it.fix} for it in found]
        print(json.dumps(rows))
    else:
        for finding in found:
            print(finding)
    sys.exit(1 if any(it.level == "fail" for it in found) else 0)


def _examined(config, bootstrap_servers: str | None, probes_clock: bool) -> "list[Finding]":
    import asyncio

    from ..settings import BadSettings
    from ..tools.doctor import Subject, examine, fail, ok
    from ..tools.doctor.installed import installed

    try:
        settings = settings_of(config)
        address = _address(settings, bootstrap_servers)
    except BadSettings as fault:
        first, *mistakes = str(fault).splitlines()
        fix = f"docs/configuration.md; then `decision-stream config check {config or 'FILE'}`"
        lines = [line.strip() for line in mistakes] or [first]
        return [*installed(), *(fail("settings", line, fix) for line in lines)]
    kafka = settings.kafka
    subject = Subject(
        address=address,
        specs=topic_specs(settings),
        prefix=kafka.topic_prefix,
        app_id=kafka.app_id,
        replication=kafka.replication,
        policy_hash=settings.policy.hash,
        api=settings.api,
        probes_clock=probes_clock,
    )
    told = ok("settings", f"{config or 'defaults'} and environment, policy {settings.policy.hash}")
    return [told, *asyncio.run(examine(subject))]


def _address(settings: "Settings", bootstrap_servers: str | None) -> str | None:
    from ..broker.failure import BrokerUnavailable

    try:
        return named_kafka(settings, bootstrap_servers)
    except BrokerUnavailable:
        return None
