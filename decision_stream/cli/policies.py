"""The policies of a search: a settings file with some keys set anew."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..model.policy import Policy
from ..settings import PREFIX, SECTIONS, parse
from ..tools.policy_search import BadSpace


def policies(
    text: str, environment: Mapping[str, str], tried: Sequence[Mapping[str, Any]]
) -> list[tuple[Mapping[str, Any], Policy]]:
    """The policy of each candidate: a settings file with some keys set anew, under their names in the file.

    Raises `BadSpace` for a key that is none of a policy, `BadSettings` for a value that it cannot have.
    """
    known = {*SECTIONS, "strategies"} - {"kafka", "monitoring", "api"}
    made = []
    for settings in tried:
        told = {}
        for key, value in settings.items():
            section, dot, _ = key.partition(".")
            if section not in known or not dot:
                raise BadSpace(f"{key} is no key of a policy, such as ramp.alpha or strategies.pareto.config.min_gain")
            told[PREFIX + key.replace(".", "__").upper()] = json.dumps(value)
        made.append((settings, parse(text, {**environment, **told}).policy))
    return made
