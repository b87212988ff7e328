"""Slack, by an incoming webhook or by a bot's `chat.postMessage`."""

import msgspec

from resources.errors import GoneError, PermanentError, TransientError
from resources.notifications.channels.base import HttpChannel, Words
from resources.notifications.channels.http import HttpClient
from resources.notifications.channels.message import Message, TextLimits, clip
from resources.notifications.events import Notice
from resources.notifications.port import Limits, Receipt

_MOST_OF_SECTION = 3000
_ICONS = {"info": "🔵", "warning": "🟡", "error": "🔴", "critical": "🚨"}
_REFUSES_THE_NOTICE = frozenset({"msg_too_long", "msg_blocks_too_long", "invalid_blocks", "no_text"})
_GONE = frozenset({"is_archived", "channel_is_archived"})


class _Reply(msgspec.Struct):
    ok: bool = False
    error: str = ""


class SlackChannel(HttpChannel):
    """Posts blocks; with a token to the channel that it is given, else to that of the webhook."""

    TEXT = TextLimits(title=148, answer=700, text=2_900)
    limits = Limits(rate_per_s=1.0, burst=3)

    def __init__(
        self, name: str, url: str, client: HttpClient, words: Words, *, channel: str = "", token: str = ""
    ) -> None:
        """Post to `url`: an incoming webhook, or with a `token` the API's."""
        super().__init__(name, url, client, words)
        self._channel = channel
        self._token = token

    def send(self, notice: Notice) -> Receipt:
        """Post the notice; raises what `HttpClient.post` raises, and what Slack's answer means."""
        message = self._words.message(notice, self.TEXT)
        document = {"text": _escaped(message.title), **self._blocks(notice, message)}
        if not self._token:
            self._post(document)
            return Receipt.DELIVERED
        answer = self._post(
            {"channel": self._channel, **document}, {"Authorization": f"Bearer {self._token}"}
        )
        self._demand_ok(answer.body)
        return Receipt.DELIVERED

    def _blocks(self, notice: Notice, message: Message) -> dict[str, object]:
        icon = "✅" if message.is_resolved else _ICONS[message.severity]
        text = clip(_escaped(self._words.text(notice, self.TEXT)), _MOST_OF_SECTION)
        blocks: list[dict[str, object]] = [
            {"type": "header", "text": {"type": "plain_text", "text": f"{icon} {message.title}"}},
            {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}},
        ]
        # Escaping can lengthen the text beyond the section's limit, which then cuts off the id at its end.
        if message.notice_id not in text:
            told = {"type": "plain_text", "text": f"id: {message.notice_id}"}
            blocks.append({"type": "context", "elements": [told]})
        if message.link:
            button = {"type": "button", "url": message.link, "text": {"type": "plain_text", "text": "Open"}}
            blocks.append({"type": "actions", "elements": [button]})
        return {"blocks": blocks, "unfurl_links": False, "unfurl_media": False}

    def _demand_ok(self, body: bytes) -> None:
        """The API answers 200 also when it refuses."""
        try:
            reply = msgspec.json.decode(body, type=_Reply)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise TransientError("Slack's answer is not JSON; it will be tried again") from error
        if reply.ok:
            return
        told = f"Slack refuses the notice for channel {self._channel} ({clip(reply.error, 80)})"
        if reply.error in _GONE:
            raise GoneError(told)
        if reply.error in _REFUSES_THE_NOTICE:
            raise PermanentError(told)
        raise TransientError(f"{told}; see that the token is right and the bot is in the channel")


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
