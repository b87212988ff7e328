"""The assets of landing: the feeds, which are external, `order_messages`, and `merged_segments`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import dagster as dg

from assets.metadata import segment_schema
from assets.platform import PlatformParam, retries, typed_failures

if TYPE_CHECKING:
    from resources.segments import Segment

FEEDS = "feeds"
NOT_LANDED: Final = "not landed"
"""What a materialization tells of feeds that failed: the check `every_feed_has_landed` fails its run."""
_ATTEMPTS: Final = 3
# So that one run is not held up by a folder with a hundred thousand small ones: the next goes on.
_MERGES: Final = 50


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
        # Not `deps`, which makes names of the keys: Dagster takes no colon in those.
        ins={
            f"feed_{number}": dg.AssetIn(feed_key(feed), dagster_type=dg.Nothing)
            for number, feed in enumerate(feeds)
        },
        deps=["order_files"],
        group_name="landing",
        owners=[owner],
        kinds={"parquet"},
        pool="landing",
        retry_policy=retries(),
        description=(
            "Every message as it came: immutable Parquet segments of raw bytes and envelope, the system of "
            "record. The broker is told only after the fsync. A feed that fails holds none of the others up: "
            "its run loads what landed, and then fails."
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
                attempts=_ATTEMPTS,
                on_segment=lambda segment: platform.on_progress(f"landed {segment.rows:,} messages"),
            )
            segments = platform.landing.segments()
        context.log.info(f"landed {landed.messages} messages in {landed.segments} segments")
        for line in landed.failures:
            context.log.error(f"not landed: {line}")
        lost = dg.MetadataValue.text("; ".join(landed.failures))
        told = {"messages landed": dg.MetadataValue.int(landed.messages), NOT_LANDED: lost}
        return dg.MaterializeResult(metadata={**told, **_told(segments)})

    return order_messages


def merged_segments_asset(owner: str) -> dg.AssetsDefinition:
    """Return the asset that merges small segments once they are loaded, so that files stay few."""

    @dg.asset(
        deps=["message_ledger"],
        group_name="landing",
        owners=[owner],
        kinds={"parquet"},
        pool="warehouse",
        retry_policy=retries(),
        description=(
            "The landing folder with its small neighbours merged, once they are loaded: the same messages in "
            "the same order, in fewer files. Stream mode does the same as it goes."
        ),
    )
    def merged_segments(
        context: dg.AssetExecutionContext, platform: PlatformParam
    ) -> dg.MaterializeResult[None]:
        from assets.orders.compaction import merge_small_segments

        with typed_failures():
            gone = merge_small_segments(platform.warehouse, platform.landing, most=_MERGES)
            segments = platform.landing.segments()
        context.log.info(f"merged {gone} segments")
        return dg.MaterializeResult(metadata={"segments merged": gone, **_told(segments)})

    return merged_segments


def _told(segments: "Sequence[Segment]") -> dict[str, dg.MetadataValue]:
    return {
        "dagster/row_count": dg.MetadataValue.int(sum(segment.rows for segment in segments)),
        "dagster/column_schema": dg.MetadataValue.table_schema(segment_schema()),
        "segments": dg.MetadataValue.int(len(segments)),
        "bytes on disk": dg.MetadataValue.int(sum(segment.bytes for segment in segments)),
    }
