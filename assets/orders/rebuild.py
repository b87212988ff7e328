"""Making the warehouse anew from the landing folder alone.

The new file grows beside the old one, which stays in use meanwhile, and takes its place under the lease.
"""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

from assets.orders.load import MAX_MESSAGE_BYTES, Loaded, load
from assets.orders.verify import full_hash
from assets.reports.refresh import refresh_customer_value, refresh_days, touched_days
from resources.crashpoints import reached
from resources.durable import sync_folder
from resources.errors import PermanentError
from resources.leases import held
from resources.segments import Landing
from resources.warehouse.publish import publish
from resources.warehouse.warehouse import Warehouse

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild made: how many messages it settled, and where unreadable files were moved to."""

    messages: int
    full_hash: str
    moved_aside: tuple[Path, ...]


def rebuild(
    warehouse: Warehouse,
    landing: Landing,
    *,
    max_bytes: int = MAX_MESSAGE_BYTES,
    on_progress: Progress | None = None,
) -> Rebuilt:
    """Build the tables and reports from the segments, put the file in place and publish it.

    `on_progress` is told (messages settled, messages landed). An old file or write-ahead log that cannot
    be read is moved aside, never deleted. Raises TransientError when a lease stays held; the old
    warehouse then stays as it is.
    """
    name = f"the rebuilding of {warehouse.path}"
    lock = held(warehouse.path.with_suffix(".rebuild.lock"), warehouse.lease_timeout_s, name)
    # A segment that is planned must still be there when it is read.
    with lock, landing.kept():
        fresh = replace(warehouse, path=warehouse.path.with_suffix(".rebuilding.duckdb"))
        _discard(fresh)
        messages = _build(fresh, landing, max_bytes, 0, on_progress)
        with warehouse.leased():
            # What landed while the file was built, so that nothing is behind after the swap.
            messages += _build(fresh, landing, max_bytes, messages, on_progress)
            with fresh.writing() as connection:
                content = full_hash(connection)
                connection.execute("FORCE CHECKPOINT")
            reached("rebuild.built")
            moved = _swap(fresh, warehouse)
    publish(warehouse)
    return Rebuilt(messages, content, moved)


def _build(
    fresh: Warehouse, landing: Landing, max_bytes: int, done: int, on_progress: Progress | None
) -> int:
    total = sum(segment.rows for segment in landing.segments())

    def tell(loaded: Loaded) -> None:
        if on_progress is not None:
            on_progress(done + loaded.messages, total)

    loaded = load(fresh, landing, max_bytes=max_bytes, on_batch=tell)
    if loaded.batches:
        refresh_days(fresh, touched_days(fresh))
        refresh_customer_value(fresh)
    return loaded.messages


def _swap(fresh: Warehouse, warehouse: Warehouse) -> tuple[Path, ...]:
    """Let the finished file take the place of the warehouse; the caller holds the lease of both."""
    log = _log(warehouse.path)
    if _log(fresh.path).exists():
        raise PermanentError(f"{fresh.path} still has a write-ahead log after its checkpoint: rerun")
    with fresh.path.open("rb+") as handle:
        os.fsync(handle.fileno())
    moved: tuple[Path, ...] = ()
    if warehouse.exists() and not _is_readable(warehouse):
        moved = _move_aside(warehouse.path, log)
    # Without its log the old file shows an earlier commit, and LOAD would go on from there: should the
    # process die here, nothing is wrong. The old log must never meet the new file.
    log.unlink(missing_ok=True)
    sync_folder(log.parent)
    reached("rebuild.before_swap")
    fresh.path.replace(warehouse.path)
    reached("rebuild.swapped")
    # Between the two the old keys lie beside the new file, which does not trust them.
    shutil.rmtree(warehouse.keys, ignore_errors=True)
    if fresh.keys.exists():
        fresh.keys.rename(warehouse.keys)
    sync_folder(warehouse.path.parent)
    return moved


def _is_readable(warehouse: Warehouse) -> bool:
    try:
        warehouse.connect().close()
    except PermanentError:
        return False
    return True


def _move_aside(*paths: Path) -> tuple[Path, ...]:
    mark = uuid4().hex[:8]
    moved = []
    for path in paths:
        if path.exists():
            moved.append(path.rename(path.with_name(f"{path.name}.unreadable-{mark}")))
            reached("rebuild.moved_aside")
    return tuple(moved)


def _discard(fresh: Warehouse) -> None:
    """Delete what a rebuild that did not end has left: it was never in use."""
    for path in (fresh.path, _log(fresh.path)):
        path.unlink(missing_ok=True)
    shutil.rmtree(fresh.keys, ignore_errors=True)


def _log(path: Path) -> Path:
    return path.with_name(path.name + ".wal")
