"""Customers, kept up to date from the orders that a batch changed, without reading the others.

Counts and extremes take a new order without looking back. Only a customer from whom something was
taken away (an order moved to another customer, or its times went back) is computed anew from orders.
"""

import duckdb

from assets.contract.tables import TABLES
from assets.frames import insert_frame, row_count, select_frame
from assets.orders.queries import queries

_LOST = """
CREATE OR REPLACE TEMP TABLE lost_customers AS
SELECT DISTINCT old_customer_id AS customer_id, hash(old_customer_id) AS customer_key
FROM taking
WHERE is_update AND old_customer_id IS NOT NULL
  AND (customer_id IS DISTINCT FROM old_customer_id
       OR placed_at <> old_placed_at OR occurred_at < old_updated_at)
"""
_GAINED = "load_no = {load_no:d} AND customer_id IS NOT NULL"
_GAINED_WITHOUT_LOST = _GAINED + " AND customer_id NOT IN (SELECT customer_id FROM lost_customers)"
# An update that stays with its customer was counted when it was new.
_UPDATES = """
CREATE OR REPLACE TEMP TABLE counted_before AS
SELECT customer_id, count(*) AS orders
FROM taking
WHERE is_update AND customer_id = old_customer_id
  AND customer_id NOT IN (SELECT customer_id FROM lost_customers)
GROUP BY customer_id
"""
# Row numbers are stored before they are used: DuckDB 2.0.0 crashed on the nested form of these look-ups.
_ASKED = """
CREATE OR REPLACE TEMP TABLE asked_customers AS
SELECT customer_id FROM gained UNION SELECT customer_id FROM lost_customers
"""
_KNOWN_ROWS = """
CREATE OR REPLACE TEMP TABLE known_rows AS
SELECT rowid AS row FROM store.customers
WHERE customer_key IN (SELECT hash(customer_id) FROM asked_customers)
"""
_KNOWN = """
CREATE OR REPLACE TEMP TABLE known_customers AS
SELECT rowid AS row, * FROM store.customers
WHERE customer_id IN (SELECT customer_id FROM asked_customers) AND rowid IN (SELECT row FROM known_rows)
"""
_THEIR_ROWS = """
CREATE OR REPLACE TEMP TABLE their_rows AS
SELECT rowid AS row FROM store.orders WHERE customer_key IN (SELECT customer_key FROM lost_customers)
"""
_MERGED = """
CREATE OR REPLACE TEMP VIEW merged_customers AS
SELECT
    gained.customer_id,
    CASE WHEN is_newer THEN gained.name ELSE known.name END AS name,
    CASE WHEN is_newer THEN gained.email ELSE known.email END AS email,
    CASE WHEN is_newer THEN gained.country ELSE known.country END AS country,
    least(gained.first_order_at, known.first_order_at) AS first_order_at,
    greatest(gained.last_order_at, known.last_order_at) AS last_order_at,
    (gained.order_count - coalesce(counted_before.orders, 0) + coalesce(known.order_count, 0)) AS order_count,
    CASE WHEN is_newer THEN gained.profile_at ELSE known.profile_at END AS profile_at,
    CASE WHEN is_newer THEN gained.profile_order_id ELSE known.profile_order_id END AS profile_order_id
FROM (
    SELECT gained.*, known.customer_id IS NULL OR gained.profile_at > known.profile_at
        OR (gained.profile_at = known.profile_at
            AND gained.profile_order_id >= known.profile_order_id) AS is_newer
    FROM gained LEFT JOIN known_customers AS known USING (customer_id)
) AS gained
LEFT JOIN known_customers AS known USING (customer_id)
LEFT JOIN counted_before USING (customer_id)
"""
_DELETE_KNOWN = "DELETE FROM store.customers WHERE rowid IN (SELECT row FROM known_customers)"


def update_customers(connection: duckdb.DuckDBPyConnection, load_no: int) -> None:
    """Bring `store.customers` up to date with the orders of a load, as the temporary table `taking` has them.

    To be called after `store.orders` holds the new rows.
    """
    losses = row_count(connection.execute(_LOST))
    condition = (_GAINED_WITHOUT_LOST if losses else _GAINED).format(load_no=load_no)
    connection.execute(
        f"CREATE OR REPLACE TEMP VIEW gained_orders AS {select_frame(TABLES['orders'], condition)}"
    )
    connection.execute(_UPDATES)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE gained AS {queries().gained_customers}")
    for statement in (_ASKED, _KNOWN_ROWS, _KNOWN, _MERGED, _DELETE_KNOWN):
        connection.execute(statement)
    _insert(connection, "merged_customers")
    if losses:
        _recompute_lost(connection)
        _insert(connection, f"({queries().recomputed_customers})")


def _insert(connection: duckdb.DuckDBPyConnection, rows: str) -> None:
    insert_frame(
        connection, TABLES["customers"], f"(SELECT *, hash(customer_id) AS customer_key FROM {rows})"
    )


def _recompute_lost(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(_THEIR_ROWS)
    condition = (
        "customer_id IN (SELECT customer_id FROM lost_customers) AND rowid IN (SELECT row FROM their_rows)"
    )
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE their_orders AS " + select_frame(TABLES["orders"], condition)
    )
