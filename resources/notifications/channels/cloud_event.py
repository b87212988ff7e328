"""A notice as a CloudEvents 1.0 event in structured JSON: what machines get, by webhook or broker.

Its `id` is the delivery's, which stays the same over all attempts, so that a receiver can drop repeats;
`eventkey` is the same for everybody who is told of the fact.
"""

from datetime import UTC

import msgspec

from resources.notifications.events import Notice, one_line

CONTENT_TYPE = "application/cloudevents+json"
TYPE_PREFIX = "orders.alert."
_LONGEST_ID = 512


def encode(notice: Notice, source: str) -> bytes:
    """Return the bytes of the event; the same notice always gives the same bytes."""
    event = notice.event
    document = {
        "specversion": "1.0",
        "id": notice.delivery_id,
        "source": source,
        "type": TYPE_PREFIX + event.event_type.value.lower(),
        "subject": one_line(event.subject) or "-",
        "time": event.occurred_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "eventkey": one_line(event.event_key)[:_LONGEST_ID] or "-",
        "data": {
            "event_type": event.event_type.value,
            "title": one_line(event.title),
            "severity": notice.severity.value,
            "policy": notice.policy,
            "incident": event.incident,
            "thread": notice.thread,
            "is_resolved": notice.is_resolved,
            "count": notice.count,
            "others": [one_line(other) for other in notice.others],
            **{asked.replace(" ", "_"): one_line(told) for asked, told in event.facts.answers()},
            "owners": [one_line(owner) for owner in event.facts.owners],
            "targets": _clean(msgspec.to_builtins(event.targets)),
            "details": _clean(msgspec.to_builtins(event.details)),
        },
    }
    return msgspec.json.encode(document)


def _clean(value: object) -> object:
    """Return the value with every text as one valid line."""
    if isinstance(value, str):
        return one_line(value)
    if isinstance(value, dict):
        return {one_line(str(key)): _clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    return value
