"""What an aggregate makes of one message: what it remembers from now on, and whom it tells what."""

from dataclasses import dataclass

from ..model.knowledge import Aggregate, CatalogNews, ProviderHealth, Quota

Content = ProviderHealth | CatalogNews | Quota


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclusion:
    """`mail` is content by scope, in the order of their names; `alert` the code and text of what humans are told."""

    aggregate: Aggregate
    mail: tuple[tuple[str, Content], ...] = ()
    alert: tuple[str, str] | None = None
