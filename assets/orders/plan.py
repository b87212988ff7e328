"""Which segments are not loaded yet, cut into batches."""

import logging
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

import duckdb
import pyarrow.compute as pc

from resources.errors import PermanentError
from resources.segments import Landing, Range, Segment

_FIRST_ROWS = 61_440
_log = logging.getLogger(__name__)


class Kind(StrEnum):
    """What the messages of a batch are; a batch holds one kind, so that their order is kept."""

    ORDERS = "orders"
    DECISIONS = "decisions"
    OBSERVATIONS = "observations"


@dataclass(slots=True)
class BatchPlan:
    """Segments to settle in one transaction, and the ranges of theirs that are not loaded yet.

    `partial` names the segments that also hold positions which are loaded already, or which another segment
    of the batch holds, too: of them only these ranges count.
    """

    kind: Kind
    segments: list[Segment] = field(default_factory=list)
    ranges: list[Range] = field(default_factory=list)
    partial: dict[str, list[Range]] = field(default_factory=dict)
    body_bytes: int = 0
    rows: int = 0


@dataclass(slots=True)
class Coverage:
    """The union of position intervals of each partition."""

    _spans: dict[tuple[str, str], list[tuple[int, int]]] = field(default_factory=dict)

    def add(self, feed: str, partition: str, first: int, last: int) -> None:
        """Cover first..last, which must not overlap what is covered."""
        spans = self._spans.setdefault((feed, partition), [])
        spans.insert(bisect_left(spans, (first, last)), (first, last))

    def missing(self, span: Range) -> list[tuple[int, int]]:
        """Return the parts of `span` that are not covered, ascending."""
        spans = self._spans.get((span.feed, span.partition), [])
        start, gaps = span.first, []
        index = max(bisect_left(spans, (span.first, span.first)) - 1, 0)
        for first, last in spans[index:]:
            if first > span.last:
                break
            if last < start:
                continue
            if first > start:
                gaps.append((start, first - 1))
            start = last + 1
        if start <= span.last:
            gaps.append((start, span.last))
        return gaps

    def ends(self) -> dict[tuple[str, str], int]:
        """Return the last covered position of each partition."""
        return {place: spans[-1][1] for place, spans in self._spans.items()}


def pending_batches(
    connection: duckdb.DuckDBPyConnection, landing: Landing, *, batch_bytes: int, batch_rows: int
) -> list[BatchPlan]:
    """Return what is not loaded, in landing order, in batches of about `batch_bytes` of bodies.

    Raises what `demand_nothing_lost` raises.
    """
    loaded = _loaded(connection)
    _demand_all_of(loaded, landing)
    known = {row[0] for row in connection.execute("SELECT name FROM store.loaded_segments").fetchall()}
    unknown = landing.segments(but=known)
    if not unknown:
        return []
    # A merged segment whose parts are loaded has nothing left: it need not be read.
    found = [entry for entry in _uncovered(unknown, landing, loaded) if entry[1]]
    plans = list(_cut(found, batch_bytes, batch_rows))
    for number, plan in enumerate(plans, 1):
        for segment in plan.segments:
            text = "batch %d of %d: %d messages in segment %s"
            _log.info(text, number, len(plans), segment.rows, segment.name, extra={"segment": segment.name})
    return plans


def demand_nothing_lost(connection: duckdb.DuckDBPyConnection, landing: Landing) -> None:
    """Raise PermanentError when the landing folder ends before what was loaded from it.

    LAND takes its position from the folder, so it would use lost positions again, and LOAD would take
    the new messages for loaded ones. To be called before landing, too.
    """
    _demand_all_of(_loaded(connection), landing)


def _loaded(connection: duckdb.DuckDBPyConnection) -> Coverage:
    loaded = Coverage()
    query = "SELECT feed, partition, first_position, last_position FROM store.loaded_ranges ORDER BY ALL"
    for row in connection.execute(query).fetchall():
        loaded.add(*row)
    return loaded


def _demand_all_of(loaded: Coverage, landing: Landing) -> None:
    ends = loaded.ends()
    for segment in landing.latest_first() if ends else ():
        for span in segment.ranges:
            if span.last >= ends.get((span.feed, span.partition), span.last + 1):
                del ends[span.feed, span.partition]
        if not ends:
            return
    for (feed, partition), last in ends.items():
        landed = landing.last_position(feed, partition)
        if landed is None or landed < last:
            raise PermanentError(
                f"{landing.root} has lost segments of feed {feed}, partition {partition}: {last} was loaded, "
                f"{landed} is the last that is there; restore the folder, or give up what is lost by "
                "`orders rebuild`"
            )


def _uncovered(
    segments: Iterable[Segment], landing: Landing, loaded: Coverage
) -> Iterator[tuple[Segment, list[Range], bool]]:
    for segment in segments:
        ranges: list[Range] = []
        is_partial = False
        for span in segment.ranges:
            gaps = loaded.missing(span)
            is_whole = gaps == [(span.first, span.last)]
            is_partial |= not is_whole
            for first, last in gaps:
                rows = span.rows if is_whole else _count_rows(landing, segment, span, first, last)
                loaded.add(span.feed, span.partition, first, last)
                # Between the ranges of its parts a merged segment holds nothing.
                if rows:
                    ranges.append(Range(span.feed, span.partition, first, last, rows))
        yield segment, ranges, is_partial


def _count_rows(landing: Landing, segment: Segment, span: Range, first: int, last: int) -> int:
    places = landing.read(segment, ["feed", "partition", "position"])
    mask = pc.and_(
        pc.and_(pc.equal(places["feed"], span.feed), pc.equal(places["partition"], span.partition)),
        pc.and_(pc.greater_equal(places["position"], first), pc.less_equal(places["position"], last)),
    )
    return int(pc.sum(mask).as_py() or 0)


def _cut(
    found: Iterable[tuple[Segment, list[Range], bool]], batch_bytes: int, batch_rows: int
) -> Iterator[BatchPlan]:
    # Nothing is settled while the first batch is decoded, so it is no large one.
    limit = min(batch_rows, _FIRST_ROWS)
    plan: BatchPlan | None = None
    for segment, ranges, is_partial in found:
        kind = _kind(segment)
        is_full = plan is not None and (
            plan.kind is not kind
            # One decision segment at a time, so that a rebuild settles them as they were settled first.
            or kind is Kind.DECISIONS
            or plan.body_bytes + segment.body_bytes > batch_bytes
            or plan.rows + segment.rows > limit
        )
        if plan is not None and is_full:
            yield plan
            limit = batch_rows
        if plan is None or is_full:
            plan = BatchPlan(kind)
        plan.segments.append(segment)
        plan.ranges.extend(ranges)
        if is_partial:
            plan.partial[segment.name] = ranges
        plan.body_bytes += segment.body_bytes
        plan.rows += segment.rows
    if plan is not None:
        yield plan


def _kind(segment: Segment) -> Kind:
    feed = segment.ranges[0].feed
    return Kind(feed) if feed in (Kind.DECISIONS, Kind.OBSERVATIONS) else Kind.ORDERS
