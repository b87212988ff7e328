"""Which loads may hold some keys, so that a look-up need not read the keys of all history.

The keys of loaded events and of their orders are kept in sorted runs beside the warehouse, but for those of
the last loads, which are few. The runs say where to look, never what is there: that is for the table.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import duckdb
import numpy as np
import numpy.typing as npt

from resources.warehouse.runs import Run, Runs

TAIL_EVENTS: Final = 150_000
"""How many events may have no run yet: to scan their keys costs a few milliseconds."""
_CHUNK_EVENTS: Final = 750_000
# A load is known by its time, too: after a backup was restored, another one gets the same number.
_MARKS: Final = "SELECT load_no, epoch_us(loaded_at) FROM store.loads WHERE load_no IN ({ends})"
_TAIL: Final = "SELECT coalesce(sum(messages), 0)::BIGINT FROM store.loads WHERE load_no > $through"
_LOADS: Final = """
SELECT load_no, messages, epoch_us(loaded_at) FROM store.loads WHERE load_no > $through ORDER BY load_no
"""
_KEYS: Final = """
SELECT unnest([event_key, order_key]) AS key, load_no::UINTEGER AS load_no FROM store.order_events
WHERE load_no BETWEEN $first AND $last
"""


@dataclass(slots=True)
class _Load:
    number: int
    messages: int
    mark: int


@dataclass(slots=True)
class KnownEvents:
    """The keys of the events in a warehouse, and of their orders, for the holder of its lease."""

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
        self._trusted = self.runs.whole(self._marks(self.runs.numbers()))
        self._tail = int(self._rows(_TAIL, through=self.through)[0][0])
        if self._tail >= self.tail_events:
            for chunk in _chunks([_Load(*row) for row in self._rows(_LOADS, through=self.through)]):
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

    def first_loads(self, *wanted: npt.NDArray[np.uint64]) -> list[int]:
        """Return for each set of keys, of events or of orders, a load before which none of them is."""
        found = self.runs.find(wanted, self._trusted)
        return [int(loads[0]) if len(loads) else self.through + 1 for loads in found]

    def _marks(self, ends: list[int]) -> dict[int, int]:
        return dict(self._rows(_MARKS.format(ends=", ".join(map(str, ends))))) if ends else {}

    def _rows(self, query: str, **parameters: object) -> list[Any]:
        return self.connection.execute(query, parameters).fetchall()

    def _add(self, loads: list[_Load]) -> None:
        first, last = self.through + 1, loads[-1]
        found = self.connection.execute(_KEYS, {"first": first, "last": last.number}).fetchnumpy()
        run = Run(first, last.number, last.mark, len(found["key"]))
        self._trusted = self.runs.add(run, found["key"], found["load_no"], self._trusted)


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
