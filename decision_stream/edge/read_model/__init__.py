"""What the engine did, to be asked: one protocol, SQLite on one machine, Redis beside several API processes."""

from pathlib import Path

from ...model.policy import Policy
from ..api_settings import ApiSettings
from .in_redis import RedisReadModel
from .in_sqlite import SqliteReadModel
from .protocol import Filter, Keep, Message, Position, ReadModel, Rewound, Unavailable

__all__ = [
    "Filter",
    "Keep",
    "Message",
    "Position",
    "ReadModel",
    "RedisReadModel",
    "Rewound",
    "SqliteReadModel",
    "Unavailable",
    "open_read_model",
]


def open_read_model(settings: ApiSettings, namespace: str, policy: Policy | None = None) -> ReadModel:
    """The model of these settings; a Redis that is away is found out when it is asked, not here.

    `namespace` keeps engines apart that share a Redis. Raises ValueError for a URL that is none, without telling it,
    and `Unavailable` for a file that cannot be a read model.
    """
    keep = Keep(decisions=settings.keep_decisions, records=settings.keep_records)
    if settings.redis_url:
        return RedisReadModel(settings.redis_url, namespace, keep, policy)
    path = Path(settings.database)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return SqliteReadModel(path, keep, policy)
    except (Unavailable, OSError) as fault:
        raise Unavailable(f"api.database {path}: {fault}; delete it, and it is filled again from the topics") from None
