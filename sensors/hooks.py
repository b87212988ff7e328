"""Record a step's end at once, from inside its run; the collector finds the same again.

Both give it the same key, so it counts once. A hook that raises is only logged by Dagster, and none
runs for a killed worker: the collector is what is relied on, this only is faster, and is all that is left
of a run that was deleted before the collector's next look.
"""

import traceback
from datetime import timedelta

import dagster as dg

from resources.clock import SystemClock
from resources.notifications import failures
from resources.notifications.dagster_log import targets_of
from resources.notifications.outbox import Outbox
from resources.notifications.resource import RESOURCE_KEY, NotificationOutbox
from sensors.observers.ended_runs import told_of_step
from sensors.observers.scene import Scene, subscriptions_at

_BUDGET = timedelta(seconds=10)


@dg.failure_hook(required_resource_keys={RESOURCE_KEY})
def record_step_failure(context: dg.HookContext) -> None:
    """Record the step that just failed for good, and the assets that it owed."""
    resource: NotificationOutbox = getattr(context.resources, RESOURCE_KEY)
    run = context.instance.get_run_by_id(context.run_id)
    event = failures.step_failure(
        run_id=context.run_id,
        job=context.job_name,
        step_key=context.step_key,
        chain=_chain(context.op_exception),
        at=SystemClock().now(),
        about=resource.surroundings(),
        targets=targets_of(run, context.run_id),
    )
    with resource.open() as outbox:
        scene = _scene(context, resource, outbox)
        # By itself first: it needs nothing of Dagster's storage.
        scene.record([event])
        scene.record(told_of_step(scene, context.run_id, context.step_key))


@dg.success_hook(required_resource_keys={RESOURCE_KEY})
def record_step_success(context: dg.HookContext) -> None:
    """Record what the step made and what its checks said, as far as anybody is to hear of it."""
    resource: NotificationOutbox = getattr(context.resources, RESOURCE_KEY)
    with resource.open() as outbox:
        scene = _scene(context, resource, outbox)
        scene.record(told_of_step(scene, context.run_id, context.step_key))


def _scene(context: dg.HookContext, resource: NotificationOutbox, outbox: Outbox) -> Scene:
    clock = SystemClock()
    interest = resource.interest()
    return Scene(
        instance=context.instance,
        outbox=outbox,
        clock=clock,
        about=resource.surroundings(),
        deadline=clock.now() + _BUDGET,
        installed_at=outbox.installed_at,
        interest=interest,
        subscriptions=subscriptions_at(outbox, interest, clock.now()),
    )


def _chain(error: BaseException | None) -> list[str]:
    chain: list[str] = []
    while error is not None:
        beneath = error.__cause__ or error.__context__
        if beneath is None or not failures.is_wrapper(type(error).__name__):
            chain.append("".join(traceback.format_exception_only(error)))
        error = beneath
    return chain
