"""The asset of LOAD: all tables that one transaction settles, as one multi-asset."""

import logging
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import dagster as dg

from assets.metadata import as_markdown, table_metadata, table_spec
from assets.platform import Platform, PlatformParam, retries, typed_failures

if TYPE_CHECKING:
    import duckdb

    from assets.orders.load import Loaded

_log = logging.getLogger(__name__)

# What each table is made from, in flow order.
LOAD_TABLES: Final[Mapping[str, list[str]]] = MappingProxyType(
    {
        "order_events": ["order_messages"],
        "rejected_messages": ["order_messages"],
        "orders": ["order_events"],
        "order_lines": ["order_events"],
        "customers": ["orders"],
        "message_ledger": ["order_messages"],
        "order_anomalies": ["order_events"],
    }
)
_PICTURES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "order_events": "SELECT event_type, count(*) AS events FROM order_events "
        "GROUP BY ALL ORDER BY ALL LIMIT 20",
        "rejected_messages": "SELECT reason, state, count(*) AS messages FROM rejected_messages "
        "GROUP BY ALL ORDER BY messages DESC, reason, state",
        "orders": "SELECT kind, status, count(*) AS orders FROM orders GROUP BY ALL ORDER BY ALL",
        "order_lines": "SELECT sku, sum(quantity) AS units FROM order_lines "
        "GROUP BY sku ORDER BY units DESC, sku LIMIT 10",
        "customers": "SELECT coalesce(country, 'unknown') AS country, count(*) AS customers FROM customers "
        "GROUP BY ALL ORDER BY customers DESC, country LIMIT 10",
        "message_ledger": "FROM message_ledger ORDER BY ALL",
        "order_anomalies": "SELECT anomaly, count(*) AS orders FROM order_anomalies "
        "GROUP BY ALL ORDER BY ALL",
    }
)


def load_asset(owner: str) -> dg.AssetsDefinition:
    """Return the asset of LOAD."""

    @dg.multi_asset(
        name="load",
        specs=[
            table_spec(name, group="orders", owner=owner, deps=deps) for name, deps in LOAD_TABLES.items()
        ],
        pool="warehouse",
        retry_policy=retries(),
        description="LOAD: settles what has landed, one DuckDB transaction per batch for all these tables.",
    )
    def load_orders(
        context: dg.AssetExecutionContext, platform: PlatformParam
    ) -> Iterator[dg.MaterializeResult[None]]:
        from assets.orders.load import load

        with typed_failures():
            loaded = load(
                platform.warehouse,
                platform.landing,
                max_bytes=platform.max_message_bytes,
                on_batch=lambda so_far: _tell(so_far, platform),
            )
        context.log.info(f"loaded {loaded.messages} messages in {loaded.batches} transactions")
        with platform.warehouse.writing() as connection:
            for name in LOAD_TABLES:
                yield dg.MaterializeResult(asset_key=name, metadata=_told(connection, name, loaded))

    return load_orders


def _tell(so_far: "Loaded", platform: Platform) -> None:
    text = "committed batch %d, so far: %d messages, of them %d accepted, %d duplicates, %d rejected"
    counts = (so_far.messages, so_far.accepted, so_far.duplicates, so_far.rejected)
    _log.info(text, so_far.batches, *counts)
    platform.on_progress(f"loaded {so_far.messages:,} messages")


def _told(
    connection: "duckdb.DuckDBPyConnection", name: str, loaded: "Loaded"
) -> dict[str, dg.MetadataValue]:
    told: dict[str, dg.MetadataValue] = {
        **table_metadata(connection, name),
        "at a glance": as_markdown(connection, _PICTURES[name]),
    }
    if name == "message_ledger":
        told |= {
            "messages loaded": dg.MetadataValue.int(loaded.messages),
            "accepted": dg.MetadataValue.int(loaded.accepted),
            "duplicates": dg.MetadataValue.int(loaded.duplicates),
            "rejected": dg.MetadataValue.int(loaded.rejected),
            "seconds": dg.MetadataValue.float(round(sum(loaded.stages.values()), 3)),
        }
    return told
