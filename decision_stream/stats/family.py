"""Several claims at once: chances of any false one, kept at the level of a single claim."""

from collections.abc import Mapping


def shared(alpha: float, claims: int) -> float:
    """Bonferroni's share of alpha for each of so many claims. Valid under any dependence and any looking.

    >>> shared(0.05, 4)
    0.0125
    """
    if claims < 1 or not 0.0 < alpha < 1.0:
        raise ValueError(f"at least one claim and alpha inside (0, 1) are needed, found {claims} and {alpha}")
    return alpha / claims


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """P-values adjusted after Holm (1979), by name: those at or below alpha may all be claimed at level alpha.

    Fed with p-values that are valid at any time (such as those of `reflection` or `e_process`), the family is valid at
    any time as well. Ties are broken by name. ValueError for a value outside [0, 1].

    >>> holm({"b": 0.01, "a": 0.04, "c": 0.03})
    {'b': 0.03, 'c': 0.06, 'a': 0.06}
    """
    if any(not 0.0 <= value <= 1.0 for value in p_values.values()):
        raise ValueError(f"p-values must lie inside [0, 1], found {dict(p_values)}")
    adjusted: dict[str, float] = {}
    largest = 0.0
    for rank, (name, value) in enumerate(sorted(p_values.items(), key=lambda item: (item[1], item[0]))):
        largest = max(largest, min(1.0, value * (len(p_values) - rank)))
        adjusted[name] = largest
    return adjusted
