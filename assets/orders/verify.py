"""Recomputing what the warehouse claims: content hashes, the ledger, and which positions are loaded.

The hashes do not depend on the order of rows, on batches or on the version of DuckDB: a row becomes
text, its MD5 a number, and a table the count and the sum of these.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from assets.contract.tables import BYTES, TABLES, Column
from assets.orders.plan import Coverage, Kind
from resources.errors import PermanentError
from resources.segments import Landing, Range
from resources.warehouse.warehouse import Warehouse

Place = tuple[str, str]
_NOT_STATE: Final = ("rejected_messages", "message_ledger")
_NOT_STATE_OF_EVENTS: Final = ("received_at", "feed", "partition", "position", "segment")
_SETTLED: Final = """
SELECT feed, partition, landed, accepted, duplicates, rejected,
       coalesce(events, 0) AS events, coalesce(letters, 0) AS letters
FROM store.message_ledger
FULL JOIN (SELECT feed, partition, count(*) AS events FROM store.order_events GROUP BY ALL)
    USING (feed, partition)
FULL JOIN (SELECT feed, partition, count(*) AS letters FROM store.rejected_messages
           WHERE state <> 'replayed' GROUP BY ALL) USING (feed, partition)
ORDER BY feed, partition
"""
_LOADED: Final = """
SELECT feed, partition, first_position, last_position, rows FROM store.loaded_ranges ORDER BY ALL
"""


@dataclass(frozen=True, slots=True)
class Verification:
    """What a verification found; `pending` is how many landed messages are not loaded yet, which is no fault.

    A problem is one line that names the feed and partition and both figures.
    """

    state_hash: str
    full_hash: str
    ledger_problems: tuple[str, ...]
    range_problems: tuple[str, ...]
    pending: int

    @property
    def is_clean(self) -> bool:
        """Tell whether nothing contradicts anything."""
        return not self.ledger_problems and not self.range_problems


def verify(warehouse: Warehouse, landing: Landing) -> Verification:
    """Recompute hashes and ledger, and compare the loaded ranges with what the segments hold.

    Reads the keys of every segment. Raises what `Warehouse.writing` raises, PermanentError when there is
    no warehouse.
    """
    if not warehouse.exists():
        raise PermanentError(f"there is no warehouse at {warehouse.path} yet: run `orders run` first")
    with warehouse.writing() as connection:
        loaded = _LoadedRanges.read(connection)
        for span, positions in _landed(landing):
            loaded.meet(span, positions)
        return Verification(
            state_hash=state_hash(connection),
            full_hash=full_hash(connection),
            ledger_problems=tuple(_ledger_problems(connection, loaded.rows_by_place())),
            range_problems=tuple(loaded.problems()),
            pending=loaded.pending,
        )


def recount(landing: Landing) -> dict[Place, int]:
    """Return how many messages the segments hold by (feed, partition), those in two segments once."""
    rows: dict[Place, int] = {}
    for span, positions in _landed(landing):
        place = (span.feed, span.partition)
        rows[place] = rows.get(place, 0) + len(positions)
    return rows


def state_hash(connection: duckdb.DuckDBPyConnection, schema: str = "main") -> str:
    """Return the hash of what the events say, however they arrived.

    `schema` holds the public views; that of a published copy is `main` as well.
    """
    return _digest(table_hashes(connection, state_columns(), schema))


def full_hash(connection: duckdb.DuckDBPyConnection, schema: str = "main") -> str:
    """Return the hash of all tables, which a rebuild must give again."""
    return _digest(table_hashes(connection, {name: spec.columns for name, spec in TABLES.items()}, schema))


def state_columns() -> dict[str, tuple[Column, ...]]:
    """Return the columns that the state hash covers, by table."""
    columns = {name: spec.columns for name, spec in TABLES.items() if name not in _NOT_STATE}
    events = columns["order_events"]
    columns["order_events"] = tuple(c for c in events if c.name not in _NOT_STATE_OF_EVENTS)
    return columns


def table_hashes(
    connection: duckdb.DuckDBPyConnection, columns: Mapping[str, Iterable[Column]], schema: str = "main"
) -> dict[str, str]:
    """Return `rows:sum` of each table over the given columns."""
    hashes = {}
    for table, wanted in columns.items():
        # Lengths keep neighbours apart: ('ab', 'c') is not ('a', 'bc').
        text = " || ".join(_as_text(column) for column in wanted)
        number = f"('0x' || left(md5({text}), 16))::UBIGINT"
        query = f'SELECT count(*), coalesce(sum({number}), 0) FROM "{schema}"."{table}"'
        [(rows, total)] = connection.execute(query).fetchall()
        hashes[table] = f"{rows}:{total}"
    return hashes


def _as_text(column: Column) -> str:
    name = f'"{column.name}"'
    value = f"hex({name})" if column.sql_type == BYTES else f"{name}::VARCHAR"
    return f"coalesce(strlen({value}) || ':' || {value}, '-')"


def _digest(hashes: Mapping[str, str]) -> str:
    return sha256("\n".join(f"{table} {hashes[table]}" for table in sorted(hashes)).encode()).hexdigest()


def _landed(landing: Landing) -> Iterator[tuple[Range, npt.NDArray[np.int64]]]:
    """Yield each range of the segments with the positions in it that no earlier segment held."""
    covered = Coverage()
    for segment in landing.segments():
        keys = landing.read(segment, ["feed", "partition", "position"])
        for span in segment.ranges:
            mask = pc.and_(pc.equal(keys["feed"], span.feed), pc.equal(keys["partition"], span.partition))
            positions = np.asarray(keys["position"].filter(mask).to_numpy(), dtype=np.int64)
            for first, last in covered.missing(span):
                covered.add(span.feed, span.partition, first, last)
                inside = positions[(positions >= first) & (positions <= last)]
                yield Range(span.feed, span.partition, first, last, len(inside)), inside


@dataclass(slots=True)
class _LoadedRanges:
    """The loaded ranges of each place, ascending: first, last and rows as loaded, `met` as landed."""

    first: dict[Place, npt.NDArray[np.int64]]
    last: dict[Place, npt.NDArray[np.int64]]
    rows: dict[Place, npt.NDArray[np.int64]]
    met: dict[Place, npt.NDArray[np.int64]] = field(default_factory=dict)
    pending: int = 0

    @classmethod
    def read(cls, connection: duckdb.DuckDBPyConnection) -> "_LoadedRanges":
        table = connection.sql(_LOADED).to_arrow_table()
        ranges = cls({}, {}, {})
        for place in set(zip(table["feed"].to_pylist(), table["partition"].to_pylist(), strict=True)):
            mask = pc.and_(pc.equal(table["feed"], place[0]), pc.equal(table["partition"], place[1]))
            part = table.filter(mask)
            ranges.first[place] = _whole(part, "first_position")
            ranges.last[place] = _whole(part, "last_position")
            ranges.rows[place] = _whole(part, "rows")
            ranges.met[place] = np.zeros(len(part), dtype=np.int64)
        return ranges

    def meet(self, span: Range, positions: npt.NDArray[np.int64]) -> None:
        """Count landed positions into the loaded range that they are in."""
        place = (span.feed, span.partition)
        if place not in self.first:
            self.pending += len(positions)
            return
        index = np.searchsorted(self.first[place], positions, side="right") - 1
        inside = (index >= 0) & (positions <= self.last[place][np.maximum(index, 0)])
        np.add.at(self.met[place], index[inside], 1)
        self.pending += int(np.count_nonzero(~inside))

    def rows_by_place(self) -> dict[Place, int]:
        """Return how many messages the segments hold in the loaded ranges of each place."""
        return {place: int(met.sum()) for place, met in self.met.items()}

    def problems(self) -> Iterator[str]:
        """Yield what is loaded twice, and what is loaded and not landed."""
        for place in sorted(self.first):
            first, last, rows, met = (part[place] for part in (self.first, self.last, self.rows, self.met))
            name = "/".join(place)
            for index in np.flatnonzero(first[1:] <= last[:-1]).tolist():
                yield f"{name}: the loaded ranges meet at position {first[index + 1]}"
            for index in np.flatnonzero(rows != met).tolist():
                yield (
                    f"{name}: positions {first[index]} to {last[index]} are loaded with {rows[index]} "
                    f"messages, of which the segments hold {met[index]}"
                )


def _whole(table: pa.Table, column: str) -> npt.NDArray[np.int64]:
    return np.asarray(table[column].to_numpy(), dtype=np.int64)


def _ledger_problems(connection: duckdb.DuckDBPyConnection, landed: Mapping[Place, int]) -> Iterator[str]:
    """Yield where the ledger does not balance or differs from the tables and the segments."""
    seen: set[Place] = set()
    for feed, partition, *counts in connection.execute(_SETTLED).fetchall():
        name = f"{feed}/{partition}"
        seen.add((feed, partition))
        if counts[0] is None:
            yield f"{name}: the ledger lacks it, but it has messages"
            continue
        ledger_landed, accepted, duplicates, rejected, events, letters = counts
        if ledger_landed != accepted + duplicates + rejected:
            yield f"{name}: {ledger_landed} landed, but {accepted} + {duplicates} + {rejected} settled"
        if ledger_landed != landed.get((feed, partition), 0):
            held = landed.get((feed, partition), 0)
            yield f"{name}: {ledger_landed} landed by the ledger, {held} by the segments"
        if feed not in (Kind.DECISIONS, Kind.OBSERVATIONS) and accepted != events:
            yield f"{name}: {accepted} accepted by the ledger, {events} in order_events"
        if rejected != letters:
            yield f"{name}: {rejected} rejected by the ledger, {letters} in rejected_messages"
    for feed, partition in sorted(landed.keys() - seen):
        yield f"{feed}/{partition}: the ledger lacks it, but it has loaded messages"
