"""Events and policies that the claims share."""

from collections.abc import Mapping
from datetime import UTC, datetime

from resources.notifications.events import Event, EventType, Facts, Severity, Targets
from resources.notifications.policies.assets import AssetGraph
from resources.notifications.policies.policy import Policies, Policy
from resources.notifications.policies.reading import read_policies

NOW = datetime(2026, 5, 1, 10, tzinfo=UTC)


def event(
    event_type: EventType = EventType.JOB_FAILURE,
    *,
    targets: Targets | None = None,
    severity: Severity = Severity.ERROR,
    incident: str = "job/ingest",
    is_recovery: bool = False,
    details: Mapping[str, str | int | float] | None = None,
    owners: tuple[str, ...] = (),
    key: str = "e-1",
) -> Event:
    """Return an event about what `targets` say, by default a failure of the job ingest."""
    return Event(
        event_key=key,
        event_type=event_type,
        subject="ingest",
        occurred_at=NOW,
        title="Job ingest failed",
        facts=Facts("job ingest: disk gone", NOW, "1 run", owners, "free some room", "http://ui/runs/1"),
        severity=severity,
        incident=incident,
        is_recovery=is_recovery,
        targets=targets or Targets(job="ingest", run_id="run-1"),
        details=details or {},
    )


def policies(text: str, graph: AssetGraph | None = None) -> Policies:
    """Return the policies of a file's text."""
    return read_policies(text, "alert_policies.yaml", graph)


def policy(keys: str, *, types: str = "[JOB_FAILURE]", graph: AssetGraph | None = None) -> Policy:
    """Return a policy with these further keys, each line of which is one key of it."""
    further = "".join(f"  {line}\n" for line in keys.splitlines())
    head = f"- name: p\n  event_types: {types}\n  notification_service: {{x_console: {{}}}}\n"
    return policies(f"alert_policies:\n{head}{further}", graph).policies[0]
