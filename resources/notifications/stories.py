"""From the story of a run to the events worth telling: which failure, success and verdict there was.

A step that is retried has failed only when its retries are used up. An asset has failed when its step has, or
when its run died within the step; unless the run will be retried, which is known when it has ended.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import TypeAlias

import dagster as dg

from resources.notifications import asset_facts, failures, run_facts
from resources.notifications.dagster_log import Evaluated, IsRepeat, Story
from resources.notifications.events import Event
from resources.notifications.failures import Surroundings

ColumnsBefore: TypeAlias = Callable[[str, datetime], Mapping[str, str] | None]
"""Returns the columns that an asset had before a moment, None when no schema is known."""
_WILL_RETRY = "dagster/will_retry"


def events_in(
    story: Story,
    about: Surroundings,
    *,
    since: datetime,
    is_repeat: IsRepeat,
    columns_before: ColumnsBefore,
    are_retries_possible: bool = False,
) -> list[Event]:
    """Return what a story tells that did not happen before `since`, in the order of time."""
    found = [
        *_assets(story, about, columns_before),
        *_verdicts(story, about, is_repeat),
        *_end(story, about),
    ]
    # Whoever cancels a run interrupts its steps: these have not failed.
    if story.end is None or story.end.event_type != dg.DagsterEventType.RUN_CANCELED:
        found += _steps(story, about)
        if story.end is not None or not are_retries_possible:
            found += _failed_assets(story, about)
    return sorted((e for e in found if e.occurred_at >= since), key=lambda event: event.occurred_at)


def _steps(story: Story, about: Surroundings) -> Iterator[Event]:
    for failure in story.failed.values():
        yield failures.step_failure(
            run_id=story.run_id,
            job=story.job,
            step_key=failure.step_key,
            chain=failure.chain,
            at=failure.at,
            about=about,
            targets=story.targets,
        )


def _assets(story: Story, about: Surroundings, columns_before: ColumnsBefore) -> Iterator[Event]:
    """Yield what was made, once its step or its run is done, so that all its partitions are counted."""
    for asset, made in story.materialized.items():
        if story.run_id and story.end is None and made.step_key not in story.succeeded:
            continue
        yield asset_facts.materialized(
            asset=asset, partitions=made.partitions, at=made.at, about=about, targets=story.targets
        )
        before = None if made.columns is None else columns_before(asset, made.at)
        if made.columns is None or before is None:
            continue
        change = asset_facts.schema_change(
            asset=asset, before=before, after=made.columns, at=made.at, about=about, targets=story.targets
        )
        if change is not None:
            yield change


def _failed_assets(story: Story, about: Surroundings) -> Iterator[Event]:
    if story.targets.tags.get(_WILL_RETRY) == "true":
        return
    for asset, step_key in story.planned.items():
        verdict = _why_not(story, step_key)
        if asset not in story.materialized and verdict is not None:
            chain, at = verdict
            yield asset_facts.asset_failure(
                asset=asset, step_key=step_key, chain=chain, at=at, about=about, targets=story.targets
            )
    for key, step_key in story.planned_checks.items():
        asset = key.asset_key.to_user_string()
        is_part_of_asset = story.planned.get(asset) == step_key and asset not in story.materialized
        is_evaluated = any(e.evaluation.asset_check_key == key for e in story.evaluated)
        verdict = _why_not(story, step_key)
        if not is_evaluated and not is_part_of_asset and verdict is not None:
            chain, at = verdict
            yield asset_facts.check_crashed(
                asset=asset, check=key.name, chain=chain, at=at, about=about, targets=story.targets
            )


def _why_not(story: Story, step_key: str) -> tuple[tuple[str, ...], datetime] | None:
    """Return why and when a step did not do its work, None when it did, was skipped or still can."""
    if failure := story.failed.get(step_key):
        return failure.chain, failure.at
    end = story.end
    has_died = step_key in story.started and step_key not in story.succeeded
    if end is not None and end.event_type == dg.DagsterEventType.RUN_FAILURE and has_died:
        return end.chain or (end.message,), end.at
    return None


def _verdicts(story: Story, about: Surroundings, is_repeat: IsRepeat) -> Iterator[Event]:
    for verdict in story.evaluated:
        if verdict.evaluation.passed:
            yield _passed(story, verdict, about)
        elif not is_repeat(verdict.evaluation, verdict.timestamp):
            yield _not_passed(story, verdict, about)


def _passed(story: Story, verdict: Evaluated, about: Surroundings) -> Event:
    evaluation = verdict.evaluation
    return asset_facts.check_passed(
        asset=evaluation.asset_key.to_user_string(),
        check=evaluation.check_name,
        partition=evaluation.partition,
        at=verdict.at,
        about=about,
        targets=story.targets,
    )


def _not_passed(story: Story, verdict: Evaluated, about: Surroundings) -> Event:
    evaluation = verdict.evaluation
    return failures.check_failure(
        run_id=story.run_id,
        asset=evaluation.asset_key.to_user_string(),
        check=evaluation.check_name,
        partition=evaluation.partition,
        is_error=evaluation.severity == dg.AssetCheckSeverity.ERROR,
        description=evaluation.description,
        at=verdict.at,
        about=about,
        targets=story.targets,
    )


def _end(story: Story, about: Surroundings) -> Iterator[Event]:
    end = story.end
    if end is None:
        return
    if end.event_type == dg.DagsterEventType.RUN_SUCCESS:
        yield run_facts.job_success(job=story.job, at=end.at, about=about, targets=story.targets)
    elif end.event_type == dg.DagsterEventType.RUN_CANCELED:
        yield run_facts.run_canceled(
            job=story.job, reason=end.message, at=end.at, about=about, targets=story.targets
        )
    else:
        yield failures.job_failure(
            run_id=story.run_id,
            job=story.job,
            chain=_first_cause(story),
            failed_steps=tuple(story.failed),
            at=end.at,
            about=about,
            targets=story.targets,
        )


def _first_cause(story: Story) -> tuple[str, ...]:
    """Return the error of the step that failed first; without one, what was said of the run."""
    assert story.end is not None
    if story.failed:
        return min(story.failed.values(), key=lambda failure: failure.at).chain
    return story.end.chain or (story.end.message,)
