"""When a failed delivery is tried again, and when it no longer is: pure, no input or output."""

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Full jitter: wait a random time up to `base_s` doubled by each attempt, at most `cap_s`.

    With the defaults a delivery is dead after about 17 hours of failing. `lease_s` is how long a
    claimed delivery stays with a dispatcher that has died; no send may take longer than half of that.
    """

    base_s: float = 8.0
    cap_s: float = 10_800.0
    max_attempts: int = 22
    lease_s: float = 100.0

    def is_exhausted(self, attempt: int) -> bool:
        """Say whether the attempt with this number (from 1) was the last one."""
        return attempt >= self.max_attempts

    def delay_s(self, attempt: int, rng: random.Random) -> float:
        """Return how long to wait after the failed attempt with this number (from 1)."""
        return rng.uniform(0.0, self._ceiling_s(attempt))

    def mean_total_s(self) -> float:
        """Return how long a delivery fails on average before it is dead."""
        return sum(self._ceiling_s(attempt) / 2 for attempt in range(1, self.max_attempts))

    def _ceiling_s(self, attempt: int) -> float:
        return min(self.cap_s, self.base_s * 2.0 ** min(attempt - 1, 60))
