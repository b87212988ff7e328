"""How a channel fares: failures in a row, pauses, rate, on or off. One row, for all dispatchers."""

import random
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa

from resources.notifications.database import Database
from resources.notifications.events import one_line
from resources.notifications.port import Limits
from resources.notifications.schema import channels

BREAKER: Final = 5
"""After so many failures in a row a channel is tried with one notice at a time, after pauses."""
_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 60.0


@dataclass(slots=True)
class Health:
    """The row of one channel."""

    channel: str
    failures: int = 0
    failing_since: datetime | None = None
    dead_since: datetime | None = None
    paused_until: datetime | None = None
    off_since: datetime | None = None
    off_reason: str = ""
    tokens: float | None = None
    tokens_at: datetime | None = None

    @property
    def is_broken(self) -> bool:
        """Whether the circuit breaker is open."""
        return self.failures >= BREAKER

    def worked(self) -> None:
        """Note that a notice arrived."""
        self.failures, self.failing_since, self.dead_since = 0, None, None
        self.paused_until = None

    def failed(self, now: datetime, rng: random.Random, retry_after_s: float | None, *, cap_s: float) -> None:
        """Note a failure, and pause when there were many in a row or when the other side asks for it."""
        self.failures += 1
        self.failing_since = self.failing_since or now
        pauses = [min(retry_after_s, cap_s)] if retry_after_s else []
        if self.is_broken:
            longest = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** min(self.failures - BREAKER, 20))
            pauses.append(rng.uniform(longest / 2, longest))
        for pause_s in pauses:
            until = now + timedelta(seconds=pause_s)
            self.paused_until = max(self.paused_until or until, until)

    def turn_off(self, now: datetime, reason: str) -> None:
        """Note that nothing more is to be sent."""
        if self.off_since is None:
            self.off_since, self.off_reason = now, one_line(reason)

    def allowed(self, limit: int, limits: Limits, now: datetime) -> int:
        """Return how many notices may be claimed now, at most `limit`; refills the rate's tokens."""
        if self.off_since is not None or (self.paused_until is not None and self.paused_until > now):
            return 0
        if self.is_broken:
            limit = min(limit, 1)
        if limits.rate_per_s is None:
            return limit
        elapsed_s = (now - (self.tokens_at or now)).total_seconds()
        before = limits.burst if self.tokens is None else self.tokens
        self.tokens = min(float(limits.burst), before + max(elapsed_s, 0.0) * limits.rate_per_s)
        self.tokens_at = now
        return min(limit, int(self.tokens))

    def spend(self, sends: int, limits: Limits) -> None:
        """Take tokens for so many sends."""
        if limits.rate_per_s is not None and self.tokens is not None:
            self.tokens -= sends


def read_health(connection: sa.Connection, database: Database, channel: str) -> Health:
    """Return the channel's row, made if missing, and hold it until the transaction ends."""
    query = sa.select(channels).where(channels.c.channel == channel).with_for_update()
    row = connection.execute(query).one_or_none()
    if row is None:
        insert = database.insert(channels).values(channel=channel)
        connection.execute(insert.on_conflict_do_nothing())
        row = connection.execute(query).one()
    return Health(**{field.name: getattr(row, field.name) for field in fields(Health)})


def write_health(connection: sa.Connection, health: Health) -> None:
    """Write the channel's row back."""
    values = {field.name: getattr(health, field.name) for field in fields(Health)}
    connection.execute(sa.update(channels).where(channels.c.channel == health.channel).values(values))
