"""PagerDuty's Events API v2: an incident is triggered and resolved under one key."""

from datetime import UTC
from hashlib import sha256

from resources.notifications.channels.base import HttpChannel, Words
from resources.notifications.channels.http import HttpClient
from resources.notifications.channels.message import TextLimits
from resources.notifications.events import Notice
from resources.notifications.port import Limits, Receipt

_LONGEST_KEY = 255


class PagerDutyChannel(HttpChannel):
    """Triggers an alert, reminds of it under the same key, and resolves it when all is well again."""

    TEXT = TextLimits(title=1_000, answer=1_000, text=10_000)
    limits = Limits(rate_per_s=2.0, burst=20)

    def __init__(self, name: str, url: str, client: HttpClient, words: Words, *, key: str) -> None:
        """Send events with the integration `key`, a secret."""
        super().__init__(name, url, client, words)
        self._key = key

    def send(self, notice: Notice) -> Receipt:
        """Send the event; raises what `HttpClient.post` raises."""
        event = {
            "routing_key": self._key,
            "event_action": "resolve" if notice.is_resolved else "trigger",
            "dedup_key": dedup_key(notice),
        }
        self._post(event if notice.is_resolved else {**event, **self._content(notice)})
        return Receipt.DELIVERED

    def _content(self, notice: Notice) -> dict[str, object]:
        message = self._words.message(notice, self.TEXT)
        event = notice.event
        payload = {
            "summary": message.title,
            "source": event.targets.location or event.targets.feed or "orders",
            "severity": notice.severity.value,
            "timestamp": event.occurred_at.astimezone(UTC).isoformat(),
            "component": event.targets.job or ", ".join(event.targets.assets) or event.subject,
            "class": event.event_type.value,
            "custom_details": {
                **dict(message.answers),
                "also": list(message.others),
                "policy": notice.policy,
                "id": notice.delivery_id,
            },
        }
        links = [{"href": message.link, "text": "Open in Dagster"}] if message.link else []
        return {"payload": payload, "client": "orders", "links": links}


def dedup_key(notice: Notice) -> str:
    """Return the key of the thing that is broken, the same from its opening to its recovery."""
    key = notice.thread or notice.event.incident or notice.delivery_id
    return key if len(key) <= _LONGEST_KEY else sha256(key.encode()).hexdigest()
