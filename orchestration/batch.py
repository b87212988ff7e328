"""Batch mode, `orders run`: everything up to now is landed, loaded, reported, published and notified.

It executes in this process and needs no daemon. What a crash leaves undone, the next run finds: runs
whose process died, segments that are not loaded, days that are touched, a copy that is behind.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import dagster as dg

from assets.checks import FEED_CHECKS
from assets.operations.definitions import is_copy_behind, publish_copy
from assets.platform import Platform
from orchestration.build import (
    build_definitions,
    build_platform,
    console_level,
    notification_outbox,
    platform_resource,
)
from orchestration.delivering import expectation_watch, routes
from orchestration.instance import open_instance
from orchestration.jobs import INGEST, MERGED, PUBLISHED, REPORTS, run_config
from orchestration.orphans import process_tags, reap_orphans
from orchestration.results import failures_of, number_of
from orchestration.settings import Settings
from orchestration.stopping import Stopped, stopping
from resources.clock import SystemClock
from resources.errors import OrdersError, TransientError
from resources.leases import held
from resources.notifications.dispatcher import Delivered, deliver_due
from resources.notifications.outbox import Outbox
from sensors.collectors import collect

_NOTIFY_S = 10.0
_AHEAD_S = 30.0
_UNFINISHED = (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


@dataclass(frozen=True, slots=True)
class BatchReport:
    """What a batch did. `failures` has one clear line each; `reaped` are runs whose process had died.

    `landed` counts messages from the broker, `files` days taken in, `loaded` all messages settled;
    `days` report days refreshed; `delivered` notices that reached a channel.
    """

    run_ids: tuple[str, ...] = ()
    landed: int = 0
    files: int = 0
    loaded: int = 0
    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    days: int = 0
    is_published: bool = False
    delivered: int = 0
    reaped: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()

    @property
    def success(self) -> bool:
        """Whether the published copy holds everything that was there when the run began."""
        return not self.failures

    def __str__(self) -> str:
        """Return one line for a person."""
        files = f", {self.files:,} files taken in" if self.files else ""
        loaded = (
            f"{self.loaded:,} loaded ({self.accepted:,} accepted, {self.duplicates:,} duplicates, "
            f"{self.rejected:,} rejected)"
        )
        published = "published" if self.is_published else "nothing to publish"
        if self.failures:
            published = "failed"
        return (
            f"{self.landed:,} messages landed{files}; {loaded}; {self.days:,} report days refreshed; "
            f"{published}; {self.delivered:,} notices delivered"
        )


def run_batch(settings: Settings, *, on_progress: Callable[[str], None] | None = None) -> BatchReport:
    """Run batch mode once and return what it did; failures of its runs are in the report.

    Raises TransientError when another batch holds the lock for longer than ORDERS_LOCK_TIMEOUT_S or
    when SIGTERM or SIGINT stops it, PermanentError when the instance or the outbox cannot be opened.
    """
    batch = _Batch(settings, on_progress or (lambda text: None))
    lock = held(settings.root / "run.lock", settings.lock_timeout_s, "batch mode (`orders run`)")
    try:
        # The outbox first: it tells of nothing that is older than itself.
        with stopping() as stopped, lock, _outbox(settings) as outbox, open_instance(settings) as instance:
            batch.work(instance)
            if stopped.is_set():
                raise Stopped
            batch.notify(instance, outbox)
    except Stopped:
        raise TransientError(
            "stopped by a signal: what was committed stays, and the next `orders run` goes on from there"
        ) from None
    return batch.report()


@contextmanager
def _outbox(settings: Settings) -> Iterator[Outbox]:
    with Outbox(settings.state_address().get_secret_value()) as outbox:
        yield outbox


@dataclass(slots=True)
class _Batch:
    settings: Settings
    tell: Callable[[str], None]
    results: dict[str, dg.ExecuteInProcessResult] = field(default_factory=dict)
    reaped: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    is_published: bool = False
    delivered: int = 0
    definitions: dg.Definitions = field(init=False)
    platform: Platform = field(init=False)

    def __post_init__(self) -> None:
        overrides = {"platform": platform_resource(self.settings, self.tell)}
        self.definitions = build_definitions(self.settings, overrides=overrides)
        self.platform = build_platform(self.settings, on_progress=self.tell)

    def work(self, instance: dg.DagsterInstance) -> None:
        """Run what is due; the first failure ends it, since nothing after it could be complete.

        A feed that could not be landed ends nothing, nor do segments that stay small: the others' tables
        are complete.
        """
        try:
            self.reaped = reap_orphans(instance)
            self.tell("landing and loading")
            is_ingested = self._run(instance, INGEST) or self._is_all_landed_loaded()
            if is_ingested and self._are_reports_due(instance):
                self.tell("refreshing reports")
                is_ingested = self._run(instance, REPORTS)
                self.is_published = is_ingested
            if is_ingested and is_copy_behind(self.platform):
                told = publish_copy(self.platform)
                instance.report_runless_asset_event(dg.AssetMaterialization(PUBLISHED, metadata=told))
                self.is_published = True
        except OrdersError as error:
            self.failures.append(str(error))
        except dg.Failure as error:
            self.failures.append(error.description or "publishing failed")

    def notify(self, instance: dg.DagsterInstance, outbox: Outbox) -> None:
        """Record what failed and deliver what is due, in at most about 10 s, whatever happened before."""
        self.tell("delivering notices")
        clock = SystemClock()
        begun = clock.now()
        resource = notification_outbox(self.settings)
        try:
            chosen = routes(self.settings, sys.stderr)
            collect(
                instance,
                outbox,
                clock,
                about=resource.surroundings(),
                budget_s=_NOTIFY_S / 2,
                interest=resource.interest(),
                limits=resource.limits(),
                platform=self.platform,
            )
            expectation_watch(self.settings, outbox, chosen.policies).look()
            left = _NOTIFY_S - (clock.now() - begun).total_seconds()
            # Nobody may look again soon, so what is due in half a minute goes now.
            outcome: Delivered = deliver_due(
                outbox, chosen.channels, clock, max(left, 1.0), engine=chosen.engine, ahead_s=_AHEAD_S
            )
        except OrdersError as error:
            self.failures.append(f"notices could not be delivered: {error}")
        else:
            self.delivered = outcome.delivered

    def report(self) -> BatchReport:
        """Return the report."""
        ingest, reports = self.results.get(INGEST), self.results.get(REPORTS)
        return BatchReport(
            run_ids=tuple(result.run_id for result in self.results.values()),
            landed=number_of(ingest, "order_messages", "messages landed"),
            files=number_of(ingest, "order_files", "days taken in"),
            loaded=number_of(ingest, "message_ledger", "messages loaded"),
            accepted=number_of(ingest, "message_ledger", "accepted"),
            duplicates=number_of(ingest, "message_ledger", "duplicates"),
            rejected=number_of(ingest, "message_ledger", "rejected"),
            days=number_of(reports, "daily_sales", "days refreshed"),
            is_published=self.is_published,
            delivered=self.delivered,
            reaped=tuple(self.reaped),
            failures=tuple(self.failures),
        )

    def _run(self, instance: dg.DagsterInstance, job: str) -> bool:
        result = self.definitions.resolve_job_def(job).execute_in_process(
            instance=instance,
            raise_on_error=False,
            run_config=run_config(console_level(self.settings)),
            tags={**process_tags(), "orders/mode": "batch"},
        )
        self.results[job] = result
        self.failures += failures_of(result)
        return result.success

    def _is_all_landed_loaded(self) -> bool:
        events = self.results[INGEST].all_events
        failed = {event.step_key for event in events if event.event_type == dg.DagsterEventType.STEP_FAILURE}
        return failed <= {FEED_CHECKS, MERGED}

    def _are_reports_due(self, instance: dg.DagsterInstance) -> bool:
        """Tell whether days are touched, or the last run of reports ended between its steps."""
        from assets.reports.refresh import touched_days

        last = instance.get_run_records(dg.RunsFilter(job_name=REPORTS), limit=1)
        was_cut_short = any(record.dagster_run.status in _UNFINISHED for record in last)
        return was_cut_short or bool(touched_days(self.platform.warehouse))
