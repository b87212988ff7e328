"""From events to the current state: each order's winning event, lines, customers and anomalies.

The plans read their input more than once: hand over stored tables, not long queries.
"""

import narwhals as nw

from assets.transforms.frames import (
    FOLD_ORDER,
    STATUSES,
    Frame,
    count_of_rows,
    distinct,
    is_last_of,
    total_of,
)

_SHOWN_GAPS = 5


def current_events(events: Frame) -> Frame:
    """Return the winning event of each order, with all columns of `events`.

    It is the one with the greatest (version, occurred_at, source, event_id). Should one event
    stand there twice, its first landed copy (the least event_seq) wins.
    """
    candidates = events.select("order_id", "event_seq", *FOLD_ORDER).with_columns(
        (nw.col("event_seq") * -1).alias("earliness")
    )
    # Most versions are older ones: cheaper to drop them before anything is sorted.
    newest = candidates.group_by("order_id").agg(nw.col("version").max())
    candidates = candidates.join(newest, on=["order_id", "version"], how="semi")
    winners = candidates.filter(is_last_of("order_id", (*FOLD_ORDER, "earliness"), tell_apart="event_seq"))
    return events.join(winners.select("event_seq"), on="event_seq", how="semi")


def order_rows(winners: Frame, lines: Frame) -> Frame:
    """Return one row per order: the winning event with the sums over its lines.

    In ten-thousandths: `subtotal` = Σ quantity × unit_price, `total` = subtotal + shipping + tax −
    discount.
    """
    sums = (
        _lines_of(winners, lines)
        .group_by("event_seq")
        .agg(
            count_of_rows().alias("line_count"),
            total_of("quantity").alias("units"),
            total_of(_amount()).alias("subtotal"),
        )
    )
    total = nw.col("subtotal") + nw.col("shipping") + nw.col("tax") - nw.col("discount")
    return (
        winners.join(sums, on="event_seq", how="left")
        .with_columns(nw.col("line_count", "units", "subtotal").fill_null(0))
        .select(
            *("order_id", "version", "kind", "status", "currency", "customer_id", "country"),
            "placed_at",
            nw.col("occurred_at").alias("updated_at"),
            *("line_count", "units", "subtotal", "shipping", "discount", "tax"),
            total.alias("total"),
            *("source", "event_id", "customer_name", "customer_email", "extra"),
        )
    )


def order_lines(winners: Frame, lines: Frame) -> Frame:
    """Return the lines of the winning events, `amount` = quantity × unit_price in ten-thousandths."""
    return lines.join(winners.select("event_seq", "order_id"), on="event_seq", how="inner").select(
        *("order_id", "line_number", "sku", "description", "quantity", "unit_price"),
        _amount().alias("amount"),
        "extra",
    )


def customers(orders: Frame) -> Frame:
    """Return one row per customer_id of the `orders` frame; orders without one take no part.

    name, email and country are those of the customer's order with the greatest (updated_at,
    order_id), as they stand there, nulls included; `profile_at` and `profile_order_id` name it.
    """
    known = orders.filter(~nw.col("customer_id").is_null())
    sums = known.group_by("customer_id").agg(
        nw.col("placed_at").min().alias("first_order_at"),
        nw.col("placed_at").max().alias("last_order_at"),
        count_of_rows().alias("order_count"),
    )
    profiles = known.filter(
        is_last_of("customer_id", ("updated_at", "order_id"), tell_apart="order_id")
    ).select(
        "customer_id",
        nw.col("customer_name").alias("name"),
        nw.col("customer_email").alias("email"),
        "country",
        nw.col("updated_at").alias("profile_at"),
        nw.col("order_id").alias("profile_order_id"),
    )
    return profiles.join(sums, on="customer_id", how="inner").select(
        *("customer_id", "name", "email", "country"),
        *("first_order_at", "last_order_at", "order_count"),
        *("profile_at", "profile_order_id"),
    )


def anomalies(history: Frame) -> Frame:
    """Return order_id, anomaly, detail: what an order's history leaves in doubt; no row twice.

    `history` holds one row per accepted event: order_id, version, status, occurred_at, source,
    event_id, content_hash (an integer that is equal where the order's data are). It must be the
    whole history of each order that it names.
    """
    return nw.concat(
        [_version_conflicts(history), _version_gaps(history), _backward_moves(history)],
        how="vertical",
    )


def _lines_of(winners: Frame, lines: Frame) -> Frame:
    return lines.join(winners.select("event_seq"), on="event_seq", how="semi")


def _amount() -> nw.Expr:
    return nw.col("quantity") * nw.col("unit_price")


def _version_conflicts(history: Frame) -> Frame:
    """One row per (order, version ≥ 1) whose events differ in content: `version 3`."""
    return (
        history.filter(nw.col("version") >= 1)
        .group_by("order_id", "version")
        .agg(
            nw.col("content_hash").min().alias("least"),
            nw.col("content_hash").max().alias("greatest"),
        )
        .filter(nw.col("least") != nw.col("greatest"))
        .select(
            "order_id",
            nw.lit("version_conflict").alias("anomaly"),
            nw.concat_str(nw.lit("version "), nw.col("version").cast(nw.String)).alias("detail"),
        )
    )


def _version_gaps(history: Frame) -> Frame:
    """One row per order that misses a version from 1 to its greatest: `2, 4-6`, five gaps, `…`."""
    gaps = (
        distinct(history.filter(nw.col("version") >= 1), "order_id", "version")
        .with_columns(nw.col("version").shift(1).over("order_id", order_by=["version"]).alias("previous"))
        .with_columns(
            (nw.col("previous").fill_null(0) + 1).alias("first"),
            (nw.col("version") - 1).alias("last"),
        )
        .filter(nw.col("first") <= nw.col("last"))
        .with_columns(_gap_text().alias("gap"))
        .with_columns(nw.col("first").rank("ordinal").over("order_id").alias("place"))
    )
    shown = [f"gap_{place}" for place in range(1, _SHOWN_GAPS + 1)]
    columns = [
        nw.when(nw.col("place") == place).then(nw.col("gap")).alias(name)
        for place, name in enumerate(shown, start=1)
    ]
    more = nw.when(nw.col("place") > _SHOWN_GAPS).then(nw.lit("…")).alias("more")
    return (
        gaps.with_columns(*columns, more)
        .group_by("order_id")
        .agg(*(nw.col(name).max() for name in (*shown, "more")))
        .select(
            "order_id",
            nw.lit("version_gap").alias("anomaly"),
            nw.concat_str(
                *(nw.col(name) for name in (*shown, "more")), separator=", ", ignore_nulls=True
            ).alias("detail"),
        )
    )


def _gap_text() -> nw.Expr:
    first, last = nw.col("first").cast(nw.String), nw.col("last").cast(nw.String)
    return (
        nw.when(nw.col("first") == nw.col("last"))
        .then(first)
        .otherwise(nw.concat_str(first, nw.lit("-"), last))
    )


def _backward_moves(history: Frame) -> Frame:
    """One row per move to an earlier status, in fold order: `shipped -> paid at version 4`."""
    previous = nw.col("status").shift(1).over("order_id", order_by=list(FOLD_ORDER))
    moves = (
        history.select("order_id", "status", *FOLD_ORDER)
        .with_columns(previous.alias("previous"))
        .filter(_rank_of("status") < _rank_of("previous"))
        .select(
            "order_id",
            nw.lit("backward_status").alias("anomaly"),
            nw.concat_str(
                nw.col("previous"),
                nw.lit(" -> "),
                nw.col("status"),
                nw.lit(" at version "),
                nw.col("version").cast(nw.String),
            ).alias("detail"),
        )
    )
    return distinct(moves, "order_id", "anomaly", "detail")


def _rank_of(column: str) -> nw.Expr:
    """Return the place of a status in `STATUSES`; null for none."""
    rank = nw.lit(None, dtype=nw.Int64)
    for place, status in enumerate(STATUSES):
        rank = nw.when(nw.col(column) == status).then(nw.lit(place)).otherwise(rank)
    return rank
