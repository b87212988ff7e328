"""The assets of landing: the feeds, which are external, and `order_messages`."""

import dagster as dg

from assets.metadata import segment_schema
from assets.platform import PlatformParam, retries, typed_failures

FEEDS = "feeds"


def broker_feed() -> dg.AssetSpec:
    """Return the external asset of the broker's feed, where lineage starts."""
    return dg.AssetSpec(
        [FEEDS, "broker"],
        description="Messages that wait in the broker: read by LAND, acknowledged only after the fsync.",
        group_name=FEEDS,
        kinds={"queue"},
    )


def order_messages_asset(owner: str) -> dg.AssetsDefinition:
    """Return the asset that LANDs what the broker holds."""

    @dg.asset(
        deps=[broker_feed().key, "order_files"],
        group_name="landing",
        owners=[owner],
        kinds={"parquet"},
        pool="landing",
        retry_policy=retries(),
        description=(
            "Every message as it came: immutable Parquet segments of raw bytes and envelope, the system of "
            "record. The broker is told only after the fsync."
        ),
    )
    def order_messages(
        context: dg.AssetExecutionContext, platform: PlatformParam
    ) -> dg.MaterializeResult[None]:
        from assets.landing.land import land

        with typed_failures(), platform.broker() as broker:
            platform.demand_nothing_lost()
            landed = land(
                broker,
                platform.landing,
                timeout_s=platform.lock_timeout_s,
                on_segment=lambda segment: platform.on_progress(f"landed {segment.rows:,} messages"),
            )
        segments = platform.landing.segments()
        context.log.info(f"landed {landed.messages} messages in {landed.segments} segments")
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": sum(segment.rows for segment in segments),
                "dagster/column_schema": segment_schema(),
                "messages landed": landed.messages,
                "segments": len(segments),
                "bytes on disk": sum(segment.bytes for segment in segments),
            }
        )

    return order_messages
