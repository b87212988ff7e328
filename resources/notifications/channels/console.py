"""The console: a notice as a few lines of text."""

from typing import ClassVar, TextIO

from resources.errors import TransientError
from resources.notifications.channels.base import Words
from resources.notifications.channels.message import TextLimits
from resources.notifications.events import Notice
from resources.notifications.port import Receipt


class ConsoleChannel:
    """Writes a notice as a few lines of text; it cannot know what it wrote before a restart."""

    TEXT: ClassVar = TextLimits(title=400, answer=500, text=10_000)

    def __init__(self, stream: TextIO, *, name: str = "console", words: Words | None = None) -> None:
        """Write to `stream`, which stays the caller's."""
        self.name = name
        self._stream = stream
        self._words = words or Words()

    def send(self, notice: Notice) -> Receipt:
        """Write and flush the notice in one call; TransientError when the stream is gone."""
        first, *rest = self._words.text(notice, self.TEXT).split("\n")
        lines = [f"{notice.event.event_type} {first}", *(f"  {line}" for line in rest)]
        try:
            self._stream.write("\n".join(lines) + "\n")
            self._stream.flush()
        except (OSError, ValueError) as error:
            raise TransientError(
                f"channel {self.name} cannot write to its stream ({error}); give it an open one"
            ) from error
        return Receipt.DELIVERED
