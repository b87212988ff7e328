"""Publishing: a checkpointed copy of the warehouse that any number of readers can open.

DuckDB keeps its file in blocks of 256 KiB, each beginning with the checksum of its content. A copy
that was published earlier and that nobody reads is brought up to date by copying just the blocks
whose checksums differ, so the cost follows the change and not the history. It then takes the public
name by a rename; readers of the copy before keep theirs.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import duckdb
import numpy as np
import numpy.typing as npt

from resources.crashpoints import reached
from resources.durable import sync_folder
from resources.errors import PermanentError
from resources.warehouse.blocks import BLOCK, HEADERS, checksums
from resources.warehouse.warehouse import Checkpointed, Warehouse


@dataclass(frozen=True, slots=True)
class Published:
    """What one publishing wrote, of how much."""

    bytes_written: int
    bytes_total: int


def publish(warehouse: Warehouse) -> Published:
    """Checkpoint the warehouse and let `warehouse.copy` show its present state.

    Raises what `Warehouse.writing` raises.
    """
    with warehouse.checkpointed() as source:
        warehouse.published.mkdir(parents=True, exist_ok=True)
        for torn in warehouse.published.glob(".*.syncing"):
            torn.unlink()
        with _spare(warehouse) as spare:
            written = _bring_up_to_date(source, spare)
            reached("publish.copied")
            ready = spare.with_suffix(".duckdb")
            spare.rename(ready)
        _take_the_name(ready, warehouse.copy)
    return Published(written, source.size)


@contextmanager
def _spare(warehouse: Warehouse) -> Iterator[Path]:
    """Lend an earlier copy that nobody reads, or a new name; it ends in `.syncing` meanwhile.

    A copy that a crash left under that name may be torn, and is never trusted again.
    """
    copies = sorted(warehouse.published.glob(".copy-*.duckdb"), key=lambda p: p.stat().st_mtime_ns)
    current = warehouse.copy
    idle = [c for c in copies if not (current.exists() and c.samefile(current)) and _is_unread(c)]
    for superfluous in idle[1:]:
        superfluous.unlink()
    syncing = warehouse.published / f".copy-{uuid4().hex}.syncing"
    if idle:
        idle[0].rename(syncing)
    yield syncing


def _is_unread(copy: Path) -> bool:
    # DuckDB holds a shared POSIX lock on a file that it reads.
    with copy.open("rb+") as handle:
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
    return True


def _bring_up_to_date(source: Checkpointed, target: Path) -> int:
    size, reader = source.size, source.descriptor
    written = 0
    with target.open("r+b" if target.exists() else "w+b") as writer:
        old_size = os.fstat(writer.fileno()).st_size
        writer.truncate(size)
        for offset, length in _differences(source.checksums, writer.fileno(), size, old_size):
            written += _copy(reader, writer.fileno(), offset, length)
        # Loads may go on meanwhile. They touch no block of the checkpoint, but may fill free ones, of which
        # half was copied: those must not pass for equal the next time, when they may be in use.
        for block in np.flatnonzero(checksums(reader, size) != source.checksums):
            os.pwrite(writer.fileno(), bytes(8), HEADERS + int(block) * BLOCK)
        reached("publish.before_fsync")
        os.fsync(writer.fileno())
    return written


def _differences(
    wanted: npt.NDArray[np.uint64], target: int, size: int, old_size: int
) -> Iterator[tuple[int, int]]:
    yield 0, min(HEADERS, size)
    shared = max(min(size, old_size) - HEADERS, 0) // BLOCK
    changed = np.flatnonzero(wanted[:shared] != checksums(target, min(size, old_size)))
    for start, stop in _runs(changed):
        yield HEADERS + start * BLOCK, (stop - start) * BLOCK
    rest = HEADERS + shared * BLOCK
    if size > rest:
        yield rest, size - rest


def _runs(indices: npt.NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    for run in np.split(indices, np.flatnonzero(np.diff(indices) != 1) + 1):
        if len(run):
            yield int(run[0]), int(run[-1]) + 1


def _copy(source: int, target: int, offset: int, length: int) -> int:
    os.lseek(target, offset, os.SEEK_SET)
    done = 0
    while done < length:
        count = os.sendfile(target, source, offset + done, min(length - done, 1 << 30))
        if count == 0:
            raise PermanentError("the warehouse file became shorter while it was copied: rerun")
        done += count
    return done


def _take_the_name(ready: Path, name: Path) -> None:
    link = name.with_name(f".{name.name}.{uuid4().hex}")
    os.link(ready, link)
    link.rename(name)
    reached("publish.renamed")
    sync_folder(name.parent)


def open_copy(warehouse: Warehouse) -> duckdb.DuckDBPyConnection:
    """Open the published copy for reading.

    Raises PermanentError when nothing has been published yet.
    """
    if not warehouse.copy.exists():
        raise PermanentError(f"there is no published copy at {warehouse.copy} yet: run `orders run` first")
    connection = duckdb.connect(warehouse.copy, read_only=True)
    connection.execute("SET TimeZone = 'UTC'")
    return connection
