"""Time as a dependency, so that tests can hold it still."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tells the present moment."""

    def now(self) -> datetime:
        """Return the present moment, aware, in UTC."""
        ...


@dataclass(frozen=True, slots=True)
class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the present moment, aware, in UTC."""
        return datetime.now(UTC)


@dataclass(slots=True)
class FrozenClock:
    """A clock that moves only when it is told to."""

    moment: datetime

    def now(self) -> datetime:
        """Return the moment that was set."""
        return self.moment

    def advance(self, seconds: float) -> None:
        """Move the clock by `seconds`."""
        self.moment += timedelta(seconds=seconds)
