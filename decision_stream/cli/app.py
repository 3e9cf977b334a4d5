"""The whole command line: `decision-stream`."""

import typer

from . import demo, doctor, facts, recordings, simulation, verbs, worker
from .catalog import catalog_app
from .common import fail
from .dead_letters import dlq_app
from .files import config_app, schema_app
from .kafka import broker_app, topics_app
from .learn import learn_app

app = typer.Typer(
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    help="Decision engine of an LLM auto-optimizer: insights in, validated and reversible decisions out.",
)
for group in (worker, doctor, demo, simulation, recordings, facts):
    app.add_typer(group.app)
app.add_typer(topics_app, name="topics")
app.add_typer(schema_app, name="schema")
app.add_typer(config_app, name="config")
app.add_typer(broker_app, name="broker")
app.add_typer(dlq_app, name="dlq")
app.add_typer(catalog_app, name="catalog")
app.add_typer(learn_app, name="learn")
verbs.register(app)


def main() -> None:
    """Entry point: expected failures end with a message and a status, not with a traceback."""
    from ..broker.failure import BrokerUnavailable, OrderRefused
    from ..settings import BadSettings
    from ..stream.address import NoCredentials
    from ..stream.hardening.versions import UntestedVersion

    try:
        app()
    except (BadSettings, BrokerUnavailable, NoCredentials, OrderRefused, UntestedVersion) as fault:
        fail(fault)
