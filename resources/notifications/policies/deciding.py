"""What follows from an event: a decision for each policy that it matches and each of its channels."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from resources.notifications.decisions import Circumstances, Decision, kept_apart
from resources.notifications.events import Event, Severity
from resources.notifications.policies.matching import Matcher, is_at_least
from resources.notifications.policies.policy import Grouping, Inhibition, Policies, Policy, Quiet
from resources.notifications.policies.silencing import same_as, silenced

_INTERVAL_S = 300.0
_LOOK_AGAIN_S = 60.0


class PolicyEngine:
    """Decides by policies; the same event and circumstances always give the same decisions."""

    def __init__(self, policies: Policies) -> None:
        """Index the policies."""
        self.policies = policies
        self.matcher = Matcher(policies.policies)

    def __call__(self, event: Event, circumstances: Circumstances) -> Sequence[Decision]:
        """Return what follows from the event; nothing for a mere recovery, which follows its opening."""
        if event.is_mere_recovery:
            return []
        return [
            _decision(policy, channel, event, circumstances)
            for policy in self.matcher.matches(event)
            for channel in policy.channels
        ]


def _decision(policy: Policy, channel: str, event: Event, circumstances: Circumstances) -> Decision:
    severity = policy.severity or event.severity
    silence = silenced(policy, channel, event, circumstances.silences)
    inhibited = _inhibited(policy, event, circumstances)
    held_until, dropped = _quiet(policy, severity, circumstances.now)
    muted = f"silenced: {silence.reason or silence.silence_id}" if silence else ""
    grouping = policy.grouping
    group_key = event.incident if grouping is None else _group_key(grouping, event)
    return Decision(
        channel=channel,
        policy=policy.name,
        severity=policy.severity,
        muted=muted or inhibited or dropped,
        muted_until=silence.until if silence else _look_again(circumstances.now) if inhibited else None,
        not_before=held_until,
        group_key=kept_apart(event, group_key),
        group_wait_s=0.0 if grouping is None else grouping.wait_s,
        group_interval_s=_INTERVAL_S if grouping is None else grouping.interval_s,
        tells_recovery=policy.tells_recovery,
        repeat_s=policy.repeat_s if event.incident else 0.0,
        repeats=policy.repeats,
        fallback_channel=policy.fallback,
    )


def _look_again(now: datetime) -> datetime:
    """Return when to see whether what inhibits is over, as nothing tells of it."""
    return now + timedelta(seconds=_LOOK_AGAIN_S)


def _group_key(grouping: Grouping, event: Event) -> str:
    return "|".join(same_as(event, name) for name in grouping.by) or "all"


def _inhibited(policy: Policy, event: Event, circumstances: Circumstances) -> str:
    """Return why the notice is muted by another incident that is open."""
    for inhibition in policy.inhibitions:
        for incident, opened in circumstances.open_incidents.items():
            if incident != event.incident and _mutes(inhibition, opened, event):
                return f"inhibited by {incident}"
    return ""


def _mutes(inhibition: Inhibition, opened: Event, event: Event) -> bool:
    if opened.event_type not in inhibition.event_types:
        return False
    if inhibition.targets and not any(target.selects(opened) for target in inhibition.targets):
        return False
    return all(same_as(opened, name) == same_as(event, name) for name in inhibition.equal)


def _quiet(policy: Policy, severity: Severity, now: datetime) -> tuple[datetime | None, str]:
    """Return until when the notice waits, and why it is dropped."""
    until: datetime | None = None
    for quiet in policy.quiet:
        end = None if is_at_least(severity, quiet.except_from) else quiet_until(quiet, now)
        if end is None:
            continue
        if quiet.drops:
            return None, f"quiet hours until {end:%H:%M} UTC"
        until = end if until is None else max(until, end)
    return until, ""


def quiet_until(quiet: Quiet, now: datetime) -> datetime | None:
    """Return the end (aware UTC) of the quiet hours that `now` lies in, None outside of them."""
    today = now.astimezone(quiet.zone).date()
    for day in (today - timedelta(days=1), today):
        if day.weekday() not in quiet.days:
            continue
        last = day if quiet.end > quiet.start else day + timedelta(days=1)
        # Compared in UTC: within one zone Python compares the wall clock, which is wrong when it jumps.
        start = datetime.combine(day, quiet.start, quiet.zone).astimezone(UTC)
        end = datetime.combine(last, quiet.end, quiet.zone).astimezone(UTC)
        if start <= now < end:
            return end
    return None
