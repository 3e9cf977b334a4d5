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
        """Take in records of the changelog that came as Faust's events."""
        for event in batch:
            self.take_in(event.message.partition, (event.message,))

    def take_in(self, partition: int, records: Iterable[Any]) -> None:
        """Take in records of a partition's changelog, anything with a key and a value; a deleted key is forgotten.

        Damage ends the worker: Faust would try what cannot be read again and again for ever, neither ready nor ended.
        """
        data, partitions = self.data, self._key_partition
        for record in records:
            key, value = record.key, record.value
            if value is None:
                data.pop(key, None)
                partitions.pop(key, None)
                continue
            held = data.get(key)
            if held is None or self._supersedes(value, held):
                data[key] = value
                partitions[key] = partition

    def _supersedes(self, new: bytes, old: bytes) -> bool:
        try:
            return supersedes(new, old)
        except UnreadableState as fault:
            self.app.fail(f"the changelog cannot be read: {fault}")
            raise


class OwnedTable(Table):
    """A table over an `OwnedStore`. Writes go through the outlet, which sends the changelog itself."""

    def _new_store(self) -> OwnedStore:
        return OwnedStore("memory://", self.app, self, key_type=bytes, value_type=bytes, loop=self.loop)
