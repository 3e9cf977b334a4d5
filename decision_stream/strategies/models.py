"""What is known of each model on a scope: what the catalogue says, until measurements are there."""

from ..model.metrics import ModelEstimate
from ..model.policy import Policy
from ..model.state import ColdState


def known_models(policy: Policy, cold: ColdState) -> dict[str, ModelEstimate]:
    """The best word on each model, by name.

    >>> known_models(Policy(), ColdState())
    {}
    """
    return {estimate.model: estimate for estimate in policy.catalog} | cold.estimates
