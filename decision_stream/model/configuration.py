"""What is optimised: the configuration of a scope, its facets, and changes between two configurations."""

from enum import StrEnum
from functools import cached_property
from uuid import NAMESPACE_URL, uuid5

import msgspec
from msgspec import Struct

from .scalars import Name, Text, Unit

CONFIGURATION_NAMESPACE = uuid5(NAMESPACE_URL, "decision-stream/configuration")

ParameterValue = bool | int | float | str
"""A tuned value keeps its type: `max_tokens` is an integer, `temperature` a float (seed §3.3 knew floats only)."""


class Facet(StrEnum):
    """The independent parts of a configuration; two changes of one facet conflict (seed §6.3)."""

    MODEL = "model"
    PARAMETERS = "parameters"
    PROMPT = "prompt"
    TRAFFIC = "traffic"


class Configuration(Struct, frozen=True, kw_only=True, dict=True):
    """Everything a route needs to answer a request: which model, prompt and parameters.

    >>> Configuration(model="m-large").id == Configuration(model="m-large", parameters={}).id
    True
    """

    model: Name
    prompt: Name | None = None
    parameters: dict[Name, ParameterValue] = {}

    @cached_property
    def id(self) -> str:
        """UUIDv5 of the content, so that equal configurations have equal ids everywhere."""
        return str(uuid5(CONFIGURATION_NAMESPACE, _CANONICAL.encode(self).decode()))

    def patched(self, changes: "ConfigurationChanges") -> "Configuration":
        """This configuration with the given facets replaced, the others as they are."""
        return Configuration(
            model=changes.model.new if changes.model else self.model,
            prompt=changes.prompt.new if changes.prompt else self.prompt,
            parameters=_replaced(self.parameters, changes.parameters),
        )


class ModelChange(Struct, frozen=True, gc=False, kw_only=True):
    """Old and new model; `old` is what a rollback of this facet restores."""

    old: Name
    new: Name


class PromptChange(Struct, frozen=True, gc=False, kw_only=True):
    """Old and new prompt; None means the route's own prompt."""

    old: Name | None
    new: Name | None


class ParameterChange(Struct, frozen=True, gc=False, kw_only=True):
    """One parameter; None means not set, which is not the same as zero (seed §4.4 wrote 0.0)."""

    name: Name
    old: ParameterValue | None
    new: ParameterValue | None
    reason: Text = ""


class TrafficAllocation(Struct, frozen=True, gc=False, kw_only=True):
    """Shares of traffic by variant; they sum to one within 1e-9."""

    shares: dict[Name, Unit]

    def __post_init__(self) -> None:
        if abs(sum(self.shares.values()) - 1.0) > 1e-9:
            raise ValueError(f"shares sum to {sum(self.shares.values())!r}, expected 1")


class ConfigurationChanges(Struct, frozen=True, gc=False, kw_only=True):
    """A change per facet (seed §3.3); `inverted` is what undoes exactly this change and no later one.

    >>> changes = ConfigurationChanges(model=ModelChange(old="a", new="b"))
    >>> Configuration(model="a").patched(changes).patched(changes.inverted()).model
    'a'
    """

    model: ModelChange | None = None
    prompt: PromptChange | None = None
    parameters: tuple[ParameterChange, ...] = ()
    traffic: TrafficAllocation | None = None

    @property
    def facets(self) -> tuple[Facet, ...]:
        """Facets touched, in the order of `Facet`."""
        touched = (
            (Facet.MODEL, self.model is not None),
            (Facet.PARAMETERS, bool(self.parameters)),
            (Facet.PROMPT, self.prompt is not None),
            (Facet.TRAFFIC, self.traffic is not None),
        )
        return tuple(facet for facet, is_touched in touched if is_touched)

    def inverted(self) -> "ConfigurationChanges":
        """The change that restores the old value of each facet touched here."""
        return ConfigurationChanges(
            model=ModelChange(old=self.model.new, new=self.model.old) if self.model else None,
            prompt=PromptChange(old=self.prompt.new, new=self.prompt.old) if self.prompt else None,
            parameters=tuple(
                ParameterChange(name=change.name, old=change.new, new=change.old) for change in self.parameters
            ),
        )


def changes_between(old: Configuration, new: Configuration) -> ConfigurationChanges:
    """The change that turns one configuration into another; empty when they are equal."""
    names = sorted(old.parameters.keys() | new.parameters.keys())
    return ConfigurationChanges(
        model=ModelChange(old=old.model, new=new.model) if old.model != new.model else None,
        prompt=PromptChange(old=old.prompt, new=new.prompt) if old.prompt != new.prompt else None,
        parameters=tuple(
            ParameterChange(name=name, old=old.parameters.get(name), new=new.parameters.get(name))
            for name in names
            if old.parameters.get(name) != new.parameters.get(name)
        ),
    )


def _replaced(parameters: dict[str, ParameterValue], changes: tuple[ParameterChange, ...]) -> dict[str, ParameterValue]:
    result = dict(parameters)
    for change in changes:
        if change.new is None:
            result.pop(change.name, None)
        else:
            result[change.name] = change.new
    return dict(sorted(result.items()))


_CANONICAL = msgspec.json.Encoder(order="sorted")
