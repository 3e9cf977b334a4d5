"""Values are trees, so the cyclic garbage collector has no business with them."""

import importlib
import pkgutil

from msgspec import Struct

import decision_stream

ROOMS = ("stats", "model", "strategies", "engine", "wire", "stream")
PLACES = tuple(f"decision_stream.{room}." for room in ROOMS)
# A struct with a dictionary of its own, for what is cached of it, is always tracked; msgspec refuses to say otherwise.
CACHING = {"Configuration", "ModelEstimate", "Policy", "ReferenceRange", "View"}


def _structs() -> list[type[Struct]]:
    for module in pkgutil.walk_packages(decision_stream.__path__, "decision_stream."):
        if module.name.split(".")[1] in ROOMS:
            importlib.import_module(module.name)
    found, waiting = [], [Struct]
    while waiting:
        below = waiting.pop().__subclasses__()
        waiting += below
        found += [struct for struct in below if struct.__module__.startswith(PLACES)]
    return found


def test_the_collector_passes_over_frozen_values_and_over_no_others():
    # One that could change could be made part of a cycle after the fact, and would never be freed.
    structs = _structs()
    assert len(structs) > 100
    astray = {struct.__name__ for struct in structs if struct.__struct_config__.gc == struct.__struct_config__.frozen}
    assert astray <= CACHING
