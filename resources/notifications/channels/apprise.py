"""Everything else: what Apprise speaks, from Discord to SMS.

Apprise says yes or no and nothing more, so every no is tried again. Its services do their own networking:
the guard of `http` does not see it, and URLs of Apprise may lead inside.
"""

import logging
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

from resources.errors import PermanentError, TransientError
from resources.notifications.channels.base import Words
from resources.notifications.channels.bounded import Bounded
from resources.notifications.channels.message import TextLimits
from resources.notifications.events import Notice
from resources.notifications.port import Limits, Receipt

if TYPE_CHECKING:
    from apprise import Apprise

_KINDS = {"info": "info", "warning": "warning", "error": "failure", "critical": "failure"}


class AppriseChannel:
    """Notifies all the URLs; a repeat after a partial success goes to all of them again."""

    TEXT = TextLimits(title=250, answer=1_000, text=4_000)
    limits = Limits(rate_per_s=1.0, burst=5, timeout_s=30.0)

    def __init__(self, name: str, urls: Sequence[str], words: Words) -> None:
        """Take the URLs, which are secrets; raises PermanentError for one that Apprise does not know."""
        # It logs URLs with their tokens at some levels.
        logging.getLogger("apprise").setLevel(logging.CRITICAL)
        self.name = name
        self._words = words
        self._calls = Bounded[bool](f"Apprise for channel {name}", self.limits.timeout_s)
        with warnings.catch_warnings():
            # Its services import what Python is about to drop, which nobody who runs this can change.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._services = _services(name, urls)

    def __repr__(self) -> str:
        """Show the name."""
        return f"AppriseChannel({self.name!r})"

    def send(self, notice: Notice) -> Receipt:
        """Notify; TransientError when any of the services did not take it."""
        message = self._words.message(notice, self.TEXT)
        kind = "success" if message.is_resolved else _KINDS[message.severity]
        body = self._words.text(notice, self.TEXT).partition("\n")[2]
        title = message.title
        is_taken = self._calls.call(
            lambda: bool(self._services.notify(body=body, title=title, notify_type=kind, body_format="text"))
        )
        if not is_taken:
            raise TransientError(f"a service of channel {self.name} did not take the notice")
        return Receipt.DELIVERED


def _services(name: str, urls: Sequence[str]) -> "Apprise":
    import apprise

    services = apprise.Apprise()
    for place, url in enumerate(urls, 1):
        if not services.add(url):
            raise PermanentError(f"URL {place} of channel {name} is none that Apprise knows")
    return services
