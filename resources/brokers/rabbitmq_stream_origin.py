"""What the positions of a stream's feed belong to, kept beside the segments.

A stream has no identity that a client can read, but its chunks have: one that begins at an offset at a
millisecond is the same for ever. The last chunk that landed is kept as a mark; when it is still there,
the stream is the one that was landed. A position is `epoch * EPOCH + offset`; the epoch is 0 until
offsets begin anew and somebody chose to go on.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from resources.durable import written_durably
from resources.errors import PermanentError

EPOCH: Final = 1 << 48


@dataclass(frozen=True, slots=True)
class Origin:
    """The epoch of the positions, and the offset and time of a chunk; no offset when nothing has landed."""

    epoch: int = 0
    offset: int | None = None
    timestamp: int = 0

    @property
    def base(self) -> int:
        """The position of offset 0."""
        return self.epoch * EPOCH


def read_origin(memory: Path | None, feed: str) -> Origin:
    """Return what was kept for a feed; raises PermanentError when it cannot be understood."""
    if memory is None:
        return Origin()
    path = _path(memory, feed)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return Origin(found["epoch"], found["offset"], found["timestamp"])
    except FileNotFoundError:
        return Origin()
    except (ValueError, KeyError, TypeError):
        raise PermanentError(
            f"{path} does not say which stream the feed {feed} belongs to: restore it from a backup, or "
            "delete it if the stream is still the one that was landed"
        ) from None


def keep_origin(memory: Path | None, feed: str, origin: Origin) -> None:
    """Keep it, durably when this returns."""
    if memory is None:
        return
    kept = {"epoch": origin.epoch, "offset": origin.offset, "timestamp": origin.timestamp}
    with written_durably(_path(memory, feed)) as sink:
        sink.write(json.dumps(kept).encode() + b"\n")


def _path(memory: Path, feed: str) -> Path:
    return memory / f"{feed.replace(':', '_')}.json"
