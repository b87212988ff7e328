"""Events that never were: to ask what policies would do, and to try channels with."""

from collections.abc import Mapping
from datetime import datetime

from resources.errors import PermanentError
from resources.notifications.events import Event, EventType, Facts, Notice, Severity, Targets, delivery_id
from resources.notifications.policies.vocabulary import ALIASES

SAMPLE = "sample/"
"""What the keys of samples begin with."""


def invented(
    event_type: str,
    at: datetime,
    *,
    severity: str = "error",
    job: str = "",
    assets: tuple[str, ...] = (),
    groups: tuple[str, ...] = (),
    kinds: tuple[str, ...] = (),
    owners: tuple[str, ...] = (),
    location: str = "",
    instigator: str = "",
    tags: Mapping[str, str] | None = None,
    details: Mapping[str, str] | None = None,
) -> Event:
    """Return an event of this type about these things; raises PermanentError for words not known."""
    known = ALIASES.get(event_type) or EventType.__members__.get(event_type)
    if known is None:
        raise PermanentError(f"{event_type} is no event type: use one of {', '.join(EventType)}")
    if severity not in list(Severity):
        raise PermanentError(f"{severity} is no severity: use one of {', '.join(Severity)}")
    subject = job or ", ".join(assets) or instigator or location or "something"
    return Event(
        event_key=f"{known}/invented",
        event_type=known,
        subject=subject,
        occurred_at=at,
        title=f"{known} of {subject}",
        facts=Facts("nothing", at, "1", owners, "nothing", ""),
        severity=Severity(severity),
        incident=f"{known}/{subject}",
        targets=Targets(
            location=location,
            job=job,
            tags=tags or {},
            assets=assets,
            groups=groups,
            kinds=kinds,
            instigator=instigator,
        ),
        details=details or {},
    )


def sample_notice(channel: str, policy: str, ui_url: str, at: datetime) -> Notice:
    """Return a sample for a channel, new each time, that says what it is."""
    event = Event(
        event_key=f"{SAMPLE}{at.isoformat()}",
        event_type=EventType.JOB_FAILURE,
        subject="sample",
        occurred_at=at,
        title="This is a sample: nothing is broken",
        facts=Facts(
            what_broke="nothing; somebody tries this channel with `orders alerts send-sample`",
            since=at,
            how_many="1 sample",
            owners=("whoever sent it",),
            next_step="nothing",
            link=ui_url,
        ),
        severity=Severity.INFO,
        targets=Targets(job="sample"),
    )
    return Notice(
        delivery_id=delivery_id(event.event_key, channel, policy),
        attempt=1,
        event=event,
        policy=policy,
        severity=Severity.INFO,
    )
