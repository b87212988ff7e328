"""Who hears of an event, and when a failed delivery is tried again: pure decisions, no input or output."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from resources.notifications.events import Event


def channels_for(event: Event, channels: Sequence[str]) -> tuple[str, ...]:
    """Return the channels that get `event`: for now every configured one, each once."""
    del event
    return tuple(dict.fromkeys(channels))


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Full jitter: wait a random time up to `base_s` doubled by each attempt, at most `cap_s`.

    With the defaults a delivery is dead after about three and a half hours of failing. `lease_s` is
    how long a claimed delivery stays with a dispatcher that has died; no send may take longer.
    """

    base_s: float = 30.0
    cap_s: float = 3600.0
    max_attempts: int = 12
    lease_s: float = 60.0

    def is_exhausted(self, attempt: int) -> bool:
        """Say whether the attempt with this number (from 1) was the last one."""
        return attempt >= self.max_attempts

    def delay_s(self, attempt: int, rng: random.Random) -> float:
        """Return how long to wait after the failed attempt with this number (from 1)."""
        exponent = min(attempt - 1, 60)
        return rng.uniform(0.0, min(self.cap_s, self.base_s * 2.0**exponent))
