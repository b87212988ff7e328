"""The landing folder: immutable Parquet segments of raw messages, the system of record.

A segment is durable once `Landing.append` returns: written, fsynced, renamed into place, its folder
fsynced. Segments know their ranges from the inside (the footer), never by their names.
"""

import json
import logging
import os
import shutil
from collections.abc import Iterator, Sequence, Set
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from resources.clock import Clock, SystemClock
from resources.crashpoints import reached
from resources.durable import sync_folder
from resources.errors import PermanentError, TransientError
from resources.leases import Lease, held

SCHEMA = pa.schema(
    [
        pa.field("feed", pa.string(), nullable=False),
        pa.field("partition", pa.string(), nullable=False),
        pa.field("position", pa.int64(), nullable=False),
        pa.field("received_at", pa.timestamp("us"), nullable=False),
        pa.field("key", pa.string()),
        pa.field("headers", pa.string()),
        pa.field("body", pa.large_binary(), nullable=False),
    ]
)
_log = logging.getLogger(__name__)
NAME = "segment"
"""The column in which a merged segment keeps where each of its messages landed."""
FOOTER_KEY = b"orders.segment"
_DELETINGS = ".deletings"
_LOOKS = 50
_MIN_FREE_BYTES = 2 * 1024**3
_MIN_FREE_SHARE = 0.05


@dataclass(frozen=True, slots=True, order=True)
class Range:
    """The positions `first` to `last` of one partition, of which a segment holds `rows` messages."""

    feed: str
    partition: str
    first: int
    last: int
    rows: int


@dataclass(frozen=True, slots=True)
class Segment:
    """One immutable file of the landing folder; `bytes` is its size on disk.

    `parts` are the names of those whose place a merged one has taken.
    """

    name: str
    path: Path
    ranges: tuple[Range, ...]
    landed_at: datetime
    bytes: int
    body_bytes: int
    parts: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """The number of messages that LAND wrote into it."""
        return sum(span.rows for span in self.ranges)


@dataclass(frozen=True, slots=True)
class Messages:
    """Consecutive messages of one partition; `keys` and `headers` may be absent."""

    partition: str
    positions: Sequence[int] | pa.Array
    bodies: Sequence[bytes] | pa.Array
    keys: Sequence[str | None] | pa.Array | None = None
    headers: Sequence[str | None] | pa.Array | None = None

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.positions)

    def table(self, feed: str, landed_at: datetime) -> pa.Table:
        """Return them as rows of a segment."""
        count = len(self)
        columns = {
            "feed": pa.repeat(feed, count),
            "partition": pa.repeat(self.partition, count),
            "position": pa.array(self.positions, pa.int64()),
            "received_at": pa.repeat(pa.scalar(_naive(landed_at), pa.timestamp("us")), count),
            "key": _optional_strings(self.keys, count),
            "headers": _optional_strings(self.headers, count),
            "body": self.bodies
            if isinstance(self.bodies, pa.Array)
            else pa.array(self.bodies, pa.large_binary()),
        }
        return pa.table(columns, schema=SCHEMA)


@dataclass(slots=True)
class Landing:
    """Appends to and lists the landing folder `root`; any number of processes may do so."""

    root: Path
    clock: Clock = field(default_factory=SystemClock)
    lease_timeout_s: float = 60.0
    _known: dict[str, Segment] = field(default_factory=dict, repr=False)

    def append(
        self,
        *,
        feed: str,
        partition: str,
        positions: Sequence[int] | pa.Array,
        bodies: Sequence[bytes] | pa.Array,
        keys: Sequence[str | None] | pa.Array | None = None,
        headers: Sequence[str | None] | pa.Array | None = None,
    ) -> Segment:
        """Land messages of one partition as one segment; otherwise like `append_all`."""
        return self.append_all(feed, [Messages(partition, positions, bodies, keys, headers)])

    def append_all(self, feed: str, parts: Sequence[Messages]) -> Segment:
        """Land messages, also of several partitions, as one segment, row by row in this order.

        When this returns they survive a loss of power. Positions ascend within a partition. Raises
        TransientError when the disk is nearly full or the landing lock is held for longer than
        `lease_timeout_s`.
        """
        if not parts or any(len(part) == 0 or len(part.bodies) != len(part) for part in parts):
            raise ValueError("a segment needs as many bodies as positions, at least one in each part")
        self.guard_disk()
        # The lock gives segments one order over all feeds, which a rebuild needs to repeat: a
        # landing time is chosen only after every earlier one is visible.
        with self._locked():
            landed_at = self._next_landing_time()
            table = pa.concat_tables([part.table(feed, landed_at) for part in parts])
            segment = self._write(table, _ranges(feed, parts), landed_at)
        for span in segment.ranges:
            text = "landed %d messages of %s, partition %s, positions %d to %d, in segment %s"
            told = (span.rows, feed, span.partition, span.first, span.last, segment.name)
            _log.info(text, *told, extra={"segment": segment.name})
        return segment

    def segments(self, feed: str | None = None, *, but: Set[str] = frozenset()) -> list[Segment]:
        """Return the segments, of `feed` or of all feeds, in the order in which they landed.

        Those named in `but` are left out, and not even opened.
        """
        if not self.root.exists():
            return []
        self._look(but)
        wanted = (segment for name, segment in self._known.items() if name not in but)
        found = sorted(wanted, key=lambda segment: (segment.landed_at, segment.name))
        if feed is None:
            return found
        return [s for s in found if any(span.feed == feed for span in s.ranges)]

    def _look(self, but: Set[str]) -> None:
        """Bring `_known` up to date with the folder, except for segments named in `but`.

        A listing in the middle of which the parts of a merged segment are deleted may hold neither them
        nor it. So it counts only when no deleting began meanwhile.
        """
        for _ in range(_LOOKS):
            before = self.deletings()
            names = self._names()
            try:
                for name in names - self._known.keys() - but:
                    self._known[name] = read_footer(self.root / name)
            except FileNotFoundError:
                continue
            if self.deletings() == before:
                for gone in self._known.keys() - names:
                    del self._known[gone]
                return
        raise TransientError(f"{self.root} changed during each of {_LOOKS} listings: rerun")

    def _names(self) -> set[str]:
        # For each load and each segment: paths would cost more than the listing.
        with os.scandir(self.root) as entries:
            return {entry.name for entry in entries if entry.name.endswith(".parquet")}

    def latest_first(self) -> Iterator[Segment]:
        """Yield the segments, about the latest first, each opened only when it is asked for.

        One that is merged or lands meanwhile may be missing: for those who search, and look again whole.
        """
        if not self.root.exists():
            return
        for name in sorted(self._names(), reverse=True):
            if name not in self._known:
                with suppress(FileNotFoundError):
                    self._known[name] = read_footer(self.root / name)
            if name in self._known:
                yield self._known[name]

    def deletings(self) -> int:
        """Return how often segments were deleted because a merged one had taken their place."""
        counter = self.root / _DELETINGS
        return counter.stat().st_size if counter.exists() else 0

    def delete(self, segments: Sequence[Segment]) -> None:
        """Delete segments whose messages are durable in another one."""
        with (self.root / _DELETINGS).open("ab") as counter:
            counter.truncate(self.deletings() + 1)
        reached("merge.before_delete")
        for segment in segments:
            segment.path.unlink(missing_ok=True)
            self._known.pop(segment.name, None)
        sync_folder(self.root)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """See to it that no segment is deleted within the `with`: for those who read all of them."""
        lease = self.keeping()
        lease.acquire(self.lease_timeout_s)
        try:
            yield
        finally:
            lease.release()

    def keeping(self) -> Lease:
        """Return the lease of those who need all segments to stay, and of the one who deletes some."""
        return Lease(self.root / ".keeping.lock", "the folder of segments")

    def last_position(self, feed: str, partition: str) -> int | None:
        """Return the greatest landed position of a partition, None if it has none."""
        return max((span.last for _, span in self.spans(feed, partition)), default=None)

    def read(self, segment: Segment, columns: Sequence[str] | None = None) -> pa.Table:
        """Return the messages of a segment, in the columns of `SCHEMA`.

        One more column can be asked for: `segment`, the name of the segment in which a message landed,
        which a merged one keeps.
        """
        with _opened(segment) as file:
            return _named(file.read(columns=_stored(file, columns)), segment, columns)

    def row_groups(self, segment: Segment, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """Yield what `read` returns, one row group of the file at a time."""
        with _opened(segment) as file:
            for number in range(file.num_row_groups):
                table = file.read_row_group(number, columns=_stored(file, columns))
                yield _named(table, segment, columns)

    def spans(self, feed: str, partition: str) -> Iterator[tuple[Segment, Range]]:
        """Yield each segment that holds messages of a partition, with the range that it holds."""
        for segment in self.segments(feed):
            for span in segment.ranges:
                if (span.feed, span.partition) == (feed, partition):
                    yield segment, span

    def _write(self, table: pa.Table, ranges: tuple[Range, ...], landed_at: datetime) -> Segment:
        first = ranges[0]
        stamp = landed_at.strftime("%Y%m%dT%H%M%S%f")
        path = self.root / f"{stamp}-{_plain(first.feed)}-{_plain(first.partition)}.parquet"
        partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
        body_bytes = int(table.column("body").nbytes)
        footer = {
            "landed_at": landed_at.isoformat(),
            "ranges": [[s.feed, s.partition, s.first, s.last, s.rows] for s in ranges],
            "body_bytes": body_bytes,
        }
        reached("land.before_write")
        with partial.open("wb") as sink:
            with segment_writer(sink, table.schema) as writer:
                writer.write_table(table, row_group_size=1 << 20)
                writer.add_key_value_metadata({FOOTER_KEY.decode(): json.dumps(footer)})
            reached("land.written")
            sink.flush()
            os.fsync(sink.fileno())
        reached("land.fsynced")
        partial.rename(path)
        reached("land.renamed")
        sync_folder(self.root)
        reached("land.durable")
        segment = Segment(path.name, path, ranges, landed_at, path.stat().st_size, body_bytes)
        self._known[segment.name] = segment
        return segment

    def _next_landing_time(self) -> datetime:
        self._look(frozenset())
        newest = max((segment.landed_at for segment in self._known.values()), default=None)
        now = self.clock.now()
        if newest is not None and now <= newest:
            return newest + timedelta(microseconds=1)
        return now

    def _locked(self) -> AbstractContextManager[None]:
        self.root.mkdir(parents=True, exist_ok=True)
        return held(self.root / ".landing.lock", self.lease_timeout_s, "the landing folder")

    def guard_disk(self) -> None:
        """Raise TransientError when the disk is nearly full: then nothing may be taken from a broker."""
        self.root.mkdir(parents=True, exist_ok=True)
        usage = shutil.disk_usage(self.root)
        if usage.free < max(_MIN_FREE_BYTES, _MIN_FREE_SHARE * usage.total):
            raise TransientError(
                f"the disk of {self.root} has {usage.free / 1024**3:.1f} GiB free, below the guard "
                "of 5 % or 2 GiB: nothing was taken from the broker; free some space, then rerun"
            )


def _opened(segment: Segment) -> pq.ParquetFile:
    return pq.ParquetFile(segment.path, read_dictionary=["feed", "partition"])


def _stored(file: pq.ParquetFile, columns: Sequence[str] | None) -> list[str] | None:
    if columns is None:
        return None
    return [name for name in columns if name != NAME or NAME in file.schema_arrow.names]


def _named(table: pa.Table, segment: Segment, columns: Sequence[str] | None) -> pa.Table:
    if columns is None or NAME not in columns or NAME in table.column_names:
        return table
    return table.append_column(NAME, pa.repeat(segment.name, len(table)))


def segment_writer(sink: Any, schema: pa.Schema) -> pq.ParquetWriter:
    """Return a writer of rows as segments keep them; the footer is still to be added."""
    return pq.ParquetWriter(
        sink,
        schema,
        compression="zstd",
        compression_level=1,
        use_dictionary=["feed", "partition", "received_at", NAME],
        write_statistics=["position"],
    )


def read_footer(path: Path) -> Segment:
    """Return what a file says of itself; raises PermanentError when it is no segment."""
    try:
        metadata = pq.read_metadata(path)
    except pa.ArrowInvalid as error:
        raise PermanentError(
            f"{path} is no segment ({str(error).splitlines()[0]}): move the file out of the landing folder"
        ) from error
    stored = (metadata.metadata or {}).get(FOOTER_KEY)
    if stored is None:
        raise PermanentError(
            f"{path} is no segment: its footer lacks the key {FOOTER_KEY.decode()}; "
            "move the file out of the landing folder"
        )
    footer = json.loads(stored)
    ranges = tuple(Range(*span) for span in footer["ranges"])
    if sum(span.rows for span in ranges) != metadata.num_rows:
        raise PermanentError(
            f"{path} holds {metadata.num_rows} messages but its footer says "
            f"{sum(span.rows for span in ranges)}: restore the file from a backup"
        )
    return Segment(
        path.name,
        path,
        ranges,
        datetime.fromisoformat(footer["landed_at"]),
        path.stat().st_size,
        footer["body_bytes"],
        tuple(footer.get("parts", ())),
    )


def _ranges(feed: str, parts: Sequence[Messages]) -> tuple[Range, ...]:
    found: dict[str, Range] = {}
    for part in parts:
        first, last = int(part.positions[0]), int(part.positions[-1])
        before = found.get(part.partition)
        if before is not None and before.last >= first:
            raise ValueError(f"position {first} of partition {part.partition} does not follow {before.last}")
        begin, rows = (first, 0) if before is None else (before.first, before.rows)
        found[part.partition] = Range(feed, part.partition, begin, last, rows + len(part))
    return tuple(found.values())


def _optional_strings(values: Sequence[str | None] | pa.Array | None, count: int) -> pa.Array:
    if values is None:
        return pa.nulls(count, pa.string())
    return pa.array(values, pa.string())


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)


def _plain(text: str) -> str:
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in text)
