"""One channel of one dispatcher: it claims ahead, sends from its own threads, and settles what they did.

Nothing here is shared with other channels but the outbox, so a channel that hangs holds up only itself.
"""

import logging
import queue
import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from resources import crashpoints
from resources.clock import Clock
from resources.errors import GoneError, PermanentError, RetryLaterError, TransientError
from resources.notifications.claims import Claim
from resources.notifications.events import one_line
from resources.notifications.exchange import Exchange, Outcome, Result
from resources.notifications.outbox import Outbox
from resources.notifications.port import Channel, limits_of
from resources.notifications.retry import RetryPolicy

_T = TypeVar("_T")
_log = logging.getLogger(__name__)
_LOOK_EVERY_S = 0.5
_OUTBOX_PAUSE_S = 1.0
_GRACE_S = 3.0
_GATHER_S = 0.01
_AHEAD_S = 1.0
_MOST_AHEAD = 64


class Observer(Protocol):
    """Is told of every attempt."""

    def attempted(self, channel: str, outcome: str, *, took_s: float, waited_s: float) -> None:
        """Note an attempt that took `took_s`, of an event that was recorded `waited_s` before its end."""
        ...


@dataclass(slots=True)
class Lane:
    """Delivers what is due for one channel; `tally` counts outcomes."""

    outbox: Outbox
    channel: Channel
    clock: Clock
    retry: RetryPolicy
    rng: random.Random = field(default_factory=random.Random)
    observer: Observer | None = None
    tally: Counter[str] = field(default_factory=Counter)
    error: Exception | None = None
    _wake: threading.Event = field(default_factory=threading.Event)
    _todo: "queue.SimpleQueue[Claim | None]" = field(default_factory=queue.SimpleQueue)
    _done: "queue.SimpleQueue[Result]" = field(default_factory=queue.SimpleQueue)
    _senders: list[threading.Thread] = field(default_factory=list)
    _in_flight: int = 0
    _exchange: Exchange = field(init=False)
    _send_s: float = 0.25

    def __post_init__(self) -> None:
        """Look at the channel's limits."""
        limits = limits_of(self.channel)
        self._exchange = self.outbox.exchange(self.channel.name, self.retry, limits, self.rng)

    def wake(self) -> None:
        """Look now, not only after the usual pause."""
        self._wake.set()

    def run(self, stop: threading.Event) -> None:
        """Deliver until `stop` is set; an outbox that is busy or down is waited for.

        Any other error ends the lane: it is kept in `error`, and `stop` is set for all.
        """
        results: list[Result] = []
        try:
            while not stop.is_set():
                results += self._finished()
                try:
                    if self._round(results, self.clock.now()):
                        continue
                except TransientError as error:
                    _log.warning("channel %s cannot settle or claim for now: %s", self.channel.name, error)
                    stop.wait(_OUTBOX_PAUSE_S)
                    continue
                self._wake.wait(_LOOK_EVERY_S)
                self._wake.clear()
            self._wind_up(results, time.monotonic() + _GRACE_S)
        except Exception as error:  # noqa: BLE001 - the rim of this thread: whoever joins it sees the error
            self.error = error
            stop.set()
        finally:
            self._dismiss()

    def run_once(self, stop: threading.Event, due_by: datetime) -> None:
        """Deliver what is due by `due_by`, each once; ends when `stop` is set. Errors are kept in `error`."""
        results: list[Result] = []
        try:
            while not stop.is_set():
                results += self._finished()
                if not self._round(results, self.clock.now(), due_by) and self._in_flight == 0:
                    break
                self._wake.wait(_LOOK_EVERY_S if self._in_flight else 0)
                self._wake.clear()
            self._wind_up(results, time.monotonic() + _GRACE_S)
        except Exception as error:  # noqa: BLE001 - the rim of this thread: whoever joins it sees the error
            self.error = error
        finally:
            self._dismiss()

    def _depth(self) -> int:
        """Return how many notices to hold: about a second's work, so that one transaction settles many."""
        concurrency = limits_of(self.channel).concurrency
        return max(concurrency, min(_MOST_AHEAD, int(concurrency * _AHEAD_S / max(self._send_s, 0.01))))

    def _gather(self, results: list[Result]) -> None:
        """Wait a moment for more of the results that are about to come."""
        deadline = time.monotonic() + _GATHER_S
        while self._in_flight > 0 and len(results) < _MOST_AHEAD // 2:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                break
            self._wake.wait(left_s)
            self._wake.clear()
            results += self._finished()

    def _round(self, results: list[Result], now: datetime, due_by: datetime | None = None) -> bool:
        """Settle and claim; say whether there was anything to do. Settled results leave the list."""
        limit = self._depth() - self._in_flight
        if results:
            self._gather(results)
            limit = self._depth() - self._in_flight
        elif limit <= 0 or not self.outbox.is_due(self.channel.name, due_by or now):
            return False
        exchanged = self._exchange(results, limit, now=now, due_by=due_by)
        self._count(results, exchanged.dead)
        is_busy = bool(results) or bool(exchanged.claims)
        results.clear()
        for claim in exchanged.claims:
            self._start(claim)
        return is_busy

    def _wind_up(self, results: list[Result], deadline: float) -> None:
        """Give back what was not begun, and settle what ends before the deadline."""
        while (claim := _next(self._todo)) is not None:
            results.append(Result(claim.notice, Outcome.UNTRIED))
            self._in_flight -= 1
        while self._in_flight > 0 and time.monotonic() < deadline:
            self._wake.wait(0.05)
            self._wake.clear()
            results += self._finished()
        if results:
            self._count(results, self._exchange(results, 0, now=self.clock.now()).dead)

    def _count(self, results: Sequence[Result], dead: frozenset[str]) -> None:
        for result in results:
            is_dead = result.notice.delivery_id in dead
            self.tally["dead" if is_dead else result.outcome.value] += 1
            if result.error:
                _log.log(
                    logging.ERROR if is_dead else logging.WARNING,
                    "delivery by channel %s %s at attempt %d: %s",
                    self.channel.name,
                    "is dead" if is_dead else "failed",
                    result.notice.attempt,
                    result.error,
                    extra={"delivery_id": result.notice.delivery_id},
                )

    def _finished(self) -> list[Result]:
        found = []
        while (result := _next(self._done)) is not None:
            found.append(result)
        self._in_flight -= len(found)
        return found

    def _start(self, claim: Claim) -> None:
        self._in_flight += 1
        self._todo.put(claim)
        if len(self._senders) < min(self._in_flight, limits_of(self.channel).concurrency):
            # A channel that hangs beyond its own limit must not keep the process from ending.
            sender = threading.Thread(target=self._work, name=f"send-{self.channel.name}", daemon=True)
            self._senders.append(sender)
            sender.start()

    def _dismiss(self) -> None:
        for _ in self._senders:
            self._todo.put(None)

    def _work(self) -> None:
        while (claim := self._todo.get()) is not None:
            self._done.put(self._send(claim))
            self._wake.set()

    def _send(self, claim: Claim) -> Result:
        if claim.leased_until - self.clock.now() < timedelta(seconds=self.retry.lease_s / 2):
            return Result(claim.notice, Outcome.UNTRIED)  # so late another might take it meanwhile
        crashpoints.reached("notify.delivery_claimed")
        started = time.monotonic()
        result = _tried(self.channel, claim)
        took_s = time.monotonic() - started
        self._send_s += (took_s - self._send_s) / 8
        crashpoints.reached("notify.notice_sent")
        if self.observer is not None:
            waited_s = (self.clock.now() - claim.recorded_at).total_seconds()
            self.observer.attempted(self.channel.name, result.outcome.value, took_s=took_s, waited_s=waited_s)
        return result


def _tried(channel: Channel, claim: Claim) -> Result:
    notice = claim.notice
    try:
        return Result(notice, Outcome(channel.send(notice).value))
    except RetryLaterError as error:
        return Result(notice, Outcome.FAILED, _told(error), error.retry_after_s)
    except GoneError as error:
        return Result(notice, Outcome.GONE, _told(error))
    except PermanentError as error:
        return Result(notice, Outcome.REFUSED, _told(error))
    except Exception as error:  # noqa: BLE001 - the rim: one bad channel must not stop the others
        return Result(notice, Outcome.FAILED, _told(error))


def _told(error: Exception) -> str:
    return one_line(f"{type(error).__name__}: {error}")


def _next(items: "queue.SimpleQueue[_T]") -> _T | None:
    try:
        return items.get_nowait()
    except queue.Empty:
        return None
