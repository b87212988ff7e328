"""Any HTTP endpoint: a CloudEvents body and a Standard Webhooks signature, or a body of the user's own."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from resources.clock import Clock
from resources.notifications.channels.base import HttpChannel, Words
from resources.notifications.channels.cloud_event import CONTENT_TYPE, encode
from resources.notifications.channels.http import HttpClient
from resources.notifications.channels.message import TextLimits
from resources.notifications.channels.signing import Signer
from resources.notifications.channels.templates import render
from resources.notifications.events import Notice
from resources.notifications.port import Limits, Receipt


@dataclass(frozen=True, slots=True)
class WebhookOptions:
    """How to fill the request: the CloudEvents source, further headers, a template instead of the body."""

    source: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body_template: str = ""


class WebhookChannel(HttpChannel):
    """Posts each notice under its id; a receiver that knows the id drops the second one."""

    TEXT = TextLimits(title=400, answer=400, text=100_000)
    limits = Limits(concurrency=8)

    def __init__(
        self,
        name: str,
        url: str,
        client: HttpClient,
        words: Words,
        *,
        signer: Signer,
        options: WebhookOptions,
        clock: Clock,
    ) -> None:
        """Post to `url`, signed at the clock's time."""
        super().__init__(name, url, client, words)
        self._signer = signer
        self._options = options
        self._clock = clock

    def send(self, notice: Notice) -> Receipt:
        """Post the notice; raises what `HttpClient.post` raises."""
        body, content_type = self._body(notice)
        headers = {
            "Content-Type": content_type,
            **self._options.headers,
            **self._signer.headers(notice.delivery_id, self._clock.now(), body),
        }
        self._client.post(self._url, body, headers)
        return Receipt.DELIVERED

    def _body(self, notice: Notice) -> tuple[bytes, str]:
        if not self._options.body_template:
            return encode(notice, self._options.source), CONTENT_TYPE
        message = self._words.message(notice, self.TEXT)
        environment = self._words.environment
        text = render(self._options.body_template, message.tokens, environment, in_json=True)
        return text.encode(), "application/json"
