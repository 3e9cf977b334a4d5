"""What an aggregate makes of one message: what it remembers from now on, and whom it tells what."""

from dataclasses import dataclass

from ..model.knowledge import Aggregate, CatalogNews, FleetPause, Priors, ProviderHealth, Quota

Content = ProviderHealth | CatalogNews | Quota | Priors | FleetPause


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclusion:
    """`mail` is content by scope, in the order of their names, numbered as the aggregate's news.

    `answer` goes to the scope that told, numbered as what it told: it is no news to anybody else, and leaves no trace
    here. `alert` is the code and text of what humans are told.
    """

    aggregate: Aggregate
    mail: tuple[tuple[str, Content], ...] = ()
    answer: Content | None = None
    alert: tuple[str, str] | None = None
