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
    seconds: Annotated[
        float | None, typer.Option(help="How long the simulation runs, in real seconds; 90, or an hour if watched.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the simulated fleet.")] = 7,
    headless: Annotated[bool, typer.Option("--headless", help="Plain lines instead of the live view.")] = False,
    dashboard: Annotated[
        bool, typer.Option("--dashboard", help="Serve the dashboard; a change waits for your approval in it.")
    ] = False,
    port: Annotated[int, typer.Option(help="Port of the dashboard.", min=1, max=65_535)] = 8_080,
    minute: Annotated[float, typer.Option(help="Seconds of a simulated minute, with --dashboard.", min=0.0)] = 1.0,
    bootstrap_servers: Bootstrap = None,
    broker: BrokerOption = None,
    record: Annotated[Path | None, typer.Option(help="Write every message to this file, as JSON lines.")] = None,
) -> None:
    """Watch the engine decide: a real Kafka, a worker, and a simulated LLM fleet with incidents."""
    from ..sim.demo import Watched, run_demo

    if seconds is not None and seconds < 10.0:
        raise typer.BadParameter("at least 10", param_hint="--seconds")
    console = Console()
    with kafka_for(None, bootstrap_servers, broker) as kafka:
        status = run_demo(
            kafka.bootstrap_servers,
            f"Kafka: {kafka.description}",
            seconds=seconds or (3_600.0 if dashboard else 90.0),
            seed=seed,
            headless=headless or not console.is_terminal,
            record=record,
            watched=Watched(port=port, minute_s=minute) if dashboard else None,
        )
    sys.exit(status)
