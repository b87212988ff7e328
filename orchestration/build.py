"""From settings to definitions: the one place where the rooms are put together."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

import dagster as dg

from assets.checks import checks
from assets.files.definitions import files_feed, order_files_asset
from assets.landing.definitions import broker_feeds, merged_segments_asset, order_messages_asset
from assets.operations.definitions import published_copy_asset
from assets.operations.notifications import notifications_asset
from assets.orders.definitions import load_asset
from assets.reports.definitions import customer_value_asset, daily_reports_asset
from orchestration.jobs import AFTER_REPORTS, INGEST, REPORTS, jobs
from orchestration.logs import about, run_logger
from orchestration.orphans import process_tags
from orchestration.partitions import daily
from orchestration.schedules import schedules
from orchestration.settings import Settings
from resources.errors import PermanentError
from resources.notifications.resource import RESOURCE_KEY, NotificationOutbox
from sensors.automation import automation_sensor
from sensors.backlog import backlog_sensor
from sensors.collectors import collector_sensors
from sensors.restatement import restatement_sensor

if TYPE_CHECKING:
    from assets.platform import Platform
    from resources.brokers.port import Broker

_NO_OVERRIDES: Mapping[str, object] = {}


def build_definitions(
    settings: Settings, *, overrides: Mapping[str, object] = _NO_OVERRIDES
) -> dg.Definitions:
    """Return fresh definitions; `overrides` replaces resources by key (`platform`, `notification_outbox`)."""
    with _beta_is_fine():
        return _definitions(settings, overrides)


@contextmanager
def _beta_is_fine() -> Iterator[None]:
    # Backfill policies and automation sensors are beta in 1.13, which nobody who runs this can change.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        yield


def _definitions(settings: Settings, overrides: Mapping[str, object]) -> dg.Definitions:
    assets = _assets(settings)
    definitions = dg.Definitions(
        assets=assets,
        asset_checks=checks(),
        schedules=schedules(),
        sensors=[
            backlog_sensor(INGEST),
            restatement_sensor(REPORTS),
            automation_sensor(*AFTER_REPORTS),
            *collector_sensors(),
        ],
        executor=dg.in_process_executor,
        loggers={"console": run_logger(log_format=settings.log_format, level=settings.log_level)},
        resources={
            "platform": platform_resource(settings),
            RESOURCE_KEY: notification_outbox(settings),
            **overrides,
        },
    )
    return dg.Definitions.merge(definitions, jobs(console_level(settings)))


def console_level(settings: Settings) -> str:
    """Return a level that keeps Dagster's many events, and its tracebacks, off a quiet terminal."""
    return settings.log_level if settings.log_level in ("DEBUG", "INFO") else "CRITICAL"


def _assets(settings: Settings) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """Return all assets, in flow order; all but the feeds must be fresh."""
    days = daily(settings.first_day)
    owner = settings.owner
    feeds = feed_names(settings)
    window = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=settings.freshness_hours))
    made = [
        order_files_asset(days, owner),
        order_messages_asset(feeds, owner),
        load_asset(owner),
        merged_segments_asset(owner),
        daily_reports_asset(days, owner),
        customer_value_asset(owner),
        published_copy_asset(owner),
        notifications_asset(owner),
    ]
    fresh = dg.map_asset_specs(lambda spec: spec.replace_attributes(freshness_policy=window), made)
    return [*broker_feeds(feeds), files_feed(), *fresh]


def owners_of(assets: Iterable[dg.AssetsDefinition | dg.AssetSpec]) -> dict[str, list[str]]:
    """Return the owners of each asset, and of each step that makes several."""
    owners: dict[str, list[str]] = {}
    for asset in assets:
        if isinstance(asset, dg.AssetsDefinition):
            for spec in asset.specs:
                owners[spec.key.to_user_string()] = list(spec.owners)
                owners.setdefault(asset.node_def.name, list(spec.owners))
    return owners


def notification_outbox(settings: Settings) -> NotificationOutbox:
    """Return the outbox as sensors and hooks get it."""
    with _beta_is_fine():
        assets = _assets(settings)
    specs = [
        spec
        for asset in assets
        for spec in (asset.specs if isinstance(asset, dg.AssetsDefinition) else [asset])
    ]
    return NotificationOutbox(
        url=settings.state_address().get_secret_value(),
        ui_url=settings.ui_url,
        policies_file=str(settings.alert_policies),
        queued_runs=settings.queued_runs_limit,
        queued_s=settings.queued_run_s,
        waiting=settings.backlog_limit,
        owners=owners_of(assets),
        groups={spec.key.to_user_string(): spec.group_name or "default" for spec in specs},
        kinds={spec.key.to_user_string(): sorted(spec.kinds) for spec in specs},
    )


def platform_resource(
    settings: Settings, on_progress: Callable[[str], None] = lambda text: None
) -> dg.ResourceDefinition:
    """Return the platform as a resource, which also notes in its run which process executes it.

    Whatever is logged while a run has it carries the run's id.
    """

    @dg.resource(description="Landing folder, warehouse, broker and clock.")
    def platform(context: dg.InitResourceContext) -> "Iterator[Platform]":
        made = build_platform(settings, on_progress=on_progress)
        if context.run is None:
            yield made
            return
        if context.instance is not None:
            context.instance.add_run_tags(context.run.run_id, process_tags())
        with about(run_id=context.run.run_id):
            yield made

    return platform


def build_platform(
    settings: Settings, *, on_progress: Callable[[str], None] = lambda text: None
) -> "Platform":
    """Return the platform of the settings; nothing is opened or contacted yet."""
    from assets.orders.schema import DDL, SCHEMA_ID
    from assets.platform import Platform
    from resources.clock import SystemClock
    from resources.segments import Landing
    from resources.warehouse.warehouse import MEMORY_LIMIT, Warehouse

    clock = SystemClock()
    return Platform(
        landing=Landing(settings.landing_dir, clock, settings.lock_timeout_s),
        warehouse=Warehouse(
            settings.warehouse_path,
            settings.published_dir,
            DDL,
            SCHEMA_ID,
            settings.lock_timeout_s,
            settings.memory_limit or MEMORY_LIMIT,
        ),
        open_brokers=_Brokers(settings),
        clock=clock,
        first_day=settings.first_day,
        files_dir=settings.files_dir,
        files_mapping=settings.files_mapping,
        max_message_bytes=settings.max_message_bytes,
        lock_timeout_s=settings.lock_timeout_s,
        freshness_hours=settings.freshness_hours,
        health_file=settings.health_file,
        on_progress=on_progress,
    )


@dataclass(frozen=True, slots=True)
class _Brokers:
    """Opens the brokers; their URLs, which may hold a password, are in no repr."""

    settings: Settings = field(repr=False)

    def __call__(self) -> "Sequence[Broker]":
        from resources.brokers.urls import open_brokers

        settings = self.settings
        return open_brokers(settings.broker_address().get_secret_value(), settings.broker_memory_dir)


def feed_names(settings: Settings) -> list[str]:
    """Return the names of the brokers' feeds.

    URLs that are not understood are no reason to show nothing in the UI: then there is one feed, `broker`,
    and whatever wants to read it says what is wrong.
    """
    if settings.broker_url is None:
        # Its module brings Arrow with it, and a code location must load fast.
        return ["inbox"]
    try:
        return [broker.feed for broker in _Brokers(settings)()]
    except PermanentError:
        return ["broker"]
