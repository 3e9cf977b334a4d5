"""The scenarios by name: what a run is for, and how long it usually is. Light, for the command line shows them."""

from enum import StrEnum


class ScenarioName(StrEnum):
    """What a run is for."""

    STANDARD = "standard"
    CALM = "calm"
    PLACEBO = "placebo"
    TRAP = "trap"


MEANING = {
    ScenarioName.STANDARD: "every kind of incident, faults of the messages and the actuator, one trap in eight routes",
    ScenarioName.CALM: "nothing goes wrong: what can be saved, and how near to the best",
    ScenarioName.PLACEBO: "all models are the same and no prompt changes anything: every change is a mistake",
    ScenarioName.TRAP: "on every route one model is 10 points worse once it serves than its estimates say",
}
USUAL_DAYS = {
    ScenarioName.STANDARD: 7,
    ScenarioName.CALM: 3,
    ScenarioName.PLACEBO: 7,
    ScenarioName.TRAP: 3,
}
