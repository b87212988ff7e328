"""Reading and decoding one batch: all that LOAD can do before it needs the warehouse."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from assets.orders.decode import REJECTS_SCHEMA, Decoded, decode
from assets.orders.fold import winners_of
from assets.orders.keys import with_keys
from assets.orders.plan import BatchPlan, Kind
from assets.orders.rules import EVENTS_SCHEMA, LINES_SCHEMA
from resources.segments import Landing, Range, Segment

_GROUP_BYTES = 16 * 1024 * 1024
_NO_REJECTS = REJECTS_SCHEMA.append(pa.field("body", pa.large_binary())).empty_table()
Forced = dict[tuple[str, str, int], tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A decoded batch: `places` row by row, event_seq being the row number; raw bytes only of rejects.

    `places` has event_seq, feed, partition, position, received_at, segment; `events` the columns of the
    decoder and of `KEYS_SCHEMA`; `winners` the event_seq of those that win their orders; `rejects` the
    columns of `REJECTS_SCHEMA` and body; `controls` the bodies of a batch of decisions or observations.
    """

    places: pa.Table
    events: pa.Table
    lines: pa.Table
    winners: pl.Series
    rejects: pa.Table
    controls: tuple[bytes, ...]

    @property
    def messages(self) -> int:
        """The number of messages."""
        return len(self.places)


def prepare(landing: Landing, plan: BatchPlan, max_bytes: int, forced: Forced, workers: Executor) -> Prepared:
    """Read a batch and decode it; messages named in `forced` are rejected for the reason given there.

    Raw bytes are held for a group of segments at a time, one for each of the `workers`, so that a
    large batch needs little memory.
    """

    def decoded(segments: Sequence[Segment]) -> _Group:
        group = _decoded(_read(landing, segments, plan), plan.kind, max_bytes, forced)
        # What decoding freed is kept by its thread otherwise, a share of memory for each.
        pa.default_memory_pool().release_unused()
        return group

    parts = list(_groups(plan.segments))
    # A single group is decoded here: a thread for it would only come and go.
    groups = list(_numbered((workers.map if len(parts) > 1 else map)(decoded, parts)))

    def joined(name: str) -> pa.Table:
        return pa.concat_tables([getattr(group, name) for group in groups])

    controls = tuple(body for group in groups for body in group.controls)
    return prepared_events(joined("places"), joined("events"), joined("lines"), joined("rejects"), controls)


def prepared_events(
    places: pa.Table,
    events: pa.Table,
    lines: pa.Table,
    rejects: pa.Table = _NO_REJECTS,
    controls: tuple[bytes, ...] = (),
) -> Prepared:
    """Return what was decoded as a batch."""
    return Prepared(places, with_keys(events, lines), lines, winners_of(events), rejects, controls)


@dataclass(frozen=True, slots=True)
class _Group:
    places: pa.Table
    events: pa.Table
    lines: pa.Table
    rejects: pa.Table
    controls: tuple[bytes, ...] = ()


def _numbered(groups: Iterable[_Group]) -> Iterator[_Group]:
    """Number the messages of all groups in one go: each counts from 0."""
    start = 0
    for group in groups:
        places, events, lines, rejects = (
            _shifted(table, start) for table in (group.places, group.events, group.lines, group.rejects)
        )
        yield _Group(places, events, lines, rejects, group.controls)
        start += len(places)


def _groups(segments: Sequence[Segment]) -> Iterator[list[Segment]]:
    group: list[Segment] = []
    for segment in segments:
        if group and sum(s.body_bytes for s in group) + segment.body_bytes > _GROUP_BYTES:
            yield group
            group = []
        group.append(segment)
    yield group


def _read(landing: Landing, segments: Sequence[Segment], plan: BatchPlan) -> pa.Table:
    tables = []
    for segment in segments:
        table = landing.read(segment, ["feed", "partition", "position", "received_at", "body", "segment"])
        if segment.name in plan.partial:
            table = _within(table, plan.partial[segment.name])
        tables.append(table)
    return pa.concat_tables(tables)


def _decoded(messages: pa.Table, kind: Kind, max_bytes: int, forced: Forced) -> _Group:
    bodies = messages.column("body")
    sequence = pa.array(np.arange(len(messages), dtype=np.int64))
    places = messages.drop_columns(["body"]).add_column(0, "event_seq", sequence)
    if kind is not Kind.ORDERS:
        return _Group(places, *_nothing(), tuple(bodies.to_pylist()))
    decoded = _with_forced(decode(bodies, max_bytes=max_bytes), places, forced)
    rejects = decoded.rejects.append_column("body", bodies.take(decoded.rejects["event_seq"]))
    return _Group(places, decoded.events, decoded.lines, rejects)


def _shifted(table: pa.Table, start: int) -> pa.Table:
    return table.set_column(0, "event_seq", pc.add(table["event_seq"], start)) if start else table


def _within(table: pa.Table, ranges: list[Range]) -> pa.Table:
    keep = pa.repeat(False, len(table))
    for span in ranges:
        inside = pc.and_(
            pc.and_(pc.equal(table["feed"], span.feed), pc.equal(table["partition"], span.partition)),
            pc.and_(
                pc.greater_equal(table["position"], span.first), pc.less_equal(table["position"], span.last)
            ),
        )
        keep = pc.or_(keep, inside)
    return table.filter(keep)


def _with_forced(decoded: Decoded, places: pa.Table, forced: Forced) -> Decoded:
    if not forced:
        return decoded
    keys = zip(*(places[name].to_pylist() for name in ("feed", "partition", "position")), strict=True)
    chosen = {seq: forced[key] for seq, key in enumerate(keys) if key in forced}
    if not chosen:
        return decoded
    seqs = pa.array(sorted(chosen), pa.int64())
    rejects = pa.table(
        {
            "event_seq": seqs,
            "reason": [chosen[seq][0] for seq in sorted(chosen)],
            "detail": [chosen[seq][1] for seq in sorted(chosen)],
        },
        schema=REJECTS_SCHEMA,
    )
    rest = [_without(table, seqs) for table in (decoded.events, decoded.lines, decoded.rejects)]
    return Decoded(rest[0], rest[1], pa.concat_tables([rest[2], rejects]).sort_by("event_seq"))


def _without(table: pa.Table, seqs: pa.Array) -> pa.Table:
    return table.filter(pc.invert(pc.is_in(table["event_seq"], value_set=seqs)))


def _nothing() -> tuple[pa.Table, pa.Table, pa.Table]:
    return EVENTS_SCHEMA.empty_table(), LINES_SCHEMA.empty_table(), _NO_REJECTS
