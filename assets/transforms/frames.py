"""What the transforms share: the order of the fold, and moments as plain integers.

Every frame holds money as int64 ten-thousandths and moments as naive UTC timestamps in microseconds.
"""

from typing import Any, TypeAlias

import narwhals as nw

Frame: TypeAlias = nw.LazyFrame[Any]

FOLD_ORDER = ("version", "occurred_at", "source", "event_id")
"""Of two events of one order, the greater by these columns is the later one, whichever arrived first."""

STATUSES = ("placed", "paid", "processing", "shipped", "delivered", "cancelled", "refunded")
"""The statuses of an order, in the direction in which it moves."""


def total_of(column: str | nw.Expr) -> nw.Expr:
    """Return the sum of an integer column as int64; engines widen sums in their own ways."""
    expr = nw.col(column) if isinstance(column, str) else column
    return expr.sum().cast(nw.Int64)


def count_of_rows() -> nw.Expr:
    """Return the number of rows as int64."""
    return nw.len().cast(nw.Int64)


def day_number(moment: nw.Expr) -> nw.Expr:
    """Return the days since the eve of 0001-01-01 as int64, in the Gregorian calendar.

    Made of calendar fields, because a duration cannot be turned into a number on Spark.
    """
    years = moment.dt.year().cast(nw.Int64) - 1
    leap_days = years // 4 - years // 100 + years // 400
    return years * 365 + leap_days + moment.dt.ordinal_day().cast(nw.Int64)


def second_number(moment: nw.Expr) -> nw.Expr:
    """Return the whole seconds since the eve of 0001-01-01 as int64."""
    hours = day_number(moment) * 24 + moment.dt.hour().cast(nw.Int64)
    minutes = hours * 60 + moment.dt.minute().cast(nw.Int64)
    return minutes * 60 + moment.dt.second().cast(nw.Int64)


def microsecond_of_second(moment: nw.Expr) -> nw.Expr:
    """Return the microseconds within the second, 0 to 999,999, as int64."""
    micros = moment.dt.microsecond().cast(nw.Int64)
    # Spark counts them downwards from the second's end before 1970.
    return nw.when(micros < 0).then(micros + 1_000_000).otherwise(micros)


def distinct(frame: Frame, *columns: str) -> Frame:
    """Return each combination of `columns` once; grouping is cheaper than `unique` on DuckDB."""
    return frame.group_by(*columns).agg(nw.len().alias("copies")).select(*columns)


def is_last_of(key: str, order: tuple[str, ...], *, tell_apart: str) -> nw.Expr:
    """Return whether no row of the same `key` comes after this one in `order`.

    `tell_apart` is a column without nulls; `order` must leave no ties. Not by `row_number`: DuckDB
    2.0 fails with an internal error where that is filtered over a table read by rowid.
    """
    return nw.col(tell_apart).shift(-1).over(key, order_by=list(order)).is_null()
