"""What is known of each model on a scope: what catalogue and analyzer say, with what ramps measured not long ago."""

from collections.abc import Mapping

from msgspec import UNSET

from ..model.metrics import ModelEstimate
from ..model.policy import Policy
from ..model.state import ColdState, Live
from .estimates import estimate_in_use, pooled
from .priors import refined

NOT_MEASURED = Live()


def known_models(policy: Policy, cold: ColdState, at_ms: int, live: Live = NOT_MEASURED) -> Mapping[str, ModelEstimate]:
    """The best word on each model, by name. A word on the scope goes before the catalogue's.

    The catalogue is what operators told the engine, else the policy's. A retired model is not known, unless it is in
    use. With the measurements of the model in use, what other scopes measured of another against it counts too.

    >>> known_models(Policy(), ColdState(), 0)
    {}
    """
    knowledge = cold.knowledge
    catalog = knowledge.catalog
    if not (policy.catalog or catalog or knowledge.priors or cold.measured):
        return cold.estimates
    known = {estimate.model: estimate for estimate in policy.catalog}
    if catalog:
        known |= {model: entry.estimate for model, entry in catalog.items()}
    known |= cold.estimates
    if knowledge.priors and cold.configuration is not None:
        in_use = estimate_in_use(live, cold.configuration.model)
        if in_use is not None:
            known = refined(known, in_use, knowledge.priors)
    for model, measured in cold.measured.items():
        if at_ms - measured.at_ms <= policy.pareto.measured_for_ms:
            told = known.get(model)
            known[model] = measured.estimate if told is None else pooled(told, measured.estimate)
    for model, entry in catalog.items():
        if entry.is_retired and not _is_in_use(model, cold):
            known.pop(model, None)
    return known


def _is_in_use(model: str, cold: ColdState) -> bool:
    return cold.configuration is not None and cold.configuration.model == model


def provider_of(model: str, policy: Policy, cold: ColdState) -> str:
    """Who serves a model: as the catalogue, the analyzer or the policy says, else the model stands for itself.

    >>> provider_of("premium", Policy(), ColdState())
    'premium'
    """
    listed, told = cold.knowledge.catalog.get(model), cold.estimates.get(model)
    for said in (None if listed is None else listed.estimate, told):
        if said is not None and said.provider is not UNSET:
            return said.provider
    for it in policy.catalog:
        if it.model == model and it.provider is not UNSET:
            return it.provider
    return model
