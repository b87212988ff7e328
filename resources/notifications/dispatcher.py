"""Deliver what is due: one clerk decides, and each channel has a lane of its own.

At least once under one stable id: a process killed between `send` and the settling sends again after the
lease has run out, and a channel that knows the id refuses it. Any number of dispatchers may share an outbox.
"""

import logging
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from types import FrameType

from resources.clock import Clock
from resources.errors import OrdersError, PermanentError, TransientError
from resources.notifications.decisions import Engine, Everyone
from resources.notifications.lane import Lane, Observer
from resources.notifications.outbox import Outbox
from resources.notifications.port import Channel
from resources.notifications.retry import RetryPolicy

_log = logging.getLogger(__name__)
_DECISIONS_AT_ONCE = 200
_REMIND_EVERY_S = 1.0
_OUTBOX_PAUSE_S = 1.0
_UNWELL_AFTER_S = 30.0
_JOIN_S = 5.0
_FIRST_CHORE_S = 1.0
_DEFAULT_RETRY = RetryPolicy()


@dataclass(frozen=True, slots=True)
class Delivered:
    """What one pass did: new deliveries, refused repeats, failures to retry, failures for good."""

    delivered: int = 0
    already_delivered: int = 0
    failed: int = 0
    dead: int = 0


@dataclass(frozen=True, slots=True)
class Chore:
    """Something that a running dispatcher does every `every_s`, in a thread of its own."""

    name: str
    every_s: float
    work: Callable[[], None]


def deliver_due(
    outbox: Outbox,
    channels: Sequence[Channel],
    clock: Clock,
    budget_s: float = 10.0,
    *,
    engine: Engine | None = None,
    ahead_s: float = 0.0,
    retry: RetryPolicy = _DEFAULT_RETRY,
    rng: random.Random | None = None,
) -> Delivered:
    """Try every delivery once that is due within `ahead_s`, for at most about `budget_s`.

    What fails is put off and counted, never raised; TransientError and PermanentError are the
    outbox's own. A delivery that a killed dispatcher had claimed is due when its lease ends.
    """
    started, begun = clock.now(), time.monotonic()
    names = _names(channels)
    decider = outbox.decider(engine or Everyone(names), names)
    while time.monotonic() - begun < budget_s and decider.decide_next(_DECISIONS_AT_ONCE, started):
        continue
    decider.hush(started)
    lanes = [Lane(outbox, channel, clock, retry, rng or random.Random()) for channel in channels]
    stop = threading.Event()
    due_by = started + timedelta(seconds=ahead_s)
    threads = [_thread(f"lane-{lane.channel.name}", partial(lane.run_once, stop, due_by)) for lane in lanes]
    try:
        for thread in threads:
            thread.join(max(0.0, begun + budget_s - time.monotonic()))
    finally:
        stop.set()
        _wind_up(lanes, threads)
    return _sum(lanes)


@dataclass(slots=True)
class Dispatcher:
    """A dispatcher that runs until it is stopped; `observer` hears of every attempt."""

    outbox: Outbox
    channels: Sequence[Channel]
    clock: Clock
    engine: Engine | None = None
    retry: RetryPolicy = _DEFAULT_RETRY
    chores: Sequence[Chore] = ()
    observer: Observer | None = None
    look_every_s: float = 0.1
    _seen_well_at: float = field(default=0.0, init=False)
    _lane_threads: list[threading.Thread] = field(default_factory=list, init=False)

    def run(self, stop: threading.Event) -> None:
        """Deliver until `stop` is set; an outbox that is busy or down is waited for.

        Raises PermanentError when the outbox is broken or two channels have one name.
        """
        names = _names(self.channels)
        decider = self.outbox.decider(self.engine or Everyone(names), names)
        lanes = [
            Lane(self.outbox, channel, self.clock, self.retry, observer=self.observer)
            for channel in self.channels
        ]
        self._lane_threads = [_thread(f"lane-{lane.channel.name}", partial(lane.run, stop)) for lane in lanes]
        for chore in self.chores:
            _thread(f"chore-{chore.name}", partial(_repeat, chore, stop))
        reminded = 0.0
        try:
            while not stop.is_set():
                is_reminding = time.monotonic() - reminded > _REMIND_EVERY_S
                reminded = time.monotonic() if is_reminding else reminded
                try:
                    now = self.clock.now()
                    decided = decider.decide_next(_DECISIONS_AT_ONCE, now)
                    decided += decider.hush(now) + decider.remind(now) if is_reminding else 0
                    self._seen_well_at = time.monotonic()
                except TransientError as error:
                    _log.warning("no decisions for now: %s", error)
                    stop.wait(_OUTBOX_PAUSE_S)
                    continue
                if decided:
                    for lane in lanes:
                        lane.wake()
                else:
                    stop.wait(self.look_every_s)
        finally:
            stop.set()
            _wind_up(lanes, self._lane_threads)

    def is_well(self) -> bool:
        """Say whether decisions are made and every channel has its lane."""
        is_deciding = time.monotonic() - self._seen_well_at < _UNWELL_AFTER_S
        return is_deciding and all(thread.is_alive() for thread in self._lane_threads)


@contextmanager
def stopping_on_signals() -> Iterator[threading.Event]:
    """Yield an event that SIGTERM and SIGINT set; main thread only. The old handlers come back."""
    stop = threading.Event()

    def set_stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        stop.set()

    before = {number: signal.signal(number, set_stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _names(channels: Sequence[Channel]) -> tuple[str, ...]:
    names = tuple(channel.name for channel in channels)
    if len(set(names)) < len(names):
        raise PermanentError("two notification channels have one name; give each its own")
    return names


def _thread(name: str, work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work, name=name, daemon=True)
    thread.start()
    return thread


def _repeat(chore: Chore, stop: threading.Event) -> None:
    stop.wait(min(chore.every_s, _FIRST_CHORE_S))
    while not stop.is_set():
        try:
            chore.work()
        except OrdersError as error:
            _log.warning("%s failed, it is done again in %g s: %s", chore.name, chore.every_s, error)
        except Exception:  # noqa: BLE001 - the rim of this thread
            _log.exception("%s failed, it is done again in %g s", chore.name, chore.every_s)
        stop.wait(chore.every_s)


def _wind_up(lanes: Sequence[Lane], threads: Sequence[threading.Thread]) -> None:
    deadline = time.monotonic() + _JOIN_S
    for lane in lanes:
        lane.wake()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    for lane in lanes:
        if lane.error is not None:
            raise lane.error


def _sum(lanes: Sequence[Lane]) -> Delivered:
    total: Counter[str] = Counter()
    for lane in lanes:
        total += lane.tally
    return Delivered(total["delivered"], total["already_delivered"], total["failed"], total["dead"])
