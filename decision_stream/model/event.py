"""The events a scope's state is stepped by."""

from .command import Command
from .decision import Proposal
from .insight import Insight
from .knowledge import Sighting, Signal
from .outcome import Outcome

Event = Insight | Proposal | Outcome | Command | Sighting | Signal
