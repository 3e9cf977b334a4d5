"""The table's store.

Knows which partition each key is of, and lets the newest record win whatever its place in the log.
"""

from collections.abc import Callable, Iterable
from typing import Any

from faust import Table
from faust.stores.memory import Store
from faust.types import EventT

from ..record import UnreadableState, supersedes


class OwnedStore(Store):
    """Memory store of encoded records.

    Stock Faust's memory store does not note the partition of local writes, so a worker keeps serving keys it no
    longer owns; and the last record of a key wins even when a replaced owner wrote it late.
    """

    def put(self, partition: int, key: bytes, value: bytes) -> None:
        """Keep a record that this worker wrote."""
        self.data[key] = value
        self._key_partition[key] = partition

    def read(self, key: bytes) -> bytes | None:
        """The record of a key, or None."""
        return self.data.get(key)

    def keys_of(self, partitions: Iterable[int]) -> list[bytes]:
        """Keys of these partitions, sorted."""
        wanted = set(partitions)
        return sorted(key for key, partition in self._key_partition.items() if partition in wanted)

    def apply_changelog_batch(
        self, batch: Iterable[EventT], to_key: Callable[[Any], Any], to_value: Callable[[Any], Any]
    ) -> None:
        """Take in records of the changelog; a deleted key is forgotten.

        Faust would try a batch that cannot be read again and again for ever, neither ready nor ended.
        """
        try:
            self._take_in(batch)
        except UnreadableState as fault:
            self.app.fail(f"the changelog cannot be read: {fault}")
            raise

    def _take_in(self, batch: Iterable[EventT]) -> None:
        for event in batch:
            key, value = event.message.key, event.message.value
            if value is None:
                self.data.pop(key, None)
                self._key_partition.pop(key, None)
                continue
            held = self.data.get(key)
            if held is None or supersedes(value, held):
                self.data[key] = value
                self._key_partition[key] = event.message.partition


class OwnedTable(Table):
    """A table over an `OwnedStore`. Writes go through the outlet, which sends the changelog itself."""

    def _new_store(self) -> OwnedStore:
        return OwnedStore("memory://", self.app, self, key_type=bytes, value_type=bytes, loop=self.loop)
