"""Merging small segments into larger ones: a day of streaming must not leave a hundred thousand files.

Only neighbours in landing order are merged, whatever their feeds: row by row in that order, with the
landing time of the last one. So everything that goes by landing order, a rebuild above all, meets the same
messages in the same order, whether it finds the parts, the merged segment, or after a crash both of them.
Each row keeps the name of the segment in which it landed.
"""

import json
import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from resources.brokers.address import OWN_FEEDS
from resources.crashpoints import reached
from resources.durable import sync_folder
from resources.segments import FOOTER_KEY, NAME, SCHEMA, Landing, Range, Segment, segment_writer

FAN_IN: Final = 12
"""How many neighbours of about one size are merged at once, at least: more where more are there."""
MERGED_BYTES: Final = 16 * 1024 * 1024
"""No merged segment has more bytes of bodies: as large as LAND itself writes them."""
_MOST_PARTS: Final = 256
_SMALLEST: Final = 64 * 1024
_GROUP_BYTES: Final = 4 * 1024 * 1024
_SCHEMA: Final = SCHEMA.append(pa.field(NAME, pa.string()))


@dataclass(frozen=True, slots=True)
class Merge:
    """Neighbours that are to become one segment."""

    parts: tuple[Segment, ...]

    @property
    def ranges(self) -> tuple[Range, ...]:
        """What the merged segment covers: exactly the ranges of its parts, those of a partition as one.

        LAND only ever goes on, so between two neighbours nothing of their partition can land any more.
        """
        found: dict[tuple[str, str], Range] = {}
        for part in self.parts:
            for span in part.ranges:
                before = found.get((span.feed, span.partition))
                first, rows = (span.first, 0) if before is None else (before.first, before.rows)
                found[(span.feed, span.partition)] = Range(
                    span.feed, span.partition, first, span.last, rows + span.rows
                )
        return tuple(found.values())


def due_merge(
    segments: Sequence[Segment], loaded: Collection[str], *, fan_in: int = FAN_IN, most: int = MERGED_BYTES
) -> Merge | None:
    """Return the next merge that is worth its cost, None when there is none: size-tiered, small ones first.

    `segments` are in landing order. Those whose names are not in `loaded`, and those of the platform's own
    feeds, are left alone, and their neighbours on both sides stay apart.
    """
    tier = _SMALLEST
    while tier < most:
        for run in _runs(segments, loaded, tier):
            for parts in _cut(run, fan_in, most):
                return Merge(tuple(parts))
        tier *= fan_in
    return None


def leftovers(segments: Sequence[Segment]) -> list[Segment]:
    """Return the parts that a crash left beside the merged segment that has taken their place."""
    replaced = {name for segment in segments for name in segment.parts}
    return [segment for segment in segments if segment.name in replaced]


def merged_name(merge: Merge) -> str:
    """Return the name of the merged segment: that of its last part's landing, and how many rows it has."""
    stamp = merge.parts[-1].landed_at.strftime("%Y%m%dT%H%M%S%f")
    return f"{stamp}-merged-{sum(part.rows for part in merge.parts)}.parquet"


@contextmanager
def written(landing: Landing, merge: Merge) -> Iterator[Path]:
    """Write the merged segment under a name that nobody takes for a segment, durably; lend its path.

    What is still there at the end of the `with` is deleted. Raises TransientError when the disk is nearly
    full.
    """
    landing.guard_disk()
    for torn in landing.root.glob(".*-merged-*.partial"):
        # One process merges at a time: whoever wrote this is dead.
        torn.unlink()
    partial = landing.root / f".{merged_name(merge)}.{os.getpid()}.partial"
    try:
        with partial.open("wb") as sink:
            with segment_writer(sink, _SCHEMA) as writer:
                _write(landing, merge, writer)
            reached("merge.written")
            sink.flush()
            os.fsync(sink.fileno())
        yield partial
    finally:
        partial.unlink(missing_ok=True)


def put_in_place(landing: Landing, merge: Merge, partial: Path) -> None:
    """Let the merged segment take the place of its parts, each step durable before the next."""
    partial.rename(landing.root / merged_name(merge))
    reached("merge.renamed")
    sync_folder(landing.root)
    reached("merge.durable")
    landing.delete(merge.parts)
    reached("merge.deleted")


def _write(landing: Landing, merge: Merge, writer: pq.ParquetWriter) -> None:
    """Copy row by row, in row groups that are worth their metadata, about one of them in memory at a time."""
    waiting: list[pa.Table] = []
    size = 0
    for part in merge.parts:
        for table in landing.row_groups(part, _SCHEMA.names):
            waiting.append(table.cast(_SCHEMA))
            size += waiting[-1].nbytes
            if size >= _GROUP_BYTES:
                writer.write_table(pa.concat_tables(waiting), row_group_size=1 << 20)
                waiting, size = [], 0
    if waiting:
        writer.write_table(pa.concat_tables(waiting), row_group_size=1 << 20)
    footer = {
        "landed_at": merge.parts[-1].landed_at.isoformat(),
        "ranges": [[s.feed, s.partition, s.first, s.last, s.rows] for s in merge.ranges],
        "body_bytes": sum(part.body_bytes for part in merge.parts),
        "parts": [part.name for part in merge.parts],
    }
    writer.add_key_value_metadata({FOOTER_KEY.decode(): json.dumps(footer)})


def _runs(segments: Sequence[Segment], loaded: Collection[str], tier: int) -> Iterator[list[Segment]]:
    """Yield stretches of neighbours that are at most as large as the tier and continue one another."""
    run: list[Segment] = []
    last: dict[tuple[str, str], int] = {}
    for segment in segments:
        is_own = any(span.feed in OWN_FEEDS for span in segment.ranges)
        is_candidate = segment.body_bytes <= tier and segment.name in loaded and not is_own
        goes_on = all(span.first > last.get((span.feed, span.partition), -1) for span in segment.ranges)
        if not (is_candidate and goes_on):
            yield run
            run, last = [], {}
        if is_candidate:
            run.append(segment)
            last |= {(span.feed, span.partition): span.last for span in segment.ranges}
    yield run


def _cut(run: Sequence[Segment], fan_in: int, most: int) -> Iterator[list[Segment]]:
    """Yield groups of neighbours that fill one segment, or are at least `fan_in`."""
    group: list[Segment] = []
    size = 0
    for segment in run:
        if size + segment.body_bytes > most or len(group) == _MOST_PARTS:
            if len(group) > 1:
                yield group
            group, size = [], 0
        group.append(segment)
        size += segment.body_bytes
    if len(group) >= fan_in:
        yield group
