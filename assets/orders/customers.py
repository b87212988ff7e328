"""Customers, kept up to date from the orders that a batch changed, without reading the others.

Counts and extremes take a new order without looking back. Only a customer from whom something was
taken away (an order moved to another customer, or its times went back) is computed anew from orders.
"""

from typing import Final

import duckdb
import narwhals as nw
import polars as pl

from assets.contract.tables import CUSTOMERS, ORDERS
from assets.frames import (
    GIVEN_ROWS,
    collected,
    delete_rows,
    insert_rows,
    numbers_of,
    rows_at,
    select_frame,
)
from assets.orders.keys import CUSTOMER_KEY
from assets.transforms import orders as transforms

_THEIRS: Final = f"customer_key IN (SELECT {CUSTOMER_KEY} FROM given)"
_KNOWN: Final = f"SELECT rowid AS row, * FROM store.customers WHERE {GIVEN_ROWS}"
_ORDERS: Final = select_frame(ORDERS, GIVEN_ROWS)
_MORE: Final = {"customer_key": CUSTOMER_KEY}
_PROFILE: Final = ("name", "email", "country", "profile_at", "profile_order_id")


def update_customers(
    connection: duckdb.DuckDBPyConnection, taking: pl.DataFrame, orders: pl.DataFrame
) -> None:
    """Bring `store.customers` up to date with the orders of a load.

    `orders` are their new rows, which `store.orders` holds already; `taking` has order_id, customer_id,
    placed_at and occurred_at of each, and with `old_` before their names those of the state that it replaced.
    """
    lost = _lost(taking)
    is_lost = pl.col("customer_id").is_in(lost.implode())
    gained = _customers_of(orders.filter(~is_lost) if len(lost) else orders)
    # An update that stays with its customer was counted when it was new.
    stays = (pl.col("customer_id") == pl.col("old_customer_id")) & ~is_lost
    counted = taking.filter(stays).group_by("customer_id").agg(pl.len().cast(pl.Int64).alias("counted"))
    known = _taken_out(connection, pl.concat([gained["customer_id"], lost]).to_frame())
    insert_rows(connection, CUSTOMERS, _merged(gained, known, counted), _MORE)
    if len(lost):
        insert_rows(connection, CUSTOMERS, _customers_of(_orders_of(connection, lost.to_frame())), _MORE)


def _customers_of(orders: pl.DataFrame) -> pl.DataFrame:
    return collected(transforms.customers(nw.from_native(orders.lazy())))


def _lost(taking: pl.DataFrame) -> pl.Series:
    is_taken_away = (
        pl.col("customer_id").ne_missing(pl.col("old_customer_id"))
        | (pl.col("placed_at") != pl.col("old_placed_at"))
        | (pl.col("occurred_at") < pl.col("old_occurred_at"))
    )
    replaced = taking.filter(pl.col("old_customer_id").is_not_null() & is_taken_away)
    return replaced["old_customer_id"].unique().alias("customer_id")


def _taken_out(connection: duckdb.DuckDBPyConnection, customers: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of some customers (customer_id), as far as they are known, and delete them."""
    found = rows_at(connection, _KNOWN, numbers_of(connection, CUSTOMERS, _THEIRS, customers))
    known = found.join(customers, on="customer_id", how="semi")
    delete_rows(connection, CUSTOMERS, known)
    return known


def _merged(gained: pl.DataFrame, known: pl.DataFrame, counted: pl.DataFrame) -> pl.DataFrame:
    """Return the customers with what they gained; `counted` is how much of that was counted before."""
    beside = gained.join(known, on="customer_id", how="left", suffix="_known")
    beside = beside.join(counted, on="customer_id", how="left")
    at, known_at = pl.col("profile_at"), pl.col("profile_at_known")
    is_newer = (
        known_at.is_null()
        | (at > known_at)
        | ((at == known_at) & (pl.col("profile_order_id") >= pl.col("profile_order_id_known")))
    )
    return beside.select(
        "customer_id",
        *(pl.when(is_newer).then(name).otherwise(f"{name}_known").alias(name) for name in _PROFILE),
        pl.min_horizontal("first_order_at", "first_order_at_known"),
        pl.max_horizontal("last_order_at", "last_order_at_known"),
        pl.col("order_count") - pl.col("counted").fill_null(0) + pl.col("order_count_known").fill_null(0),
    )


def _orders_of(connection: duckdb.DuckDBPyConnection, customers: pl.DataFrame) -> pl.DataFrame:
    found = rows_at(connection, _ORDERS, numbers_of(connection, ORDERS, _THEIRS, customers))
    return found.join(customers, on="customer_id", how="semi")
