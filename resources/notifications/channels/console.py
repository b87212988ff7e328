"""The console: a notice as a few lines of text."""

from typing import TextIO

from resources.errors import TransientError
from resources.notifications.events import Notice, one_line
from resources.notifications.port import Receipt


class ConsoleChannel:
    """Writes a notice as a few lines of text; it cannot know what it wrote before a restart."""

    def __init__(self, stream: TextIO, *, name: str = "console") -> None:
        """Write to `stream`, which stays the caller's."""
        self.name = name
        self._stream = stream

    def send(self, notice: Notice) -> Receipt:
        """Write and flush the notice in one call; TransientError when the stream is gone."""
        try:
            self._stream.write(_as_text(notice))
            self._stream.flush()
        except (OSError, ValueError) as error:
            raise TransientError(
                f"channel {self.name} cannot write to its stream ({error}); give it an open one"
            ) from error
        return Receipt.DELIVERED


def _as_text(notice: Notice) -> str:
    event = notice.event
    answers = "".join(f"  {asked}: {one_line(told)}\n" for asked, told in event.facts.answers())
    return f"[{event.event_type}] {one_line(event.title)}\n{answers}  id: {one_line(notice.delivery_id)}\n"
