"""Commands about Kafka: its topics, and the embedded one."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..broker.choose import BrokerKind
from .common import AsJson, Bootstrap, Config, answer, named_kafka, say, settings_of, topic_specs

if TYPE_CHECKING:
    from ..broker.topics import Change

topics_app = typer.Typer(no_args_is_help=True, help="Plan, create and check the topics on Kafka.")
broker_app = typer.Typer(no_args_is_help=True, help="Run the embedded Apache Kafka.")


@topics_app.command("plan")
def topics_plan(config: Config = None, bootstrap_servers: Bootstrap = None, as_json: AsJson = False) -> None:
    """Show what would be created or changed."""
    from ..broker.topics import plan_now

    settings = settings_of(config)
    changes = plan_now(named_kafka(settings, bootstrap_servers), topic_specs(settings))
    answer(_rows(changes), as_json, changes, "nothing to do: all topics are as they should be")


@topics_app.command("apply")
def topics_apply(config: Config = None, bootstrap_servers: Bootstrap = None, as_json: AsJson = False) -> None:
    """Create what is missing and mend settings; fails when something needs a person."""
    from ..broker.topics import apply_now

    settings = settings_of(config)
    left = apply_now(named_kafka(settings, bootstrap_servers), topic_specs(settings))
    answer(_rows(left), as_json, left, "all topics are as they should be")
    sys.exit(1 if left else 0)


@topics_app.command("check")
def topics_check(config: Config = None, bootstrap_servers: Bootstrap = None, as_json: AsJson = False) -> None:
    """Fail when a topic is not as it should be."""
    from ..broker.topics import plan_now

    settings = settings_of(config)
    changes = plan_now(named_kafka(settings, bootstrap_servers), topic_specs(settings))
    answer(_rows(changes), as_json, changes, "all topics are as they should be")
    sys.exit(1 if changes else 0)


def _rows(changes: "Iterable[Change]") -> list[dict[str, str]]:
    return [{"topic": it.topic, "found": it.found, "expected": it.expected, "fix": it.mend} for it in changes]


@broker_app.command("start")
def broker_start(
    directory: Annotated[Path | None, typer.Option("--keep", help="Keep data and logs in this directory.")] = None,
) -> None:
    """Run the embedded Apache Kafka in the foreground and print its address."""
    import signal

    from ..broker.choose import broker as choose

    with choose(BrokerKind.EMBEDDED, directory=directory, progress=say) as kafka:
        say(kafka.description)
        print(kafka.bootstrap_servers, flush=True)
        signal.sigwait({signal.SIGINT, signal.SIGTERM})
