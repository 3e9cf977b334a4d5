"""Every public thing of the statistics says what it means, shows an example that runs, and names where it is from."""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator

import pytest

import decision_stream.stats as room

MODULES = [module.name for module in pkgutil.walk_packages(room.__path__, room.__name__ + ".") if not module.ispkg]
OF_NO_PAPER = {
    "bandits.linear_bandit",
    "bandits.pending",
    "bandits.protocol",
    "bandits.setting",
    "bandits.shipped",
    "difference",
    "search.space",
}
"""Values, interfaces and constants; whatever else is here was published first."""
YEAR = re.compile(r"\b(1[89]|20)\d\d\b")


def public(module) -> Iterator[tuple[str, object]]:
    """Functions and classes that a module defines."""
    for name, thing in vars(module).items():
        named = inspect.isfunction(thing) or inspect.isclass(thing) or hasattr(thing, "__wrapped__")
        if named and not name.startswith("_") and thing.__module__ == module.__name__:
            yield name, thing


def members(thing: type) -> Iterator[tuple[str, str | None]]:
    """Public methods and properties of a class, with their docstrings."""
    for name, member in vars(thing).items():
        function = getattr(member, "fget", None) or getattr(member, "__func__", member)
        if not name.startswith("_") and inspect.isfunction(function):
            yield name, function.__doc__


def faults(module) -> list[str]:
    found = [] if (module.__doc__ or "").strip().endswith(('"', ".", ")", ":")) else ["the module says nothing"]
    for name, thing in public(module):
        # A dataclass without a docstring is given its signature for one.
        doc = "" if (thing.__doc__ or "").startswith(f"{name}(") else thing.__doc__ or ""
        if not doc.strip():
            found.append(f"{name} says nothing")
        if inspect.isclass(thing):
            methods = dict(members(thing))
            found += [f"{name}.{method} says nothing" for method, text in methods.items() if not (text or "").strip()]
            shown = ">>>" in "".join([doc, *(text or "" for text in methods.values())])
            if methods and not shown:
                found.append(f"{name} shows no example")
        elif ">>>" not in doc:
            found.append(f"{name} shows no example")
    return found


@pytest.mark.parametrize("name", MODULES)
def test_public_things_are_told_and_shown(name):
    assert faults(importlib.import_module(name)) == []


@pytest.mark.parametrize("name", MODULES)
def test_what_was_published_names_its_source(name):
    module = importlib.import_module(name)
    texts = [module.__doc__ or "", *(thing.__doc__ or "" for _, thing in public(module))]
    texts += [text or "" for _, thing in public(module) if inspect.isclass(thing) for _, text in members(thing)]
    has_source = YEAR.search(" ".join(texts)) is not None
    assert has_source or name.removeprefix(room.__name__ + ".") in OF_NO_PAPER


def test_a_silent_function_is_noticed():
    module = type(importlib)("silent")
    exec("def shouted(x):\n    return x\n", module.__dict__)
    module.shouted.__module__ = "silent"
    assert faults(module) == ["the module says nothing", "shouted says nothing", "shouted shows no example"]
