"""Decode raw messages: one function, Arrow in and Arrow out, so that any engine can run it.

Most messages take the fast way: many at once through a strict parser, then rules over columns. Whatever
the fast way is not sure of goes to `assets.contract.judge`, the exact reference, whose verdict is final;
a differential test holds the two together.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from assets.contract.judge import Accepted, judge
from assets.orders.parse import parse
from assets.orders.rules import EVENTS_SCHEMA, LINES_SCHEMA, apply_rules

REJECTS_SCHEMA = pa.schema([("event_seq", pa.int64()), ("reason", pa.string()), ("detail", pa.string())])


@dataclass(frozen=True, slots=True)
class Decoded:
    """The verdicts on a table of messages; `event_seq` is the row number of the message in it.

    `events`, `lines` and `rejects` have the schemas above; every message is in exactly one of
    `events` and `rejects`, and both ascend by `event_seq`.
    """

    events: pa.Table
    lines: pa.Table
    rejects: pa.Table


def decode(bodies: pa.ChunkedArray | pa.LargeBinaryArray, *, max_bytes: int) -> Decoded:
    """Judge every message; `bodies` is large_binary without nulls, `max_bytes` the limit of a message."""
    joined = _joined(bodies)
    fast = [apply_rules(parsed) for parsed in parse(joined, max_bytes=max_bytes)]
    is_certain = np.zeros(len(joined), dtype=np.bool_)
    for ruled in fast:
        is_certain[ruled.events["event_seq"].to_numpy()] = True
    slow = np.flatnonzero(~is_certain)
    if len(slow) == 0 and len(fast) == 1:
        return Decoded(fast[0].events, fast[0].lines, REJECTS_SCHEMA.empty_table())
    slow_events, slow_lines, rejects = _decode_slow(joined, slow, max_bytes)
    return Decoded(
        pa.concat_tables([*(ruled.events for ruled in fast), slow_events]).sort_by("event_seq"),
        pa.concat_tables([*(ruled.lines for ruled in fast), slow_lines]).sort_by("event_seq"),
        rejects,
    )


def _decode_slow(
    bodies: pa.LargeBinaryArray, chosen: npt.NDArray[np.int64], max_bytes: int
) -> tuple[pa.Table, pa.Table, pa.Table]:
    events: list[tuple[object, ...]] = []
    lines: list[tuple[object, ...]] = []
    rejects: list[tuple[int, str, str]] = []
    for seq in chosen.tolist():
        verdict = judge(bodies[seq].as_py(), max_bytes=max_bytes)
        if isinstance(verdict, Accepted):
            events.append((seq, *(getattr(verdict, name) for name in EVENTS_SCHEMA.names[1:])))
            lines.extend(
                (seq, *(getattr(line, name) for name in LINES_SCHEMA.names[1:])) for line in verdict.lines
            )
        else:
            rejects.append((seq, verdict.reason, verdict.detail))
    return _table(events, EVENTS_SCHEMA), _table(lines, LINES_SCHEMA), _table(rejects, REJECTS_SCHEMA)


def _table(rows: Sequence[tuple[object, ...]], schema: pa.Schema) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def _joined(bodies: pa.ChunkedArray | pa.LargeBinaryArray) -> pa.LargeBinaryArray:
    if not isinstance(bodies, pa.ChunkedArray):
        return bodies
    if bodies.num_chunks == 1:
        return bodies.chunk(0)
    return pc.cast(bodies, pa.large_binary()).combine_chunks()
