"""LOAD: settle what has landed, one DuckDB transaction per batch, and remember how far in the same one.

The position is the set of loaded (feed, partition, first to last position) ranges, read from inside
the segments. A batch that fails leaves no trace, so the next call begins with it again.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import duckdb
import pyarrow as pa

from assets.frames import execute
from assets.orders.batches import Prepared, prepare
from assets.orders.control import apply_decisions, apply_observations
from assets.orders.known import TAIL_EVENTS, KnownEvents
from assets.orders.ledger import add_to_ledger, counted, landed_in, record_reused_ids
from assets.orders.plan import BatchPlan, Kind, pending_batches
from assets.orders.rejects import forced_rejections, insert_rejects
from assets.orders.settle import settle_events
from resources.crashpoints import reached
from resources.errors import TransientError
from resources.segments import Landing
from resources.warehouse.runs import Runs
from resources.warehouse.warehouse import Warehouse, transaction

BATCH_BYTES = 320 * 1024 * 1024
_LARGE_DEAD_LETTERS = 32 * 1024 * 1024
# DuckDB writes full row groups of 122,880 rows straight to the file, not through its log.
BATCH_ROWS = 3 * 122_880 // 2
_DECODERS = 2
MAX_MESSAGE_BYTES = 16 * 1024 * 1024
_NEXT_LOAD = """
INSERT INTO store.loads SELECT coalesce(max(load_no), 0) + 1, $messages, now()::TIMESTAMP FROM store.loads
RETURNING load_no
"""
_ADD_RANGES = "INSERT INTO store.loaded_ranges SELECT *, $no FROM given"
_ADD_SEGMENTS = "INSERT INTO store.loaded_segments SELECT name, $no FROM given"


@dataclass(slots=True)
class Loaded:
    """What one call of `load` settled; `stages` holds seconds by stage."""

    messages: int = 0
    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    segments: int = 0
    batches: int = 0
    stages: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the time that the `with` takes to a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.stages[stage] = self.stages.get(stage, 0.0) + time.perf_counter() - start


def load(
    warehouse: Warehouse,
    landing: Landing,
    *,
    max_bytes: int = MAX_MESSAGE_BYTES,
    batch_bytes: int = BATCH_BYTES,
    batch_rows: int = BATCH_ROWS,
    most_batches: int | None = None,
    tail_events: int = TAIL_EVENTS,
    on_batch: Callable[[Loaded], None] | None = None,
) -> Loaded:
    """Settle every segment that is not loaded yet, in landing order, or the first `most_batches` of them.

    `max_bytes` is the largest message that is not `too_large`, `tail_events` how many events may have no
    sorted run of keys. Raises TransientError when the
    warehouse is held by another process for too long or a commit fails twice.
    """
    result = Loaded()
    with (
        warehouse.writing() as connection,
        ThreadPoolExecutor(1, "prepare") as pool,
        ThreadPoolExecutor(_DECODERS, "decode") as decoders,
    ):
        with result.timed("plan"):
            known = KnownEvents(connection, Runs(warehouse.keys), tail_events)
            plans = pending_batches(connection, landing, batch_bytes=batch_bytes, batch_rows=batch_rows)
            forced = forced_rejections(landing, plans)
            plans = plans[:most_batches]
        upcoming: Future[Prepared] | None = None
        for index, plan in enumerate(plans):
            # The next batch is decoded while this one is settled; at most two are in memory.
            with result.timed("decode (waited)"):
                prepared = (
                    prepare(landing, plan, max_bytes, forced, decoders)
                    if upcoming is None
                    else upcoming.result()
                )
            upcoming = None
            if index + 1 < len(plans):
                upcoming = pool.submit(prepare, landing, plans[index + 1], max_bytes, forced, decoders)
            _load_batch(known, landing, plan, prepared, result, max_bytes)
            if prepared.rejects["body"].nbytes > _LARGE_DEAD_LETTERS:
                warehouse.shorten_log(connection)
            if on_batch is not None:
                on_batch(result)
            known.note(prepared.messages)
    return result


def _load_batch(
    known: KnownEvents,
    landing: Landing,
    plan: BatchPlan,
    prepared: Prepared,
    result: Loaded,
    max_bytes: int,
) -> None:
    reached("load.before_transaction")
    connection = known.connection
    _make_room(connection, prepared)
    try:
        with result.timed("settle and commit"), transaction(connection):
            load_no = _next_load_no(connection, plan)
            counts = _settle(known, landing, plan, prepared, load_no, max_bytes)
            reached("load.settled")
            _remember_position(connection, plan, load_no)
            reached("load.before_commit")
    except (duckdb.IOException, duckdb.OutOfMemoryException, duckdb.TransactionException) as error:
        raise TransientError(
            f"loading stopped ({str(error).splitlines()[0]}); what was committed stays: "
            "check the disk, raise ORDERS_MEMORY_LIMIT, then rerun, which goes on from the stored position"
        ) from error
    reached("load.committed")
    result.messages += prepared.messages
    result.accepted += counts[0]
    result.duplicates += counts[1]
    result.rejected += counts[2]
    result.segments += len(plan.segments)
    result.batches += 1


def _make_room(connection: duckdb.DuckDBPyConnection, prepared: Prepared) -> None:
    """Raise the memory limit for dead letters of any size: their bytes are kept, whole, in one value each."""
    dead_bytes = prepared.rejects["body"].nbytes
    if dead_bytes > _LARGE_DEAD_LETTERS:
        connection.execute(f"SET memory_limit = '{4 * dead_bytes // 1024**2 + 256} MiB'")


def _settle(
    known: KnownEvents,
    landing: Landing,
    plan: BatchPlan,
    prepared: Prepared,
    load_no: int,
    max_bytes: int,
) -> tuple[int, int, int]:
    connection = known.connection
    if plan.kind is Kind.DECISIONS:
        return apply_decisions(known, landing, prepared, load_no=load_no, max_bytes=max_bytes)
    if plan.kind is Kind.OBSERVATIONS:
        return apply_observations(connection, prepared)
    settled = settle_events(known, prepared, load_no)
    reached("load.folded")
    if len(settled.repeats):
        record_reused_ids(connection, landing, settled.repeats)
    rejects = insert_rejects(connection, prepared)
    add_to_ledger(
        connection,
        landed_in(plan.ranges),
        counted(settled.fresh, accepted=1),
        counted(settled.repeats, duplicates=1),
        counted(rejects, rejected=1),
    )
    return len(settled.fresh), len(settled.repeats), len(rejects)


def _next_load_no(connection: duckdb.DuckDBPyConnection, plan: BatchPlan) -> int:
    messages = sum(span.rows for span in plan.ranges)
    row = connection.execute(_NEXT_LOAD, {"messages": messages}).fetchone()
    assert row is not None
    return int(row[0])


def _remember_position(connection: duckdb.DuckDBPyConnection, plan: BatchPlan, load_no: int) -> None:
    spans = pa.table(
        {
            "feed": [span.feed for span in plan.ranges],
            "partition": [span.partition for span in plan.ranges],
            "first_position": [span.first for span in plan.ranges],
            "last_position": [span.last for span in plan.ranges],
            "rows": [span.rows for span in plan.ranges],
        }
    )
    execute(connection, _ADD_RANGES, spans, {"no": load_no})
    names = pa.table({"name": [segment.name for segment in plan.segments]})
    execute(connection, _ADD_SEGMENTS, names, {"no": load_no})
