"""Commands about dead letters: list, show, and send back."""

import json
import sys
from base64 import b64encode
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.table import Table

from .common import AsJson, Bootstrap, Config, answer, fail, named_kafka, settings_of
from .tables import show

if TYPE_CHECKING:
    from ..settings import Settings

dlq_app = typer.Typer(no_args_is_help=True, help="Dead letters: list, show, and send back.")


@dlq_app.command("list")
def dlq_list(
    config: Config = None,
    bootstrap_servers: Bootstrap = None,
    code: Annotated[str | None, typer.Option(help="Only this reason code, such as schema.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the messages that could not be read, with place, origin and reason."""
    parked = _parked(settings_of(config), bootstrap_servers, code, None)
    if as_json:
        print(
            json.dumps(
                [
                    {"place": it.place, "origin": it.letter.id, "code": it.letter.code, "reason": it.letter.reason}
                    for it in parked
                ]
            )
        )
        return
    table = Table("place", "from", "code", "reason")
    for one in parked:
        table.add_row(one.place, one.letter.id, one.letter.code, one.letter.reason)
    if parked:
        show(table)
    else:
        print("no dead letters")


@dlq_app.command("show")
def dlq_show(place: str, config: Config = None, bootstrap_servers: Bootstrap = None, as_json: AsJson = False) -> None:
    """Print the untouched bytes of one dead letter; `place` is partition:offset as `dlq list` shows it.

    As JSON the bytes are in base64, null where there are none.
    """
    (one,) = _parked(settings_of(config), bootstrap_servers, None, place) or _no_such(place)
    if as_json:
        value = None if one.value is None else b64encode(one.value).decode()
        told = {"place": one.place, "origin": one.letter.id, "code": one.letter.code, "reason": one.letter.reason}
        print(json.dumps({**told, "value": value}))
        return
    print(f"{one.letter.id}: {one.letter.code}: {one.letter.reason}", file=sys.stderr)
    sys.stdout.buffer.write(one.value or b"")


@dlq_app.command("replay")
def dlq_replay(
    place: Annotated[str | None, typer.Argument(help="partition:offset; without it, all that match.")] = None,
    config: Config = None,
    bootstrap_servers: Bootstrap = None,
    code: Annotated[str | None, typer.Option(help="Only this reason code, such as wrong_version.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how many would be sent.")] = False,
    as_json: AsJson = False,
) -> None:
    """Send dead letters back to where they came from; what is still bad is parked again."""
    import asyncio

    from ..tools.parked import send_back

    settings = settings_of(config)
    parked = _parked(settings, bootstrap_servers, code, place) or (_no_such(place) if place else [])
    if not dry_run:
        asyncio.run(send_back(named_kafka(settings, bootstrap_servers), parked))
    told = {"places": [it.place for it in parked], "sent_back": not dry_run}
    answer(told, as_json, [f"{len(parked)} message(s) {'would be ' if dry_run else ''}sent back"])


def _parked(settings: "Settings", bootstrap_servers: str | None, code: str | None, place: str | None):
    import asyncio

    from ..tools.parked import read_parked

    def wanted(one) -> bool:
        return (code is None or one.letter.code == code) and (place is None or one.place == place)

    topic = f"{settings.kafka.topic_prefix}dead-letters"
    return asyncio.run(read_parked(named_kafka(settings, bootstrap_servers), topic, wanted))


def _no_such(place: str) -> NoReturn:
    fail(f"there is no dead letter at {place}; `decision-stream dlq list` shows them")
