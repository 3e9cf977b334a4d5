"""How much quality a change may still give up: what the policy allows is for all changes together, not for each."""

from math import exp

from ..model.policy import ParetoPolicy
from ..model.state import ColdState


def least_share(cold: ColdState, rules: ParetoPolicy) -> float:
    """Share of the present quality that a change must keep, at most 1.

    With each change judged against the last alone, ten of them could give up a fifth of the quality. So it is counted
    against the first configuration; what changes have gained is not there to be spent.

    >>> from decision_stream.model.configuration import Configuration
    >>> from decision_stream.model.state import ConfigurationVersion
    >>> version = ConfigurationVersion(configuration=Configuration(model="m"), since_ms=0, quality=-0.015)
    >>> [round(least_share(cold, ParetoPolicy()), 3) for cold in (ColdState(), ColdState(history=(version,)))]
    [0.98, 0.995]
    """
    stands = min(0.0, cold.history[-1].quality) if cold.history else 0.0
    return min(1.0, (1.0 - rules.max_quality_loss) / exp(stands))
