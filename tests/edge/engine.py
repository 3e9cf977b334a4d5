"""The engine in process, with the bytes it would put on the topics, for tests of what reads them."""

from typing import Any

import msgspec
from msgspec.structs import replace

from decision_stream.edge.api.commands import Commands
from decision_stream.edge.read_model import Message, ReadModel, SqliteReadModel
from decision_stream.model.actuation import Directive
from decision_stream.model.command import Command
from decision_stream.model.decision import Proposal
from decision_stream.model.event import Event
from decision_stream.model.insight import Insight
from decision_stream.model.journal import Source
from decision_stream.model.knowledge import Sighting, Signal
from decision_stream.model.outcome import Outcome, OutcomeStatus
from decision_stream.model.policy import Policy
from decision_stream.stream.record import apply, empty
from tests.factories import MINUTE_MS, START_MS, estimate, insight, outcome


class Engine:
    """Applies events to scopes and projects what comes out; also takes the API's orders."""

    def __init__(self, policy: Policy | None = None, model: ReadModel | None = None) -> None:
        self.policy = policy or Policy()
        self.model = model or SqliteReadModel()
        self.messages: list[Message] = []
        self.offset = 0
        self.sent_back: list[tuple] = []
        self.stored: dict[str, Any] = {}

    def tell(self, event: Event) -> None:
        """Apply an event and all that follows from it; directives are acknowledged."""
        self.offset += 1
        stored = self.stored.get(event.scope) or empty(event.scope)
        sent = frozenset(entry.sequence for entry in stored.outbox)
        done = apply(stored, Source(topic="in", partition=0, offset=self.offset), event, self.policy, delivered=sent)
        self.stored[event.scope] = done.stored
        found = [
            Message(topic="scope-state", partition=0, offset=len(self.messages) + place, key=key, value=value)
            for place, (key, value) in enumerate(done.writes)
        ]
        for output in done.outputs:
            found.append(
                Message(topic=output.topic, partition=0, offset=len(self.messages) + len(found), value=output.value)
            )
        self.messages += found
        self.model.apply(found)
        for message in found:
            if message.topic == "proposals":
                self.tell(msgspec.json.decode(message.value, type=Proposal))
            elif message.topic == "signals":
                self.tell(msgspec.json.decode(message.value, type=Sighting | Signal))
            elif message.topic == "decisions":
                for answer in self.carried_out(msgspec.json.decode(message.value, type=Directive)):
                    self.tell(answer)

    def carried_out(self, directive: Directive) -> list[Outcome]:
        """What the actuator answers."""
        return [outcome(directive, OutcomeStatus.APPLIED, directive.at_ms + 1_000)]

    def switch(self, scope: str, minutes: int = 3) -> str:
        """Tell a scope of a much cheaper model until a decision is made; its id."""
        cheaper = (estimate("cheap", quality=0.895, cost_usd=0.002, p95_ms=1_900.0),)
        for minute in range(minutes):
            self.tell(insight(minute, scope=scope, candidates=cheaper))
        return self.model.decisions(_of(scope), 1)[0]["id"]

    async def send(self, event: Command | Insight) -> None:
        """What the API writes, applied at once, at the time of the story."""
        if isinstance(event, Command):
            event = replace(event, at_ms=START_MS + 60 * MINUTE_MS)
        self.tell(event)

    def takes_back(self, topic: str) -> bool:
        """As for topics whose prefix is `ds.`."""
        return Commands(None, "ds.", self.model).takes_back(topic)

    async def send_back(self, topic, partition, key, value, headers) -> None:
        """A dead letter."""
        self.sent_back.append((topic, partition, key, value, headers))

    async def verdict(self, identifier: str, wait_s: float) -> dict[str, Any] | None:
        """The verdict on an order."""
        return self.model.verdict(identifier)


def _of(scope: str):
    from decision_stream.edge.read_model import Filter

    return Filter(scope=scope)
