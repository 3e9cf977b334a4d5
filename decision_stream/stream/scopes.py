"""The scopes a worker owns: decoded on first use, the newest kept in memory, all of them in the table."""

from collections import OrderedDict

from .hardening.store import OwnedStore
from .incarnation import MARK_PREFIX
from .record import COLD_SUFFIX, Applied, StoredScope, cold_key, empty, load


class Scopes:
    """Reads and keeps stored scopes. A scope that is pushed out of memory is decoded from the table again."""

    def __init__(self, store: OwnedStore, kept: int) -> None:
        self._store = store
        self._kept = kept
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

    def put(self, scope: str, partition: int, applied: Applied) -> None:
        """Keep what applying an event came to."""
        self._taken_up.add(scope)
        self._decoded[scope] = applied.stored
        self._decoded.move_to_end(scope)
        for key, value in applied.writes:
            self._store.put(partition, key, value)
        if len(self._decoded) > self._kept:
            self._decoded.popitem(last=False)

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
