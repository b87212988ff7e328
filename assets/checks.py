"""The checks of the warehouse, as data: each counts bad rows, and none is good."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import dagster as dg

from assets.contract.tables import TABLES
from assets.landing.definitions import NOT_LANDED
from assets.operations.definitions import is_copy_behind
from assets.platform import Platform, PlatformParam, typed_failures

if TYPE_CHECKING:
    import duckdb

FEED_CHECKS: Final = "feed_checks"
"""The step that fails a run of which one feed was not landed, after all else is done."""
_WARN: Final = dg.AssetCheckSeverity.WARN
_ERROR: Final = dg.AssetCheckSeverity.ERROR


@dataclass(frozen=True, slots=True)
class Rule:
    """A check of a table. `bad_rows` counts them, and may use `$oldest`, the freshness limit."""

    asset: str
    name: str
    description: str
    bad_rows: str
    severity: dg.AssetCheckSeverity = _ERROR
    is_blocking: bool = False

    @property
    def spec(self) -> dg.AssetCheckSpec:
        """The check as Dagster knows it."""
        return dg.AssetCheckSpec(
            self.name, asset=self.asset, description=self.description, blocking=self.is_blocking
        )


# Where a table has hashes of its key, only rows whose hashes meet are compared in full: the memory that
# counting distinct texts takes would grow with history.
_KEY_HASHES: Final = {
    "order_events": "event_key",
    "orders": "order_key",
    "order_lines": "order_key, line_number",
    "customers": "customer_key",
}
_SALES: Final = """
SELECT placed_at::DATE AS day, currency, sum(subtotal) AS net FROM orders
WHERE (kind = 'sale' AND status NOT IN ('cancelled', 'refunded'))
   OR (kind = 'return' AND status <> 'cancelled')
GROUP BY ALL
"""


def unique_key(table: str) -> Rule:
    """Return the check that no two rows of a table share its key."""
    keys = ", ".join(TABLES[table].key)
    hashes = _KEY_HASHES.get(table)
    twins = f"(SELECT {hashes} FROM store.{table} GROUP BY ALL HAVING count(*) > 1)"  # noqa: S608
    among = f"store.{table} SEMI JOIN {twins} USING ({hashes})" if hashes else f"store.{table}"
    query = f"SELECT count(*) FROM (SELECT 1 FROM {among} GROUP BY {keys} HAVING count(*) > 1)"  # noqa: S608
    return Rule(table, "key_is_unique", f"No two rows share {keys}.", query)


LOAD_RULES: Final[Sequence[Rule]] = (
    Rule(
        "message_ledger",
        "ledger_balances",
        "In each feed and partition: landed = accepted + duplicates + rejected.",
        "SELECT count(*) FROM message_ledger WHERE landed <> accepted + duplicates + rejected",
        is_blocking=True,
    ),
    *(
        unique_key(name)
        for name in (
            "order_events",
            "orders",
            "order_lines",
            "customers",
            "rejected_messages",
            "message_ledger",
            "order_anomalies",
        )
    ),
    Rule(
        "orders",
        "totals_equal_the_sum_of_lines",
        "subtotal, units and line_count follow from the lines, and total from subtotal.",
        """
        SELECT count(*) FROM store.orders o LEFT JOIN (
            SELECT order_id, order_key, sum(amount) AS amount, sum(quantity) AS units, count(*) AS lines
            FROM store.order_lines GROUP BY ALL
        ) l ON l.order_key = o.order_key AND l.order_id = o.order_id
        WHERE o.subtotal IS DISTINCT FROM l.amount OR o.units IS DISTINCT FROM l.units
           OR o.line_count IS DISTINCT FROM l.lines OR o.total <> o.subtotal + o.shipping + o.tax - o.discount
        """,
    ),
    Rule(
        "orders",
        "every_order_has_an_event",
        "Each order was made by an accepted event.",
        "SELECT count(*) FROM store.orders o ANTI JOIN store.order_events e "
        "ON e.order_key = o.order_key AND e.order_id = o.order_id",
    ),
    Rule(
        "order_lines",
        "every_line_has_its_order",
        "No line is left without its order.",
        "SELECT count(*) FROM store.order_lines l ANTI JOIN store.orders o "
        "ON o.order_key = l.order_key AND o.order_id = l.order_id",
    ),
    Rule(
        "order_events",
        "tables_are_fresh",
        "The newest load is not older than ORDERS_FRESHNESS_HOURS.",
        "SELECT count(*) FROM (SELECT max(loaded_at) AS newest FROM store.loads) WHERE newest < $oldest",
        severity=_WARN,
    ),
    Rule(
        "rejected_messages",
        "no_dead_letter_is_open",
        "Dead letters wait for a decision: `orders rejects list`, then replay or discard them.",
        "SELECT count(*) FROM rejected_messages WHERE state = 'open'",
        severity=_WARN,
    ),
)
REPORT_RULES: Final[Sequence[Rule]] = (
    *(unique_key(name) for name in ("daily_sales", "product_sales", "fulfilment_times", "customer_value")),
    Rule(
        "daily_sales",
        "net_equals_orders",
        "By day and currency, net is the sum of the orders' subtotals; touched days are left out.",
        f"""
        SELECT count(*) FROM (SELECT day, currency, sum(net) AS net FROM daily_sales GROUP BY ALL) r
        FULL JOIN ({_SALES}) o USING (day, currency)
        WHERE r.net IS DISTINCT FROM o.net AND day NOT IN (SELECT day FROM store.touched_days)
        """,  # noqa: S608 - a constant
    ),
    Rule(
        "product_sales",
        "net_equals_daily_sales",
        "By day and currency, net is that of daily_sales; touched days are left out.",
        """
        SELECT count(*) FROM (SELECT day, currency, sum(net) AS net FROM product_sales GROUP BY ALL) p
        FULL JOIN (SELECT day, currency, sum(net) AS net FROM daily_sales GROUP BY ALL) d
        USING (day, currency)
        WHERE p.net IS DISTINCT FROM d.net AND day NOT IN (SELECT day FROM store.touched_days)
        """,
    ),
    Rule(
        "fulfilment_times",
        "median_is_below_p95",
        "No step has a median above its 95th percentile.",
        "SELECT count(*) FROM fulfilment_times WHERE median_hours > p95_hours OR orders < 1",
    ),
    Rule(
        "customer_value",
        "every_value_has_its_customer",
        "No value is left without its customer.",
        "SELECT count(*) FROM customer_value ANTI JOIN customers USING (customer_id)",
    ),
)


def checks() -> list[dg.AssetChecksDefinition]:
    """Return all checks that stand beside the assets."""
    return [
        _table_checks("load_checks", LOAD_RULES),
        _table_checks("report_checks", REPORT_RULES),
        _segments_check(),
        _feeds_check(),
        _merged_check(),
        _copy_check(),
    ]


def evaluate(
    platform: Platform, rules: Sequence[Rule], connection: "duckdb.DuckDBPyConnection"
) -> Iterator[dg.AssetCheckResult]:
    """Evaluate rules one by one on an open warehouse."""
    oldest = platform.clock.now() - timedelta(hours=platform.freshness_hours)
    for rule in rules:
        parameters = {"oldest": oldest.replace(tzinfo=None)} if "$oldest" in rule.bad_rows else None
        row = connection.execute(rule.bad_rows, parameters).fetchone()
        assert row is not None
        bad = int(row[0])
        yield dg.AssetCheckResult(
            asset_key=rule.asset,
            check_name=rule.name,
            passed=bad == 0,
            severity=rule.severity,
            description=rule.description if bad == 0 else f"{bad:,} bad: {rule.description}",
            metadata={"bad rows": bad},
        )


def _table_checks(name: str, rules: Sequence[Rule]) -> dg.AssetChecksDefinition:
    # One step for all of a room's checks: each step costs an event and each opening of the file 55 ms.
    @dg.multi_asset_check(name=name, specs=[rule.spec for rule in rules], can_subset=True, pool="warehouse")
    def table_checks(
        context: dg.AssetCheckExecutionContext, platform: PlatformParam
    ) -> Iterator[dg.AssetCheckResult]:
        chosen = [rule for rule in rules if rule.spec.key in context.selected_asset_check_keys]
        with typed_failures(), platform.warehouse.writing() as connection:
            yield from evaluate(platform, chosen, connection)

    return table_checks


def _segments_check() -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset="order_messages",
        name="segments_are_whole",
        description="Every segment can be opened and holds as many messages as its footer says.",
    )
    def segments_are_whole(platform: PlatformParam) -> dg.AssetCheckResult:
        from resources.errors import PermanentError

        try:
            segments = platform.landing.segments()
        except PermanentError as error:
            return dg.AssetCheckResult(passed=False, severity=_ERROR, description=str(error))
        return dg.AssetCheckResult(passed=True, metadata={"segments": len(segments)})

    return segments_are_whole


def _merged_check() -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset="merged_segments",
        name="no_merged_part_is_left",
        description="No segment is there twice: by itself, and within a merged one that took its place.",
    )
    def no_merged_part_is_left(platform: PlatformParam) -> dg.AssetCheckResult:
        from resources.merging import leftovers

        # One that a crash, or a merge of this moment, left behind is recognised, and deleted next time.
        left = len(leftovers(platform.landing.segments()))
        return dg.AssetCheckResult(passed=left == 0, severity=_WARN, metadata={"parts left": left})

    return no_merged_part_is_left


def _feeds_check() -> dg.AssetChecksDefinition:
    # Of the ledger, so that it comes after LOAD: what the other feeds landed is loaded before the run fails.
    spec = dg.AssetCheckSpec(
        "every_feed_has_landed",
        asset="message_ledger",
        description="No feed failed while this run landed what waited.",
        blocking=True,
    )

    @dg.multi_asset_check(name=FEED_CHECKS, specs=[spec])
    def feed_checks(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        event = context.instance.get_latest_materialization_event(dg.AssetKey("order_messages"))
        is_of_this_run = event is not None and event.run_id == context.run.run_id
        landed = event.asset_materialization if event is not None and is_of_this_run else None
        told = landed.metadata.get(NOT_LANDED) if landed is not None else None
        lines = str(told.value) if told is not None else ""
        return dg.AssetCheckResult(passed=not lines, severity=_ERROR, description=lines or None)

    return feed_checks


def _copy_check() -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset="published_copy",
        name="copy_is_up_to_date",
        description="Nothing was written to the warehouse since the copy was published.",
    )
    def copy_is_up_to_date(platform: PlatformParam) -> dg.AssetCheckResult:
        # A load may begin right after the publishing: that is worth a look, not an alarm.
        return dg.AssetCheckResult(passed=not is_copy_behind(platform), severity=_WARN)

    return copy_is_up_to_date
