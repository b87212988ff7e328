"""Record a failed step at once, from inside its run; the collector finds the same failure again.

Both give it the same key, so it counts once. A hook that raises is only logged by Dagster, and none
runs for a killed worker: the collector is what is relied on, this only is faster.
"""

import traceback

import dagster as dg

from resources.clock import SystemClock
from resources.notifications import failures
from resources.notifications.resource import RESOURCE_KEY, NotificationOutbox


@dg.failure_hook(required_resource_keys={RESOURCE_KEY})
def record_step_failure(context: dg.HookContext) -> None:
    """Record the step that just failed for good in the notification outbox."""
    resource: NotificationOutbox = getattr(context.resources, RESOURCE_KEY)
    event = failures.step_failure(
        run_id=context.run_id,
        job=context.job_name,
        step_key=context.step_key,
        chain=_chain(context.op_exception),
        at=SystemClock().now(),
        about=resource.surroundings(),
    )
    with resource.open() as outbox:
        outbox.record([event])


def _chain(error: BaseException | None) -> list[str]:
    chain: list[str] = []
    while error is not None:
        if error.__cause__ is None or not failures.is_wrapper(type(error).__name__):
            chain.append("".join(traceback.format_exception_only(error)))
        error = error.__cause__
    return chain
