"""Decode raw messages: one function, Arrow in and Arrow out, so that any engine can run it.

Most messages take the fast way: a screen for grammar and types, then DuckDB's parser and vectorised
rules. Whatever the fast way is not sure of goes to `assets.contract.judge`, the exact reference, whose
verdict is final; a differential test holds the two together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources as package_files

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from assets.contract.frames import EVENT_FRAME, LINE_FRAME
from assets.contract.judge import Accepted, judge
from assets.orders.screen import screen

MONEY_PATTERN = r"-?[0-9]{1,12}(\.[0-9]{1,4})?"
TIMESTAMP_PATTERN = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?"
    r"(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
)
_SHAPE = """{"id":"VARCHAR","source":"VARCHAR","type":"VARCHAR","subject":"VARCHAR","time":"VARCHAR",
"data":{"order_id":"VARCHAR","version":"BIGINT","kind":"VARCHAR","status":"VARCHAR","currency":"VARCHAR",
"placed_at":"VARCHAR","customer":{"customer_id":"VARCHAR","name":"VARCHAR","email":"VARCHAR","country":"VARCHAR"},
"lines":[{"line_number":"BIGINT","sku":"VARCHAR","description":"VARCHAR","quantity":"BIGINT","unit_price":"VARCHAR"}],
"shipping":"VARCHAR","discount":"VARCHAR","tax":"VARCHAR"}}"""
# Below this many ten-thousandths a double still tells that no amount or total can reach 10^12.
_SAFE_MAGNITUDE = 9e15
_MAX_SCREENED_BYTES = 4 * 1024 * 1024

EVENTS_SCHEMA = pa.schema([(name, pa.type_for_alias(kind)) for name, kind in EVENT_FRAME])
LINES_SCHEMA = pa.schema([(name, pa.type_for_alias(kind)) for name, kind in LINE_FRAME])
REJECTS_SCHEMA = pa.schema([("event_seq", pa.int64()), ("reason", pa.string()), ("detail", pa.string())])

_EVENTS_QUERY = """
SELECT event_seq, source, event_id, event_type, subject, order_id, version, kind, status, currency,
       customer_id, customer_name, customer_email, country,
       make_timestamp(epoch_us(placed_at)) AS placed_at, make_timestamp(epoch_us(occurred_at)) AS occurred_at,
       shipping, discount, tax, NULL::VARCHAR AS extra
FROM raw_events ANTI JOIN doubtful USING (event_seq)
"""
_LINES_QUERY = """
SELECT event_seq, line_number, sku, description, quantity, unit_price, NULL::VARCHAR AS extra
FROM raw_lines ANTI JOIN doubtful USING (event_seq)
"""
_DOUBTFUL_QUERY = """
CREATE OR REPLACE TEMP TABLE doubtful AS
SELECT event_seq
FROM raw_events LEFT JOIN line_facts USING (event_seq)
WHERE coalesce(NOT (
    starts_with(event_type, 'order.')
    AND regexp_full_match(currency, '[A-Z]{3}')
    AND placed_at BETWEEN TIMESTAMPTZ '0001-01-02 00:00:00+00' AND TIMESTAMPTZ '9999-12-30 00:00:00+00'
    AND occurred_at BETWEEN TIMESTAMPTZ '0001-01-02 00:00:00+00' AND TIMESTAMPTZ '9999-12-30 00:00:00+00'
    AND abs(shipping) + abs(discount) + abs(tax) + magnitude < $safe_magnitude
    AND priced = line_count
    AND CASE kind WHEN 'sale' THEN least > 0 ELSE most < 0 END
), true)
UNION
SELECT event_seq FROM repeated_lines
"""


@dataclass(frozen=True, slots=True)
class Decoded:
    """The verdicts on a table of messages; `event_seq` is the row number of the message in it.

    `events`, `lines` and `rejects` have the schemas above; every message is in exactly one of
    `events` and `rejects`, and both ascend by `event_seq`.
    """

    events: pa.Table
    lines: pa.Table
    rejects: pa.Table


def decode(
    bodies: pa.ChunkedArray | pa.LargeBinaryArray,
    *,
    max_bytes: int,
    scratch: duckdb.DuckDBPyConnection | None = None,
) -> Decoded:
    """Judge every message; `bodies` is large_binary without nulls, `max_bytes` the limit of a message.

    `scratch` is a connection to an empty in-memory database, which many calls may share: opening one
    for each costs time and memory.
    """
    joined = _joined(bodies)
    passes = screen(joined, max_bytes=min(max_bytes, _MAX_SCREENED_BYTES))
    if scratch is None:
        with duckdb.connect() as own:
            events, lines, certain = _decode_fast(own, joined, passes)
    else:
        events, lines, certain = _decode_fast(scratch, joined, passes)
    passes[:] = False
    passes[certain] = True
    slow = np.flatnonzero(~passes)
    if len(slow) == 0:
        return Decoded(events, lines, REJECTS_SCHEMA.empty_table())
    slow_events, slow_lines, rejects = _decode_slow(joined, slow, max_bytes)
    return Decoded(
        pa.concat_tables([events, slow_events]).sort_by("event_seq"),
        pa.concat_tables([lines, slow_lines]).sort_by("event_seq"),
        rejects,
    )


def _decode_fast(
    connection: duckdb.DuckDBPyConnection, bodies: pa.LargeBinaryArray, passes: npt.NDArray[np.bool_]
) -> tuple[pa.Table, pa.Table, npt.NDArray[np.int64]]:
    chosen = np.flatnonzero(passes)
    if len(chosen) == 0:
        return EVENTS_SCHEMA.empty_table(), LINES_SCHEMA.empty_table(), chosen
    texts = bodies if len(chosen) == len(bodies) else bodies.take(pa.array(chosen))
    screened = pa.table({"event_seq": pa.array(chosen), "body": texts.cast(pa.large_string())})
    connection.register("screened", screened)
    parameters = {"shape": _SHAPE, "money": MONEY_PATTERN, "timestamp": TIMESTAMP_PATTERN}
    for statement in connection.extract_statements(_script()):
        connection.execute(statement, {name: parameters[name] for name in statement.named_parameters})
    connection.execute(_DOUBTFUL_QUERY, {"safe_magnitude": _SAFE_MAGNITUDE})
    events = connection.sql(_EVENTS_QUERY).to_arrow_table().cast(EVENTS_SCHEMA)
    lines = connection.sql(_LINES_QUERY).to_arrow_table().cast(LINES_SCHEMA)
    connection.unregister("screened")
    return events, lines, events.column("event_seq").to_numpy()


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


def _script() -> str:
    return package_files.files(__package__).joinpath("decode.sql").read_text(encoding="utf-8")
