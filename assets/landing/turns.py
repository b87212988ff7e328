"""Whose turn it is to land a feed, and how one who waits learns that the holder has landed enough.

The landing lease of a feed has one holder. Who finds it taken asks: a file beside the lease. A holder that
stays (stream mode) takes the high watermarks when it sees a question and answers once it has passed them, by
renaming the file. A holder that does not answer, such as another batch, gives the lease back soon.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from resources.leases import Lease
from resources.segments import Landing

_LOOK_S = 0.05
_STALE_S = 600.0


def landing_lease(landing: Landing, feed: str) -> Lease:
    """Return the landing lease of a feed: one process lands it at a time."""
    name = feed.replace("/", "_").replace(":", "_")
    return Lease(landing.root / ".leases" / f"{name}.lock", f"the landing lease of feed {feed}")


def take_turn(lease: Lease, timeout_s: float) -> bool:
    """Take the lease and return True, or False when its holder has landed all that was there at the call.

    Raises TransientError that names the holder when neither happens in `timeout_s`.
    """
    if lease.try_acquire():
        return True
    deadline = time.monotonic() + timeout_s
    with _asking(lease) as answer:
        while time.monotonic() < deadline:
            if lease.try_acquire():
                return True
            if answer.exists():
                return False
            time.sleep(_LOOK_S)
    raise lease.refused(timeout_s)


@dataclass(frozen=True, slots=True)
class Questions:
    """The questions of those who wait for the holder of a lease."""

    lease: Lease

    def open(self) -> set[str]:
        """Return the questions that have no answer yet; answers that nobody fetched are cleared away."""
        folder = _folder(self.lease)
        if not folder.exists():
            return set()
        for answer in folder.glob("*.passed"):
            if time.time() - answer.stat().st_ctime > _STALE_S:
                answer.unlink(missing_ok=True)
        return {path.stem for path in folder.glob("*.asked")}

    def answer(self, question: str) -> None:
        """Tell that everything up to the watermarks has landed."""
        asked = _folder(self.lease) / f"{question}.asked"
        # Who asked may have given up meanwhile.
        with suppress(FileNotFoundError):
            asked.rename(asked.with_suffix(".passed"))


@contextmanager
def _asking(lease: Lease) -> Iterator[Path]:
    folder = _folder(lease)
    folder.mkdir(parents=True, exist_ok=True)
    question = folder / f"{uuid4().hex}.asked"
    question.touch()
    answer = question.with_suffix(".passed")
    try:
        yield answer
    finally:
        question.unlink(missing_ok=True)
        answer.unlink(missing_ok=True)


def _folder(lease: Lease) -> Path:
    return lease.path.with_suffix(".questions")
