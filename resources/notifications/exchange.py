"""What a dispatcher and the outbox hand each other for one channel: results for claimed notices.

One transaction does both, and holds the channel's row, so that pauses, the rate and the breaker count over
all dispatchers. A channel that failed five times in a row is tried with one notice at a time, after growing
pauses, so that an outage costs few attempts.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

import sqlalchemy as sa

from resources.notifications import burying
from resources.notifications.claims import Claim, claim
from resources.notifications.database import Database
from resources.notifications.events import Notice, one_line
from resources.notifications.health import BREAKER, Health, read_health, write_health
from resources.notifications.port import DEFAULT_LIMITS, Limits
from resources.notifications.retry import RetryPolicy
from resources.notifications.schema import attempts, deliveries


class Outcome(StrEnum):
    """How an attempt ended."""

    DELIVERED = "delivered"
    ALREADY_DELIVERED = "already_delivered"
    FAILED = "failed"
    REFUSED = "refused"
    GONE = "gone"
    UNTRIED = "untried"

    @property
    def is_held(self) -> bool:
        """Whether the channel answers for the notice now."""
        return self in (Outcome.DELIVERED, Outcome.ALREADY_DELIVERED)


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one claimed notice; `retry_after_s` is what the other side asked for."""

    notice: Notice
    outcome: Outcome
    error: str = ""
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Exchanged:
    """The claimed notices, and the ids of those results that are dead now."""

    claims: Sequence[Claim] = ()
    dead: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Exchange:
    """Settles results of, and claims notices for, one channel."""

    database: Database
    channel: str
    retry: RetryPolicy
    limits: Limits = DEFAULT_LIMITS
    rng: random.Random = field(default_factory=random.Random, repr=False)

    def __call__(
        self, results: Sequence[Result], limit: int, *, now: datetime, due_by: datetime | None = None
    ) -> Exchanged:
        """Settle `results`, then claim up to `limit` notices that are due by `due_by` (default: now)."""
        with self.database.writing() as connection:
            health = read_health(connection, self.database, self.channel)
            dead = self._settle(connection, results, health, now)
            if any(result.outcome is Outcome.GONE for result in results):
                health.turn_off(now, next(r.error for r in results if r.outcome is Outcome.GONE))
            if health.off_since is not None:
                dead.update(self._bury_all(connection, health, now))
            claimed: Sequence[Claim] = ()
            allowed = health.allowed(limit, self.limits, now)
            if allowed > 0:
                dead |= self._bury_the_worn_out(connection, now)
                claimed = claim(
                    connection,
                    self.channel,
                    limit=allowed,
                    now=now,
                    due_by=due_by or now,
                    lease_s=self.retry.lease_s,
                )
                health.spend(len(claimed), self.limits)
            if dead:
                health.dead_since = health.dead_since or now
            write_health(connection, health)
        return Exchanged(claimed, frozenset(dead))

    def _settle(
        self, connection: sa.Connection, results: Sequence[Result], health: Health, now: datetime
    ) -> set[str]:
        held = [result for result in results if result.outcome.is_held]
        _deliver(connection, held, now)
        _end_attempts(
            connection, [result for result in results if result.outcome is not Outcome.UNTRIED], now
        )
        _release(connection, [result for result in results if result.outcome is Outcome.UNTRIED])
        dead: set[str] = set()
        spent = _spent(connection, [result for result in results if result.outcome is Outcome.FAILED])
        for result in results:
            if result.outcome in (Outcome.REFUSED, Outcome.GONE):
                dead.update(self._bury(connection, result, now))
            elif result.outcome is Outcome.FAILED:
                health.failed(now, self.rng, result.retry_after_s, cap_s=self.retry.cap_s)
                tried = result.notice.attempt - spent.get(result.notice.delivery_id, 0)
                if self.retry.is_exhausted(tried):
                    dead.update(self._bury(connection, result, now))
                else:
                    self._put_off(connection, result, tried, now)
        if held:
            if health.dead_since is not None:
                burying.recovered(connection, self.database, self.channel, health.dead_since, now)
            health.worked()
        elif health.failures >= BREAKER and health.failing_since is not None:
            dead.update(self._bury_the_overdue(connection, health.failing_since, now))
        return dead

    def _put_off(self, connection: sa.Connection, result: Result, tried: int, now: datetime) -> None:
        delay_s = max(self.retry.delay_s(tried, self.rng), min(result.retry_after_s or 0.0, self.retry.cap_s))
        connection.execute(
            sa.update(deliveries)
            .where(_is_still_ours(result.notice))
            .values(due_at=now + timedelta(seconds=delay_s), leased_until=None)
        )

    def _bury(self, connection: sa.Connection, result: Result, now: datetime) -> list[str]:
        which = _is_still_ours(result.notice)
        return burying.bury(connection, self.database, which, now=now, reason=result.error)

    def _bury_all(self, connection: sa.Connection, health: Health, now: datetime) -> list[str]:
        which = (deliveries.c.channel == self.channel) & (
            deliveries.c.leased_until.is_(None) | (deliveries.c.leased_until <= now)
        )
        reason = f"the channel is turned off ({health.off_reason})"
        return burying.bury(connection, self.database, which, now=now, reason=reason)

    def _bury_the_worn_out(self, connection: sa.Connection, now: datetime) -> set[str]:
        """Bury what was claimed again and again by dispatchers that died over it."""
        lapsed = (deliveries.c.channel == self.channel) & (deliveries.c.leased_until <= now)
        is_worn_out = deliveries.c.attempts - deliveries.c.spent >= self.retry.max_attempts
        reason = f"its dispatcher died at each of {self.retry.max_attempts} attempts"
        return set(burying.bury(connection, self.database, lapsed & is_worn_out, now=now, reason=reason))

    def _bury_the_overdue(
        self, connection: sa.Connection, failing_since: datetime, now: datetime
    ) -> list[str]:
        """Bury what the breaker held back for as long as retries would have taken."""
        give_up = now - timedelta(seconds=self.retry.mean_total_s())
        if failing_since > give_up:
            return []
        which = (
            (deliveries.c.channel == self.channel)
            & (deliveries.c.first_due_at <= give_up)
            & deliveries.c.leased_until.is_(None)
        )
        reason = f"the channel has not worked since {failing_since.isoformat(timespec='seconds')}"
        return burying.bury(connection, self.database, which, now=now, reason=reason)


def _is_still_ours(notice: Notice) -> sa.ColumnElement[bool]:
    """Select the delivery unless someone else has claimed or settled it since."""
    return (
        (deliveries.c.delivery_id == notice.delivery_id)
        & (deliveries.c.state == "pending")
        & (deliveries.c.attempts == notice.attempt)
    )


def _deliver(connection: sa.Connection, held: Sequence[Result], now: datetime) -> None:
    if not held:
        return
    ids = [result.notice.delivery_id for result in held]
    # Also what was buried meanwhile: the channel does hold it.
    is_open = deliveries.c.state.in_(("pending", "dead"))
    connection.execute(
        sa.update(deliveries)
        .where(deliveries.c.delivery_id.in_(ids), is_open)
        .values(state="delivered", reason="", settled_at=now, leased_until=None)
    )


def _release(connection: sa.Connection, untried: Sequence[Result]) -> None:
    for notice in (result.notice for result in untried):
        values = {"leased_until": None, "attempts": notice.attempt - 1}
        update = sa.update(deliveries).where(_is_still_ours(notice)).values(values)
        if connection.execute(update).rowcount:
            is_this = (attempts.c.delivery_id == notice.delivery_id) & (attempts.c.number == notice.attempt)
            connection.execute(sa.delete(attempts).where(is_this))


def _end_attempts(connection: sa.Connection, results: Sequence[Result], now: datetime) -> None:
    if not results:
        return
    update = (
        sa.update(attempts)
        .where(attempts.c.delivery_id == sa.bindparam("of"), attempts.c.number == sa.bindparam("attempt"))
        .values(ended_at=now, outcome=sa.bindparam("how"), error=sa.bindparam("told"))
    )
    rows = [
        {
            "of": result.notice.delivery_id,
            "attempt": result.notice.attempt,
            "how": result.outcome.value,
            "told": one_line(result.error) or None,
        }
        for result in results
    ]
    connection.execute(update, rows)


def _spent(connection: sa.Connection, failed: Sequence[Result]) -> dict[str, int]:
    ids = [result.notice.delivery_id for result in failed]
    query = sa.select(deliveries.c.delivery_id, deliveries.c.spent).where(deliveries.c.delivery_id.in_(ids))
    return dict(connection.execute(query).all()) if ids else {}
