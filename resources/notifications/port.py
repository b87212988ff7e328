"""The port that every channel fills: a name, limits, and one way to hand a notice over.

A channel maps what the outside raises to TransientError (try again), RetryLaterError (not before),
PermanentError (this notice never will) or GoneError (nothing ever will: the channel is turned off).
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

from resources.notifications.events import Notice


class Receipt(StrEnum):
    """What a channel says of a notice that it holds now."""

    DELIVERED = "delivered"
    ALREADY_DELIVERED = "already_delivered"


@dataclass(frozen=True, slots=True)
class Limits:
    """How a channel may be used.

    `concurrency` sends at once in one dispatcher, from as many threads (1 keeps the order);
    `rate_per_s` sends a second over all dispatchers, None for no limit, saved up to `burst`;
    `timeout_s` bounds one `send`, by the channel itself.
    """

    concurrency: int = 1
    rate_per_s: float | None = None
    burst: int = 1
    timeout_s: float = 10.0


DEFAULT_LIMITS = Limits()


class Channel(Protocol):
    """One place that notices go to; `name` is stable, as it is part of every delivery id."""

    @property
    def name(self) -> str:
        """The channel's name."""
        ...

    def send(self, notice: Notice) -> Receipt:
        """Hand the notice over; when this returns, the channel answers for it.

        The same delivery id may come again: a channel that can know, refuses the second one. It is
        called from several threads at once where `limits.concurrency` says so.
        Raises TransientError or PermanentError, or one of their kinds.
        """
        ...


@runtime_checkable
class Limited(Protocol):
    """A channel that has limits of its own; one without gets `DEFAULT_LIMITS`."""

    @property
    def limits(self) -> Limits:
        """The channel's limits."""
        ...


def limits_of(channel: Channel) -> Limits:
    """Return how the channel may be used."""
    return channel.limits if isinstance(channel, Limited) else DEFAULT_LIMITS
