"""Failures of runs, steps and checks as events, made from plain values.

The hook and the collector both come here, so both give the same failure the same key.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from resources.errors import OrdersError
from resources.notifications.events import Event, EventType, Facts, Severity, Targets, one_line

DEFAULT_UI_URL = "http://127.0.0.1:3000"

_OURS = f"{OrdersError.__module__}."
_MODULE_PREFIX = re.compile(r"^(?:\w+\.)+(?=\w+(?::|\s|$))")
_NOWHERE = Targets()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a notice says beyond the failure itself.

    `owners` maps an asset key (`a/b`) or a step key to its owners, `groups` and `kinds` an asset key to its
    group and kinds; `ui_url` is the web UI's address; `location` the code location of what has no other.
    """

    ui_url: str = DEFAULT_UI_URL
    owners: Mapping[str, Sequence[str]] = field(default_factory=dict)
    groups: Mapping[str, str] = field(default_factory=dict)
    kinds: Mapping[str, Sequence[str]] = field(default_factory=dict)
    location: str = ""

    def owners_of(self, *names: str) -> tuple[str, ...]:
        """Return the owners of these assets or steps, each once, in order of appearance."""
        found = (self.owners.get(n) or self.owners.get(n.replace("__", "/"), ()) for n in names)
        return tuple(dict.fromkeys(owner for owners in found for owner in owners))

    def run_link(self, run_id: str) -> str:
        """Return where the UI shows the run."""
        return f"{self._base}/runs/{run_id}"

    def asset_link(self, asset: str, view: str = "overview") -> str:
        """Return where the UI shows the asset."""
        return f"{self._base}/assets/{asset}?view={view}"

    def link(self, path: str = "") -> str:
        """Return the address of a page of the UI."""
        return f"{self._base}/{path}"

    def targets_of(self, *assets: str, run: Targets = _NOWHERE) -> Targets:
        """Return the targets of these assets within a run."""
        groups = (self.groups.get(asset, "") for asset in assets)
        kinds = (kind for asset in assets for kind in self.kinds.get(asset, ()))
        return replace(
            run,
            location=run.location or self.location,
            assets=tuple(dict.fromkeys(assets)),
            groups=tuple(dict.fromkeys(group for group in groups if group)),
            kinds=tuple(dict.fromkeys(kinds)),
        )

    @property
    def _base(self) -> str:
        return self.ui_url.rstrip("/")


def is_wrapper(class_name: str) -> bool:
    """Say whether this error is one that Dagster puts around the one that was raised."""
    return class_name.startswith(("Dagster", "RetryRequested"))


def clear_line(chain: Sequence[str]) -> str | None:
    """Return the message of the innermost error of the platform itself in a chain, None without one.

    Such a message names the thing and the way out; what DuckDB or the disk said before it does not.
    """
    ours = [text for text in chain if text.startswith(_OURS)]
    return one_line(ours[-1].partition(": ")[2]) if ours else None


def cause(chain: Sequence[str]) -> str:
    """Return one line for a chain of `Class: message` texts, outermost first.

    The platform's own clear line, if there is one. Else the innermost leads and the outermost follows,
    because that one may name the way out.
    """
    if clear := clear_line(chain):
        return clear
    lines = [_MODULE_PREFIX.sub("", one_line(text)) for text in chain if text.strip()]
    if not lines:
        return "no error was recorded"
    return one_line(lines[-1] if len(lines) == 1 else f"{lines[-1]} (as {lines[0]})")


def job_failure(
    *,
    run_id: str,
    job: str,
    chain: Sequence[str],
    failed_steps: Sequence[str],
    at: datetime,
    about: Surroundings,
    targets: Targets = _NOWHERE,
) -> Event:
    """Return the event of a run that failed, by itself or marked so from outside."""
    steps = f"1 run, {len(failed_steps)} failed step{'' if len(failed_steps) == 1 else 's'}"
    return Event(
        event_key=f"{EventType.JOB_FAILURE}/{run_id}",
        event_type=EventType.JOB_FAILURE,
        subject=one_line(job),
        occurred_at=at,
        title=one_line(f"Job {job} failed"),
        facts=Facts(
            what_broke=one_line(f"job {job}: {cause(chain)}"),
            since=at,
            how_many=f"{steps} ({', '.join(failed_steps[:3])})" if failed_steps else "1 run",
            owners=about.owners_of(*failed_steps),
            next_step="open the run, mend the cause, then run the job again: it goes on by itself",
            link=about.run_link(run_id),
        ),
        incident=job_incident(job),
        targets=replace(targets, job=job, run_id=run_id, location=targets.location or about.location),
        details={"failed_steps": len(failed_steps)},
    )


def job_incident(job: str) -> str:
    """Name the condition that a failed run of the job opens and its next success closes."""
    return f"job/{job}"


def step_failure(
    *,
    run_id: str,
    job: str,
    step_key: str,
    chain: Sequence[str],
    at: datetime,
    about: Surroundings,
    targets: Targets = _NOWHERE,
) -> Event:
    """Return the event of a step that failed for good, after its retries."""
    return Event(
        event_key=f"{EventType.STEP_FAILURE}/{run_id}/{step_key}",
        event_type=EventType.STEP_FAILURE,
        subject=one_line(step_key),
        occurred_at=at,
        title=one_line(f"Step {step_key} of job {job} failed"),
        facts=Facts(
            what_broke=one_line(f"step {step_key}: {cause(chain)}"),
            since=at,
            how_many="1 step",
            owners=about.owners_of(step_key),
            next_step="read the step's log in the run, mend the cause, then run the job again",
            link=about.run_link(run_id),
        ),
        incident=job_incident(job),
        targets=replace(targets, job=job, run_id=run_id, location=targets.location or about.location),
        details={"step": step_key},
    )


def check_failure(
    *,
    run_id: str,
    asset: str,
    check: str,
    partition: str | None,
    is_error: bool,
    description: str | None,
    at: datetime,
    about: Surroundings,
    targets: Targets = _NOWHERE,
) -> Event:
    """Return the event of an asset check that did not pass; `run_id` is empty outside of runs."""
    event_type = EventType.ASSET_CHECK_SEVERITY_ERROR if is_error else EventType.ASSET_CHECK_SEVERITY_WARN
    severity = "ERROR" if is_error else "WARN"
    where = check_subject(asset, check, partition)
    return Event(
        event_key=f"{event_type}/{found_by(run_id, at)}/{where}",
        event_type=event_type,
        subject=one_line(where),
        occurred_at=at,
        title=one_line(f"Check {check} of {asset} failed with severity {severity}"),
        facts=Facts(
            what_broke=one_line(
                f"check {check} of asset {where.replace(f':{check}', '', 1)} ({severity}): "
                f"{description or 'no description'}"
            ),
            since=at,
            how_many="1 check",
            owners=about.owners_of(asset),
            next_step="look at the check's metadata, mend the data or the check, evaluate it again",
            link=about.run_link(run_id) if run_id else about.asset_link(asset, "checks"),
        ),
        severity=Severity.ERROR if is_error else Severity.WARNING,
        incident=check_incident(asset, check, partition),
        targets=about.targets_of(asset, run=targets),
        details={"check": check, **({"partition": partition} if partition else {})},
    )


def check_subject(asset: str, check: str, partition: str | None) -> str:
    """Name a check of an asset, or of one partition of it."""
    return f"{asset}:{check}" + (f":{partition}" if partition else "")


def check_incident(asset: str, check: str, partition: str | None) -> str:
    """Name the condition that a failing check opens and a passing one closes."""
    return f"check/{asset}/{check}" + (f"/{partition}" if partition else "")


def found_by(run_id: str, at: datetime) -> str:
    """Return what makes a key unique: the run, or the moment of what was reported outside of runs."""
    return run_id or f"runless-{int(at.timestamp() * 1_000_000)}"
