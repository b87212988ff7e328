"""Microsoft Teams, by the webhook of a workflow: one Adaptive Card a notice."""

from resources.notifications.channels.base import HttpChannel
from resources.notifications.channels.message import Message, TextLimits
from resources.notifications.events import Notice
from resources.notifications.port import Limits, Receipt

_COLOURS = {"info": "Accent", "warning": "Warning", "error": "Attention", "critical": "Attention"}


class TeamsChannel(HttpChannel):
    """Posts an Adaptive Card; Teams takes about 28 KB a message."""

    TEXT = TextLimits(title=250, answer=1_000, text=12_000)
    limits = Limits(rate_per_s=4.0, burst=4)

    def send(self, notice: Notice) -> Receipt:
        """Post the notice; raises what `HttpClient.post` raises."""
        message = self._words.message(notice, self.TEXT)
        card: dict[str, object] = {
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.4",
            "fallbackText": message.title,
            "msteams": {"width": "Full"},
            "body": self._body(notice, message),
        }
        if message.link:
            card["actions"] = [{"type": "Action.OpenUrl", "title": "Open", "url": message.link}]
        attachment = {
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": None,
            "content": card,
        }
        self._post({"type": "message", "attachments": [attachment]})
        return Receipt.DELIVERED

    def _body(self, notice: Notice, message: Message) -> list[dict[str, object]]:
        colour = "Good" if message.is_resolved else _COLOURS[message.severity]
        head = _block(message.title, weight="Bolder", size="Medium", color=colour)
        # A RichTextBlock shows its text as it is; a TextBlock would read it as Markdown.
        lines = self._words.text(notice, self.TEXT).split("\n")[1:]
        runs = [_block(line, spacing="Small") for line in lines]
        return [head, *runs]


def _block(text: str, **style: str) -> dict[str, object]:
    run = {"type": "TextRun", "text": text or " "}
    run |= {key: style[key] for key in ("weight", "size", "color") if key in style}
    block: dict[str, object] = {"type": "RichTextBlock", "inlines": [run]}
    return block | ({"spacing": style["spacing"]} if "spacing" in style else {})
