"""Taking stock of the scopes of new partitions holds up nothing, also when none of them can be read."""

import asyncio
from types import SimpleNamespace

from decision_stream.stream.agenda import Agenda
from decision_stream.stream.app import SCOPES_AT_ONCE, _take_stock
from decision_stream.stream.observer import SilentObserver
from decision_stream.stream.record import UnreadableState, empty


async def turns_while_taking_stock(peek) -> int:
    """How often the event loop gets its turn."""
    names = [f"a/b/{number}" for number in range(4 * SCOPES_AT_ONCE)]
    app = SimpleNamespace(
        owned_partitions=lambda: {0},
        scopes=SimpleNamespace(names=lambda partitions: names, peek=peek),
        agenda=Agenda(),
        observer=SilentObserver(),
        consumer_generation_id=1,
    )
    stock, turns = asyncio.create_task(_take_stock(app, 1)), 0
    while not stock.done():
        await asyncio.sleep(0)
        turns += 1
    return turns


def unreadable(scope: str):
    raise UnreadableState(scope)


async def test_readable_scopes_are_noted_a_few_at_a_time():
    assert await turns_while_taking_stock(empty) >= 4


async def test_unreadable_scopes_do_not_keep_the_event_loop():
    assert await turns_while_taking_stock(unreadable) >= 4
