"""The assets of reports: three by day, made in one transaction, and the value of customers."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

import dagster as dg

from assets.days import Partitions, day_events, selected_days
from assets.metadata import as_markdown, table_metadata, table_spec
from assets.platform import PlatformParam, after_runs, retries, typed_failures

# What each report is made from.
DAILY: Final[Mapping[str, list[str]]] = MappingProxyType(
    {
        "daily_sales": ["orders"],
        "product_sales": ["orders", "order_lines"],
        "fulfilment_times": ["orders", "order_events"],
    }
)
_PICTURES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "daily_sales": "SELECT day, currency, sum(orders) AS orders, sum(net) AS net FROM daily_sales "
        "GROUP BY ALL ORDER BY day DESC, currency LIMIT 14",
        "product_sales": "SELECT sku, currency, sum(units) AS units, sum(net) AS net FROM product_sales "
        "GROUP BY ALL ORDER BY net DESC, sku LIMIT 10",
        "fulfilment_times": "SELECT from_status, to_status, sum(orders) AS orders, "
        "max(p95_hours) AS worst_p95_hours FROM fulfilment_times GROUP BY ALL ORDER BY ALL",
        "customer_value": "SELECT segment, currency, count(*) AS customers, sum(monetary) AS monetary "
        "FROM customer_value GROUP BY ALL ORDER BY monetary DESC, segment",
    }
)


def daily_reports_asset(partitions: dg.DailyPartitionsDefinition, owner: str) -> dg.AssetsDefinition:
    """Return the asset of the daily reports: a run without chosen days refreshes the touched ones."""

    @dg.multi_asset(
        name="daily_reports",
        specs=[table_spec(name, group="reports", owner=owner, deps=deps) for name, deps in DAILY.items()],
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        can_subset=True,
        pool="warehouse",
        retry_policy=retries(),
        description="Recomputes whole days of the reports from the current state, in one transaction.",
    )
    def daily_reports(
        context: dg.AssetExecutionContext, platform: PlatformParam
    ) -> Iterator[dg.MaterializeResult[None]]:
        from assets.reports.refresh import refresh_days, stretches, touched_days

        names = [name for name in DAILY if dg.AssetKey(name) in context.selected_asset_keys]
        chosen = selected_days(context)
        with typed_failures():
            days = touched_days(platform.warehouse) if chosen is None else chosen
            rows = refresh_days(platform.warehouse, days, names)
        if chosen is None:
            valid = Partitions(platform.first_day, platform.last_day)
            for event in day_events(names, stretches(days), valid):
                context.log_event(event)
        numbers = {
            "days refreshed": dg.MetadataValue.int(len(days)),
            "rows written": dg.MetadataValue.int(rows),
        }
        with platform.warehouse.writing() as connection:
            for name in names:
                told = {
                    **table_metadata(connection, name),
                    "at a glance": as_markdown(connection, _PICTURES[name]),
                }
                yield dg.MaterializeResult(asset_key=name, metadata={**told, **numbers})

    return daily_reports


def customer_value_asset(owner: str) -> dg.AssetsDefinition:
    """Return the asset of the customers' value."""

    @dg.multi_asset(
        name="customer_value",
        specs=[
            table_spec("customer_value", group="reports", owner=owner, deps=["orders"]).replace_attributes(
                automation_condition=after_runs()
            )
        ],
        pool="warehouse",
        retry_policy=retries(),
    )
    def customer_value(platform: PlatformParam) -> Iterator[dg.MaterializeResult[None]]:
        from assets.reports.refresh import refresh_customer_value

        with typed_failures():
            refresh_customer_value(platform.warehouse)
        with platform.warehouse.writing() as connection:
            told = table_metadata(connection, "customer_value")
            picture = as_markdown(connection, _PICTURES["customer_value"])
        yield dg.MaterializeResult(metadata={**told, "at a glance": picture})

    return customer_value
