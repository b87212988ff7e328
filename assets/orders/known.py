"""Which loads may hold events of some keys, so that a look-up need not read the keys of all history.

The keys of what was loaded are kept in sorted runs beside the warehouse, but for those of the last loads,
which are few. The runs say where to look, never what is there: that is for the table.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import duckdb
import numpy as np
import numpy.typing as npt

from resources.warehouse.runs import Run, Runs

TAIL_EVENTS: Final = 150_000
"""How many events may have no run yet: to scan their keys costs a few milliseconds."""
_CHUNK_EVENTS: Final = 1_500_000
# A load is known by its time, too: after a backup was restored, another one gets the same number.
_LOADS: Final = """
SELECT load_no, messages, epoch_us(loaded_at) FROM store.loads
WHERE load_no > coalesce(list_max($ends), 0) OR list_contains($ends, load_no)
ORDER BY load_no
"""
_KEYS: Final = "SELECT event_key, load_no FROM store.order_events WHERE load_no BETWEEN $first AND $last"


@dataclass(slots=True)
class _Load:
    number: int
    messages: int
    mark: int


@dataclass(slots=True)
class KnownEvents:
    """The keys of the events in a warehouse, for the holder of its lease."""

    connection: duckdb.DuckDBPyConnection
    runs: Runs
    tail_events: int
    _trusted: list[Run] = field(default_factory=list)
    _tail: int = 0

    def __post_init__(self) -> None:
        """See which runs can be trusted."""
        self.catch_up()

    def catch_up(self) -> None:
        """Make runs of what was committed since the last one, when it is enough.

        Raises TransientError when one cannot be written.
        """
        ends = self.runs.numbers()
        loads = self._loads(ends)
        self._trusted = self.runs.whole({load.number: load.mark for load in loads})
        if ends and self.through < max(ends):
            loads = self._loads([self.through])
        tail = [load for load in loads if load.number > self.through]
        self._tail = sum(load.messages for load in tail)
        if self._tail >= self.tail_events:
            for chunk in _chunks(tail):
                self._add(chunk)
            self._tail = 0

    def note(self, messages: int) -> None:
        """Take in that a load was committed."""
        self._tail += messages
        if self._tail >= self.tail_events:
            self.catch_up()

    @property
    def through(self) -> int:
        """The last load whose events are in a run, 0 without any."""
        return self._trusted[-1].last if self._trusted else 0

    def first_load(self, keys: npt.NDArray[np.uint64]) -> int:
        """Return a load before which no event has any of the keys."""
        found = self.runs.find(keys, self._trusted)
        return int(found[0]) if len(found) else self.through + 1

    def _loads(self, ends: list[int]) -> list[_Load]:
        return [_Load(*row) for row in self.connection.execute(_LOADS, {"ends": ends}).fetchall()]

    def _add(self, loads: list[_Load]) -> None:
        first, last = self.through + 1, loads[-1]
        found = self.connection.execute(_KEYS, {"first": first, "last": last.number}).fetchnumpy()
        keys, numbers = found["event_key"], found["load_no"].astype(np.uint32)
        run = Run(first, last.number, last.mark, len(keys))
        self._trusted = self.runs.add(run, np.asarray(keys, np.uint64), numbers, self._trusted)


def _chunks(loads: list[_Load]) -> Iterator[list[_Load]]:
    chunk: list[_Load] = []
    messages = 0
    for load in loads:
        chunk.append(load)
        messages += load.messages
        if messages >= _CHUNK_EVENTS:
            yield chunk
            chunk, messages = [], 0
    if chunk:
        yield chunk
