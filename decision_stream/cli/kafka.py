"""Commands about Kafka: its topics, and the embedded one."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from ..broker.choose import BrokerKind
from .common import AsJson, Bootstrap, Config, named_kafka, say, say_all, settings_of, topic_specs

topics_app = typer.Typer(no_args_is_help=True, help="Plan, create and check the topics on Kafka.")
broker_app = typer.Typer(no_args_is_help=True, help="Run the embedded Apache Kafka.")


@topics_app.command("plan")
def topics_plan(config: Config = None, bootstrap_servers: Bootstrap = None, as_json: AsJson = False) -> None:
    """Show what would be created or changed."""
    from ..broker.topics import plan_now

    settings = settings_of(config)
    changes = plan_now(named_kafka(settings, bootstrap_servers), topic_specs(settings))
    if as_json:
        print(json.dumps([{"topic": it.topic, "found": it.found, "expected": it.expected} for it in changes]))
    else:
        say_all(changes, "nothing to do: all topics are as they should be")


@topics_app.command("apply")
def topics_apply(config: Config = None, bootstrap_servers: Bootstrap = None) -> None:
    """Create what is missing and mend settings; fails when something needs a person."""
    from ..broker.topics import apply_now

    settings = settings_of(config)
    left = apply_now(named_kafka(settings, bootstrap_servers), topic_specs(settings))
    say_all(left, "all topics are as they should be")
    sys.exit(1 if left else 0)


@topics_app.command("check")
def topics_check(config: Config = None, bootstrap_servers: Bootstrap = None) -> None:
    """Fail when a topic is not as it should be."""
    from ..broker.topics import plan_now

    settings = settings_of(config)
    changes = plan_now(named_kafka(settings, bootstrap_servers), topic_specs(settings))
    say_all(changes, "all topics are as they should be")
    sys.exit(1 if changes else 0)


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
