"""The reports: sales by day, product and customer, and how long orders take from status to status.

Days are UTC days of `placed_at`. Sales count unless they are cancelled or refunded, returns unless
they are cancelled. Money is in ten-thousandths of the row's currency, durations in ten-thousandths
of an hour, both int64.
"""

from enum import StrEnum

import narwhals as nw

from assets.transforms.frames import (
    FOLD_ORDER,
    Frame,
    day_number,
    microsecond_of_second,
    second_number,
    total_of,
)

ORDER_COLUMNS = (
    *("order_id", "customer_id", "placed_at", "kind", "status", "currency", "country"),
    *("units", "subtotal"),
)
"""What the reports read of the orders frame."""
LINE_COLUMNS = ("order_id", "sku", "quantity", "amount")
"""What they read of the order_lines frame."""


class CustomerSegment(StrEnum):
    """What a customer is to the shop, by the rules of `customer_value`."""

    CHAMPIONS = "champions"
    LOYAL = "loyal"
    POTENTIAL_LOYALISTS = "potential_loyalists"
    NEW = "new"
    PROMISING = "promising"
    NEED_ATTENTION = "need_attention"
    ABOUT_TO_SLEEP = "about_to_sleep"
    CANNOT_LOSE = "cannot_lose"
    AT_RISK = "at_risk"
    HIBERNATING = "hibernating"
    LOST = "lost"
    RETURNS_ONLY = "returns_only"


def daily_sales(orders: Frame) -> Frame:
    """Return day, currency, country, orders, units, gross, returns, net.

    `orders` counts the sales; `gross` and `returns` (≤ 0) are sums of subtotals, `net` is both
    together; `units` is signed over both. A missing country is `unknown`.
    """
    is_sale = nw.col("kind") == "sale"
    subtotal = nw.col("subtotal")
    return (
        _counted(orders)
        .select(
            nw.col("placed_at").dt.date().alias("day"),
            "currency",
            nw.col("country").fill_null("unknown").alias("country"),
            nw.when(is_sale).then(nw.lit(1)).otherwise(nw.lit(0)).alias("orders"),
            "units",
            nw.when(is_sale).then(subtotal).otherwise(nw.lit(0)).alias("gross"),
            nw.when(is_sale).then(nw.lit(0)).otherwise(subtotal).alias("returns"),
        )
        .group_by("day", "currency", "country")
        .agg(*(total_of(name) for name in ("orders", "units", "gross", "returns")))
        .with_columns((nw.col("gross") + nw.col("returns")).alias("net"))
        .select("day", "currency", "country", "orders", "units", "gross", "returns", "net")
    )


def product_sales(orders: Frame, lines: Frame) -> Frame:
    """Return day, sku, currency, units, net; `lines` is the order_lines frame."""
    counted = _counted(orders).select("order_id", "currency", nw.col("placed_at").dt.date().alias("day"))
    return (
        lines.select(*LINE_COLUMNS)
        .join(counted, on="order_id", how="inner")
        .group_by("day", "sku", "currency")
        .agg(total_of("quantity").alias("units"), total_of("amount").alias("net"))
        .select("day", "sku", "currency", "units", "net")
    )


def customer_value(orders: Frame) -> Frame:
    """Return customer_id, currency, recency_days, frequency, monetary, segment.

    recency_days: from the customer's latest counted order in that currency to the latest order of
    all in the frame, whatever its status; frequency: the number of counted sales; monetary: Σ
    subtotal over sales and returns.

    Scores from 1 to 5. R: at most 30, 90, 180, 365 days ago, or longer: 5, 4, 3, 2, 1. F: at least
    10, 5, 3, 2 sales, or fewer: 5, 4, 3, 2, 1. M: the fifth of the currency's customers that
    monetary falls in, 5 the highest, equal sums alike. Segments, the first that applies:

    | Segment               | Rule                 | Segment          | Rule                 |
    |-----------------------|----------------------|------------------|----------------------|
    | `returns_only`        | no sale              | `need_attention` | R = 3, F ≥ 3         |
    | `champions`           | R ≥ 4, F ≥ 4, M ≥ 4  | `about_to_sleep` | R = 3                |
    | `loyal`               | R ≥ 4, F ≥ 3         | `cannot_lose`    | R ≤ 2, F ≥ 4, M ≥ 4  |
    | `potential_loyalists` | R ≥ 4, F = 2         | `at_risk`        | R ≤ 2, F ≥ 3         |
    | `new`                 | R = 5, F = 1         | `hibernating`    | R = 2                |
    | `promising`           | R = 4, F = 1         | `lost`           | R = 1                |
    """
    return valued(customer_totals(orders), orders.select(nw.col("placed_at").max().alias("latest_of_all")))


def customer_totals(orders: Frame) -> Frame:
    """Return customer_id, currency, latest, frequency, monetary of the counted orders, before any score.

    Those of several parts of the orders are joined by the greatest `latest` and the sums of the others.
    """
    is_sale = nw.col("kind") == "sale"
    return (
        _counted(orders)
        .filter(~nw.col("customer_id").is_null())
        .select(
            *("customer_id", "currency", "placed_at", "subtotal"),
            nw.when(is_sale).then(nw.lit(1)).otherwise(nw.lit(0)).alias("sales"),
        )
        .group_by("customer_id", "currency")
        .agg(
            nw.col("placed_at").max().alias("latest"),
            total_of("sales").alias("frequency"),
            total_of("subtotal").alias("monetary"),
        )
    )


def valued(totals: Frame, latest_of_all: Frame) -> Frame:
    """Return `customer_value` from the totals of all customers and `latest_of_all`, one row of placed_at."""
    values = totals.join(latest_of_all, how="cross")
    recency = day_number(nw.col("latest_of_all")) - day_number(nw.col("latest"))
    return (
        values.with_columns(
            recency.alias("recency_days"),
            nw.col("monetary").rank("max").over("currency").cast(nw.Int64).alias("place"),
            nw.col("monetary").count().over("currency").cast(nw.Int64).alias("places"),
        )
        .with_columns(*_scores())
        .with_columns(_segment().alias("segment"))
        .select("customer_id", "currency", "recency_days", "frequency", "monetary", "segment")
    )


def fulfilment_times(orders: Frame, history: Frame) -> Frame:
    """Return day, from_status, to_status, orders, median_hours, p95_hours.

    For each order the first time that each status is reached, in the order of the fold; a row per
    day of the order and pair of statuses that follow each other so. Median and 95th percentile are
    nearest-rank, in ten-thousandths of an hour rounded down, and negative where the later event
    says that it occurred earlier. `history` is that of `orders.anomalies`.
    """
    group = ["day", "from_status", "to_status"]
    days = orders.select("order_id", nw.col("placed_at").dt.date().alias("day"))
    ranked = (
        _first_steps(history)
        .join(days, on="order_id", how="inner")
        .with_columns(_ninths().alias("ninths"))
        .select(*group, (nw.col("ninths") // 9).alias("hours"))
        .with_columns(
            nw.col("hours").rank("ordinal").over(*group).cast(nw.Int64).alias("place"),
            nw.col("hours").count().over(*group).cast(nw.Int64).alias("orders"),
        )
    )
    hours, place, orders_ = nw.col("hours"), nw.col("place"), nw.col("orders")
    return (
        ranked.with_columns(
            nw.when(place == (orders_ + 1) // 2).then(hours).alias("median_hours"),
            nw.when(place == (orders_ * 95 + 99) // 100).then(hours).alias("p95_hours"),
        )
        .group_by(*group)
        .agg(nw.col("orders", "median_hours", "p95_hours").max())
        .select(*group, "orders", "median_hours", "p95_hours")
    )


def _counted(orders: Frame) -> Frame:
    sale = (nw.col("kind") == "sale") & ~nw.col("status").is_in(["cancelled", "refunded"])
    returned = (nw.col("kind") == "return") & (nw.col("status") != "cancelled")
    return orders.filter(sale | returned)


def _scores() -> list[nw.Expr]:
    place, places = nw.col("place"), nw.col("places")
    return [
        _score("recency_days", (30, 90, 180, 365), most_is_best=False).alias("r"),
        _score("frequency", (10, 5, 3, 2), most_is_best=True).alias("f"),
        ((place * 5 + places - 1) // places).alias("m"),
    ]


def _score(column: str, limits: tuple[int, int, int, int], *, most_is_best: bool) -> nw.Expr:
    """Return 5 where the first limit holds, 4 where the second does, …, else 1."""
    value = nw.col(column)
    score = nw.lit(1)
    for points, limit in zip((2, 3, 4, 5), reversed(limits), strict=True):
        holds = value >= limit if most_is_best else value <= limit
        score = nw.when(holds).then(nw.lit(points)).otherwise(score)
    return score


def _segment() -> nw.Expr:
    """Return the first segment whose rule applies; the rules stand in `customer_value`."""
    recency, frequency = nw.col("r"), nw.col("f")
    big = nw.col("m") >= 4
    rules = [
        (nw.col("frequency") == 0, CustomerSegment.RETURNS_ONLY),
        ((recency >= 4) & (frequency >= 4) & big, CustomerSegment.CHAMPIONS),
        ((recency >= 4) & (frequency >= 3), CustomerSegment.LOYAL),
        ((recency >= 4) & (frequency == 2), CustomerSegment.POTENTIAL_LOYALISTS),
        (recency == 5, CustomerSegment.NEW),
        (recency == 4, CustomerSegment.PROMISING),
        ((recency == 3) & (frequency >= 3), CustomerSegment.NEED_ATTENTION),
        (recency == 3, CustomerSegment.ABOUT_TO_SLEEP),
        ((frequency >= 4) & big, CustomerSegment.CANNOT_LOSE),
        (frequency >= 3, CustomerSegment.AT_RISK),
        (recency == 2, CustomerSegment.HIBERNATING),
    ]
    segment = nw.lit(CustomerSegment.LOST.value)
    for rule, name in reversed(rules):
        segment = nw.when(rule).then(nw.lit(name.value)).otherwise(segment)
    return segment


def _first_steps(history: Frame) -> Frame:
    """Return order_id, from_status, to_status, from_at, to_at over the first reaching of each status."""
    fold = list(FOLD_ORDER)
    return (
        history.select("order_id", "status", *FOLD_ORDER)
        .filter(nw.col("status").is_first_distinct().over("order_id", order_by=fold))
        .with_columns(
            nw.col("status").shift(1).over("order_id", order_by=fold).alias("from_status"),
            nw.col("occurred_at").shift(1).over("order_id", order_by=fold).alias("from_at"),
        )
        .filter(~nw.col("from_status").is_null())
        .select(
            "order_id",
            "from_status",
            nw.col("status").alias("to_status"),
            "from_at",
            nw.col("occurred_at").alias("to_at"),
        )
    )


def _ninths() -> nw.Expr:
    """Return a number whose floored ninth is floor((to_at − from_at) / 0.36 s), exactly.

    With S whole seconds and U microseconds between, the latter is floor((25·S + floor(U / 40,000)) / 9):
    small enough for Spark, where integers are divided as doubles.
    """
    start, end = nw.col("from_at"), nw.col("to_at")
    seconds = second_number(end) - second_number(start)
    micros = microsecond_of_second(end) - microsecond_of_second(start)
    return seconds * 25 + micros // 40_000
