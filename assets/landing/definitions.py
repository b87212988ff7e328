"""The assets of landing: the feeds, which are external, and `order_messages`."""

from collections.abc import Sequence

import dagster as dg

from assets.metadata import segment_schema
from assets.platform import PlatformParam, retries, typed_failures

FEEDS = "feeds"


def feed_key(feed: str) -> dg.AssetKey:
    """Return the key of a feed's external asset."""
    return dg.AssetKey([FEEDS, feed])


def broker_feeds(feeds: Sequence[str]) -> list[dg.AssetSpec]:
    """Return the external assets of the brokers' feeds, where lineage starts."""
    return [
        dg.AssetSpec(
            feed_key(feed),
            description=f"Messages that wait in the broker of feed {feed}: read by LAND, acknowledged only "
            "after the fsync.",
            group_name=FEEDS,
            kinds={"queue"},
        )
        for feed in feeds
    ]


def order_messages_asset(feeds: Sequence[str], owner: str) -> dg.AssetsDefinition:
    """Return the asset that LANDs what the brokers of these feeds hold."""

    @dg.asset(
        deps=[*(feed_key(feed) for feed in feeds), "order_files"],
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
        from assets.landing.land import land_feeds

        with typed_failures(), platform.brokers() as brokers:
            platform.demand_nothing_lost()
            landed = land_feeds(
                brokers,
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
