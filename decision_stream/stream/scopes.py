"""The scopes a worker owns: decoded on first use, the newest kept in memory, all of them in the table."""

from collections import OrderedDict
from collections.abc import Callable

from .hardening.store import OwnedStore
from .incarnation import MARK_PREFIX
from .record import COLD_SUFFIX, StoredScope, cold_key, empty, load

Writes = tuple[tuple[bytes, bytes], ...]


class Scopes:
    """Reads and keeps stored scopes. A scope that is pushed out of memory is decoded from the table again.

    `before_eviction` is called with the name of a scope before that, to bring what is deferred of it into the table.
    """

    def __init__(self, store: OwnedStore, kept: int) -> None:
        self._store = store
        self._kept = kept
        self.before_eviction: Callable[[str], None] = lambda scope: None
        self._decoded: OrderedDict[str, StoredScope] = OrderedDict()
        self._taken_up: set[str] = set()
        self._generation = 1

    def get(self, scope: str) -> StoredScope:
        """The scope as stored; a scope met for the first time since the partitions were assigned begins a new epoch.

        Raises `UnreadableState`.
        """
        stored = self._decoded.get(scope)
        if stored is not None:
            self._decoded.move_to_end(scope)
            return stored
        hot = self._store.read(scope.encode())
        if hot is None:
            stored = empty(scope, self._generation)
        else:
            cold = self._store.read(cold_key(scope))
            generation = None if scope in self._taken_up else self._generation
            stored = load(scope, hot, cold, generation=generation)
        return stored

    def put(self, scope: str, stored: StoredScope) -> None:
        """Keep what applying an event came to."""
        self._taken_up.add(scope)
        # Where it was in memory, `get` has just moved it to the end.
        self._decoded[scope] = stored
        if len(self._decoded) > self._kept:
            oldest = next(iter(self._decoded))
            self.before_eviction(oldest)
            del self._decoded[oldest]

    def keep(self, partition: int, writes: Writes) -> None:
        """Bring what is written to the changelog into the table."""
        for key, value in writes:
            self._store.put(partition, key, value)

    def forget(self, generation: int) -> None:
        """Partitions have moved: decode from the recovered table, and begin new epochs in this generation."""
        self._generation = max(1, generation)
        self._decoded.clear()
        self._taken_up.clear()

    def names(self, partitions: set[int]) -> list[str]:
        """Names of the scopes in these partitions, sorted."""
        return [key.decode() for key in self._store.keys_of(partitions) if is_scope(key)]

    def peek(self, scope: str) -> StoredScope:
        """The scope as stored, without taking it up or moving it in memory."""
        return self._decoded.get(scope) or self.get(scope)


def is_scope(key: bytes) -> bool:
    """Whether a key of the table is a scope's hot record."""
    return not key.endswith(COLD_SUFFIX) and not key.startswith(MARK_PREFIX)
