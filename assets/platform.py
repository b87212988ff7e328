"""What assets, checks and sensors are given: the opened-on-demand parts of the platform."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

import dagster as dg

from assets.landing.health import read_health
from resources.errors import PermanentError

if TYPE_CHECKING:
    # A code location must load in 2.5 s, and these bring Arrow and DuckDB with them.
    from resources.brokers.port import Broker
    from resources.clock import Clock
    from resources.segments import Landing
    from resources.warehouse.warehouse import Warehouse


@dataclass(frozen=True, slots=True)
class Platform:
    """The parts by name. `open_brokers` makes the brokers anew; the URLs with their credentials stay inside.

    `first_day` is the first daily partition; `on_progress` is told in a few words how far a run is.
    """

    landing: "Landing"
    warehouse: "Warehouse"
    open_brokers: "Callable[[], Sequence[Broker]]"
    clock: "Clock"
    first_day: date
    files_dir: Path | None
    files_mapping: Path | None
    max_message_bytes: int
    lock_timeout_s: float
    freshness_hours: float
    health_file: Path
    on_progress: Callable[[str], None] = lambda text: None

    @contextmanager
    def brokers(self) -> "Iterator[Sequence[Broker]]":
        """Lend the brokers, one for each feed, for the length of a `with`."""
        with ExitStack() as stack:
            opened = self.open_brokers()
            for broker in opened:
                stack.callback(broker.close)
            yield opened

    @contextmanager
    def broker(self) -> "Iterator[Broker]":
        """Lend the first of the brokers, to which this platform itself publishes."""
        with self.brokers() as opened:
            yield opened[0]

    @property
    def last_day(self) -> date:
        """The last daily partition: tomorrow, in UTC."""
        return self.clock.now().date() + timedelta(days=1)

    def is_streaming(self) -> bool:
        """Tell whether stream mode is running, which does what sensors would ask runs for."""
        return read_health(self.health_file, self.clock.now()) is not None

    def demand_nothing_lost(self) -> None:
        """Raise PermanentError, before anything is landed, when the landing folder has lost segments."""
        from assets.orders.plan import demand_nothing_lost

        if self.warehouse.exists():
            with self.warehouse.writing() as connection:
                demand_nothing_lost(connection, self.landing)

    def impatient_warehouse(self) -> "Warehouse":
        """Return the warehouse with a lease timeout that fits a sensor's tick."""
        return replace(self.warehouse, lease_timeout_s=0.5)


RUN_TAG: Final = "orders/host"
"""The tag that every run has: the machine that executes it."""
# Dagster reads annotations at run time; under this name the resource key is `platform`.
PlatformParam: TypeAlias = dg.ResourceParam[Platform]


@contextmanager
def typed_failures() -> Iterator[None]:
    """Let a permanent error fail its step at once: a retry cannot help, unlike with a transient one."""
    try:
        yield
    except PermanentError as error:
        raise dg.Failure(str(error), allow_retries=False) from error


def after_runs() -> "dg.AutomationCondition[dg.AssetKey | dg.AssetCheckKey]":
    """Return the condition of an asset that follows what runs update.

    Not eager(): it loses updates that fall into the tick of the asset's own materialization. What stream
    mode tells of has no run, and asks for none: it refreshes and publishes by itself.
    """
    by_a_run = dg.AutomationCondition.any_new_update_has_run_tags(tag_keys={RUN_TAG})
    with warnings.catch_warnings():
        # The condition is beta in 1.13, which nobody who runs this can change.
        warnings.simplefilter("ignore", dg.BetaWarning)
        return dg.AutomationCondition.any_deps_match(
            (
                dg.AutomationCondition.newly_updated()
                & by_a_run
                & ~dg.AutomationCondition.executed_with_root_target()
            )
            | dg.AutomationCondition.will_be_requested()
        )


def retries() -> dg.RetryPolicy:
    """Return how a step that failed for a passing reason is tried again: after about 2 and 4 s."""
    return dg.RetryPolicy(max_retries=2, delay=2, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)
