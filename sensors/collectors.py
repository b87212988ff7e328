"""Find what is worth telling and record it: one entry point, and the sensors that call it.

Plain sensors, because one that raises keeps its place, while a run failure sensor would lose the event; they
only record. The same function serves `orders run`, which needs no daemon.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeAlias

import dagster as dg

from assets.operations.notifications import asset_events, standing_of
from resources.clock import Clock, SystemClock
from resources.notifications.condition_facts import Limits
from resources.notifications.failures import Surroundings
from resources.notifications.interest import Interest
from resources.notifications.outbox import Outbox
from resources.notifications.resource import RESOURCE_KEY, NotificationOutbox
from sensors.observers.backfills import observe_backfills
from sensors.observers.data import observe_broker, observe_rejects
from sensors.observers.ended_runs import observe_ended_runs
from sensors.observers.locations import observe_locations
from sensors.observers.orders import observe_orders
from sensors.observers.reconcile import Reconciled, reconcile
from sensors.observers.runless import observe_runless
from sensors.observers.runs_under_way import observe_long_runs, observe_run_queue, observe_runs_under_way
from sensors.observers.scene import Scene, subscriptions_at
from sensors.observers.ticks import observe_ticks

if TYPE_CHECKING:
    from assets.platform import Platform

_log = logging.getLogger(__name__)
Observer: TypeAlias = Callable[[Scene], int]
"""Looks once, records, and returns how many events are new."""

OF_DAGSTER: Final[Mapping[str, Observer]] = MappingProxyType(
    {
        "ended runs": observe_ended_runs,
        "runs under way": observe_runs_under_way,
        "outside of runs": observe_runless,
        "ticks": observe_ticks,
        "backfills": observe_backfills,
        "long runs": observe_long_runs,
        "run queue": observe_run_queue,
    }
)
"""What Dagster's storage tells."""
OF_DATA: Final[Mapping[str, Observer]] = MappingProxyType(
    {"broker": observe_broker, "rejects": observe_rejects, "orders": observe_orders}
)
"""What broker and warehouse tell; these need the platform."""
OF_LOCATIONS: Final[Mapping[str, Observer]] = MappingProxyType({"code locations": observe_locations})
"""What the web server tells."""

_NOWHERE = Surroundings()
_NOTHING = Interest()
_LIMITS = Limits()
_BOTH: Final[Mapping[str, Observer]] = MappingProxyType({**OF_DAGSTER, **OF_DATA})


def collect(
    instance: dg.DagsterInstance,
    outbox: Outbox,
    clock: Clock,
    *,
    about: Surroundings = _NOWHERE,
    budget_s: float = 30.0,
    interest: Interest | None = _NOTHING,
    limits: Limits = _LIMITS,
    platform: "Platform | None" = None,
    observers: Mapping[str, Observer] = _BOTH,
) -> int:
    """Record what happened since the outbox was installed; return how many events are new.

    Each observer stops after `budget_s`, between two pages, and goes on there the next time. One that
    raises does not keep the others from looking; its error is raised at the end, and its cursor has not
    moved past anything that is not recorded. A check that goes on failing in the same words is one event.
    """
    scene = _scene(instance, outbox, clock, about, budget_s, interest, limits, platform)
    return _observe(scene, observers)


def collect_and_reconcile(
    instance: dg.DagsterInstance,
    outbox: Outbox,
    clock: Clock,
    *,
    about: Surroundings = _NOWHERE,
    budget_s: float = 45.0,
    interest: Interest | None = _NOTHING,
    limits: Limits = _LIMITS,
) -> Reconciled | None:
    """Collect, then read lately's runs again without cursors and count what had been missed.

    Returns None when collecting took all the time: then the next reconciliation looks.
    """
    scene = _scene(instance, outbox, clock, about, budget_s, interest, limits, None)
    _observe(scene, OF_DAGSTER)
    return None if scene.is_late() else reconcile(scene)


def collector_sensors() -> list[dg.SensorDefinition]:
    """Return the sensors that record; they need the resources `notification_outbox` and `platform`."""
    return [collector_sensor(), data_collector_sensor(), reconciliation_sensor()]


def collector_sensor() -> dg.SensorDefinition:
    """Return the sensor that looks at Dagster's own storage every 5 s."""

    @dg.sensor(
        name="notification_collector",
        minimum_interval_seconds=5,
        default_status=dg.DefaultSensorStatus.RUNNING,
        required_resource_keys={RESOURCE_KEY},
        description="Records what happens to runs, assets, checks, ticks and queues in the outbox.",
    )
    def notification_collector(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        resource = _resource(context)
        with resource.open() as outbox:
            new = collect(
                context.instance,
                outbox,
                SystemClock(),
                about=_about(context, resource),
                interest=resource.interest(),
                limits=resource.limits(),
                observers=OF_DAGSTER,
            )
        return dg.SkipReason(f"recorded {new} new events")

    return notification_collector


def data_collector_sensor() -> dg.SensorDefinition:
    """Return the sensor that looks at broker, warehouse and code locations.

    Apart from the other, which must not wait for a broker that hangs.
    """

    @dg.sensor(
        name="data_collector",
        minimum_interval_seconds=10,
        default_status=dg.DefaultSensorStatus.RUNNING,
        required_resource_keys={RESOURCE_KEY, "platform"},
        description="Records what waits, what was rejected, order changes, and broken code locations.",
    )
    def data_collector(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        resource = _resource(context)
        with resource.open() as outbox:
            new = collect(
                context.instance,
                outbox,
                SystemClock(),
                about=_about(context, resource),
                interest=resource.interest(),
                limits=resource.limits(),
                platform=context.resources.platform,
                observers={**OF_DATA, **OF_LOCATIONS},
            )
        return dg.SkipReason(f"recorded {new} new events")

    return data_collector


def reconciliation_sensor() -> dg.SensorDefinition:
    """Return the sensor that looks once an hour for what the others have missed."""

    @dg.sensor(
        name="notification_reconciliation",
        minimum_interval_seconds=3600,
        default_status=dg.DefaultSensorStatus.RUNNING,
        required_resource_keys={RESOURCE_KEY},
        description="Reads the last hours again and records what was missed; materializes `notifications`.",
    )
    def notification_reconciliation(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        resource = _resource(context)
        clock = SystemClock()
        with resource.open() as outbox:
            outcome = collect_and_reconcile(
                context.instance,
                outbox,
                clock,
                about=_about(context, resource),
                interest=resource.interest(),
                limits=resource.limits(),
            )
            standing = standing_of(outbox, clock.now())
        told = "no time was left to reconcile"
        if outcome is not None:
            told = f"{outcome.gap} events had been missed in {outcome.runs} runs"
        return dg.SensorResult(skip_reason=told, asset_events=asset_events(standing))

    return notification_reconciliation


def _scene(
    instance: dg.DagsterInstance,
    outbox: Outbox,
    clock: Clock,
    about: Surroundings,
    budget_s: float,
    interest: Interest | None,
    limits: Limits,
    platform: "Platform | None",
) -> Scene:
    now = clock.now()
    return Scene(
        instance=instance,
        outbox=outbox,
        clock=clock,
        about=about,
        deadline=now + timedelta(seconds=budget_s),
        installed_at=outbox.installed_at,
        limits=limits,
        interest=interest,
        subscriptions=subscriptions_at(outbox, interest, now),
        platform=platform,
    )


def _observe(scene: Scene, observers: Mapping[str, Observer]) -> int:
    new = 0
    failed: list[Exception] = []
    for name, observe in observers.items():
        try:
            new += observe(scene)
        except Exception as error:  # noqa: BLE001 - the rim: one that cannot look must not blind the others
            _log.warning("the observer of %s could not look: %s", name, error)
            failed.append(error)
    if failed:
        raise failed[0]
    return new


def _resource(context: dg.SensorEvaluationContext) -> NotificationOutbox:
    resource: NotificationOutbox = getattr(context.resources, RESOURCE_KEY)
    return resource


def _about(context: dg.SensorEvaluationContext, resource: NotificationOutbox) -> Surroundings:
    origin = context.code_location_origin
    return replace(resource.surroundings(), location=origin.location_name if origin else "")
