"""What the channels over HTTP share: a client, words of the policies, and one way to send."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import msgspec

from resources.notifications.channels.message import Message, PolicyWords, TextLimits, compose
from resources.notifications.channels.templates import render
from resources.notifications.events import Notice

if TYPE_CHECKING:
    from resources.notifications.channels.http import Answer, HttpClient

_NO_WORDS = PolicyWords()


@dataclass(frozen=True, slots=True)
class Words:
    """What policies add to their notices, by the policy's name, and the variables of their templates."""

    of_policy: Mapping[str, PolicyWords] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    def message(self, notice: Notice, limits: TextLimits) -> Message:
        """Return the notice in words."""
        return compose(notice, self.of_policy.get(notice.policy, _NO_WORDS), limits)

    def text(self, notice: Notice, limits: TextLimits) -> str:
        """Return the notice as one text: by the policy's template, or as usual."""
        message = self.message(notice, limits)
        template = self.of_policy.get(notice.policy, _NO_WORDS).template
        if not template:
            return message.text(limits)
        text = render(template, message.tokens, self.environment, in_json=False)
        last = f"\nid: {message.notice_id}"
        return text[: limits.text - len(last)] + last


class HttpChannel:
    """A channel that posts JSON; `repr` shows its name alone, as its URL is a secret."""

    TEXT: ClassVar[TextLimits]

    def __init__(self, name: str, url: str, client: "HttpClient", words: Words) -> None:
        """Post to `url`."""
        self.name = name
        self._url = url
        self._client = client
        self._words = words

    def __repr__(self) -> str:
        """Show the name."""
        return f"{type(self).__name__}({self.name!r})"

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _post(self, document: object, headers: Mapping[str, str] | None = None) -> "Answer":
        body = msgspec.json.encode(document)
        return self._client.post(self._url, body, {"Content-Type": "application/json", **(headers or {})})
