"""The demo: a real Kafka, a worker and a simulated fleet, to be watched."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from .common import Bootstrap, BrokerOption, kafka_for

app = typer.Typer()


@app.command()
def demo(
    seconds: Annotated[float, typer.Option(help="How long the simulation runs, in real seconds.", min=10.0)] = 90.0,
    seed: Annotated[int, typer.Option(help="Seed of the simulated fleet.")] = 7,
    headless: Annotated[bool, typer.Option("--headless", help="Plain lines instead of the live view.")] = False,
    bootstrap_servers: Bootstrap = None,
    broker: BrokerOption = None,
    record: Annotated[Path | None, typer.Option(help="Write every message to this file, as JSON lines.")] = None,
) -> None:
    """Watch the engine decide: a real Kafka, a worker, and a simulated LLM fleet with incidents."""
    from ..sim.demo import run_demo

    console = Console()
    with kafka_for(None, bootstrap_servers, broker) as kafka:
        status = run_demo(
            kafka.bootstrap_servers,
            f"Kafka: {kafka.description}",
            seconds=seconds,
            seed=seed,
            headless=headless or not console.is_terminal,
            record=record,
        )
    sys.exit(status)
