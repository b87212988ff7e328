"""Publishing: a checkpointed copy of the warehouse that any number of readers can open.

DuckDB keeps its file in blocks of 256 KiB, each beginning with the checksum of its content. A copy
that was published earlier and that nobody reads is brought up to date by copying just the blocks
whose checksums differ, so the cost follows the change and not the history. It then takes the public
name by a rename; readers of the copy before keep theirs.
"""

import fcntl
import mmap
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
from resources.errors import PermanentError
from resources.segments import sync_folder
from resources.warehouse.warehouse import Warehouse

_HEADERS = 3 * 4096
_BLOCK = 256 * 1024


@dataclass(frozen=True, slots=True)
class Published:
    """What one publishing wrote, of how much."""

    bytes_written: int
    bytes_total: int


def publish(warehouse: Warehouse) -> Published:
    """Checkpoint the warehouse and let `warehouse.copy` show its present state.

    Raises what `Warehouse.writing` raises.
    """
    with warehouse.leased():
        _checkpoint(warehouse)
        warehouse.published.mkdir(parents=True, exist_ok=True)
        for torn in warehouse.published.glob(".*.syncing"):
            torn.unlink()
        with _spare(warehouse) as spare:
            written, total = _bring_up_to_date(warehouse.path, spare)
            reached("publish.copied")
            ready = spare.with_suffix(".duckdb")
            spare.rename(ready)
        _take_the_name(ready, warehouse.copy)
    return Published(written, total)


def _checkpoint(warehouse: Warehouse) -> None:
    connection = warehouse.connect()
    try:
        reached("publish.before_checkpoint")
        connection.execute("FORCE CHECKPOINT")
    finally:
        connection.close()
    reached("publish.checkpointed")
    if warehouse.path.with_name(warehouse.path.name + ".wal").exists():
        raise PermanentError(f"{warehouse.path} still has a write-ahead log after its checkpoint: rerun")


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


def _bring_up_to_date(source: Path, target: Path) -> tuple[int, int]:
    size = source.stat().st_size
    written = 0
    with source.open("rb") as reader, target.open("r+b" if target.exists() else "w+b") as writer:
        old_size = os.fstat(writer.fileno()).st_size
        writer.truncate(size)
        for offset, length in _differences(reader.fileno(), writer.fileno(), size, old_size):
            written += _copy(reader.fileno(), writer.fileno(), offset, length)
        reached("publish.before_fsync")
        os.fsync(writer.fileno())
    return written, size


def _differences(source: int, target: int, size: int, old_size: int) -> Iterator[tuple[int, int]]:
    yield 0, min(_HEADERS, size)
    shared = max(min(size, old_size) - _HEADERS, 0) // _BLOCK
    changed = np.flatnonzero(_checksums(source, shared) != _checksums(target, shared))
    for start, stop in _runs(changed):
        yield _HEADERS + start * _BLOCK, (stop - start) * _BLOCK
    rest = _HEADERS + shared * _BLOCK
    if size > rest:
        yield rest, size - rest


def _checksums(descriptor: int, blocks: int) -> npt.NDArray[np.uint64]:
    if blocks == 0:
        return np.empty(0, dtype=np.uint64)
    with mmap.mmap(descriptor, _HEADERS + blocks * _BLOCK, access=mmap.ACCESS_READ) as view:
        words = np.frombuffer(view, dtype=np.uint64, offset=_HEADERS)
        checksums = words[:: _BLOCK // 8].copy()
        del words
    return checksums


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
