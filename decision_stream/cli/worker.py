"""Commands that run: a worker, the API."""

import sys
from typing import Annotated

import typer

from .common import Bootstrap, BrokerOption, Config, fail, kafka_for, named_kafka, settings_of

app = typer.Typer()


@app.command()
def run(config: Config = None, bootstrap_servers: Bootstrap = None, broker: BrokerOption = None) -> None:
    """Run a worker until it is told to stop (SIGTERM drains it, a second signal ends it at once)."""
    import uvloop

    from ..edge.logs import configure
    from ..serve import serve

    settings = settings_of(config)
    configure(settings.monitoring.log_level, settings.monitoring.log_format)
    with kafka_for(settings, bootstrap_servers, broker) as kafka:
        status = uvloop.run(serve(settings, kafka.bootstrap_servers))
    sys.exit(status)


@app.command()
def api(
    config: Config = None,
    bootstrap_servers: Bootstrap = None,
    new_token: Annotated[
        str | None, typer.Option("--new-token", metavar="NAME", help="Print a new secret and its settings, and end.")
    ] = None,
) -> None:
    """Serve the REST API: decisions, explanations, approvals, audit; orders become events on the commands topic."""
    if new_token is not None:
        import secrets
        from hashlib import sha256

        secret = secrets.token_urlsafe(32)
        print(f"secret (shown once): {secret}\nadd to api.tokens:")
        print(f"  - {{name: {new_token}, role: operator, sha256: {sha256(secret.encode()).hexdigest()}}}")
        return
    try:
        from ..edge.api.access import Unprotected
        from ..edge.api.server import Engine, serve_api
        from ..edge.read_model import Unavailable
    except ModuleNotFoundError as missing:
        fail(f"{missing.name} is missing; install decision-stream[api]")
    import uvloop

    from ..edge.logs import configure

    settings = settings_of(config)
    configure(settings.monitoring.log_level, settings.monitoring.log_format)
    kafka = settings.kafka
    engine = Engine(
        bootstrap_servers=named_kafka(settings, bootstrap_servers),
        prefix=kafka.topic_prefix,
        partitions=kafka.partitions,
        app_id=kafka.app_id,
        policy=settings.policy,
    )
    try:
        uvloop.run(serve_api(settings.api, engine))
    except (Unprotected, Unavailable, ValueError) as fault:
        fail(fault)
    except OSError as fault:
        fail(f"cannot listen on {settings.api.host}:{settings.api.port}: {fault.strerror or fault}")
