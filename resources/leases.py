"""Leases: one process at a time, taken with a bound, given up to those who wait for it.

A lease is a lock on a file, which the kernel frees when its holder dies. Those who wait hold a shared
lock on a second file, so that a long-lived holder sees them and gives way; they too leave no trace.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from resources.errors import TransientError

_LOOK_S = 0.02
_YIELD_S = 5.0


@dataclass(slots=True)
class Lease:
    """The lease at `path` of the thing `what`; not to be shared by threads."""

    path: Path
    what: str
    _lock: FileLock = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Make the lock; nothing is taken yet."""
        self._lock = FileLock(self.path, thread_local=False, poll_interval=_LOOK_S)

    @property
    def is_held(self) -> bool:
        """Whether we hold it."""
        return bool(self._lock.is_locked)

    def acquire(self, timeout_s: float) -> None:
        """Take it; raises TransientError naming the thing, the lock and its holder when it stays held."""
        if self.try_acquire():
            return
        with self._waiting():
            try:
                self._lock.acquire(timeout=timeout_s)
            except Timeout:
                raise self.refused(timeout_s) from None
        self._sign()

    def try_acquire(self) -> bool:
        """Take it if it is free."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            return False
        self._sign()
        return True

    def release(self) -> None:
        """Give it back."""
        self._lock.release()

    def is_wanted(self) -> bool:
        """Tell whether somebody waits for it."""
        with self._queue() as queue:
            try:
                fcntl.flock(queue, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def let_others(self) -> None:
        """Return once those who wait have had their chance, after `release`; waits at most 5 s."""
        deadline = time.monotonic() + _YIELD_S
        while self.is_wanted() and time.monotonic() < deadline:
            time.sleep(_LOOK_S / 4)

    def refused(self, waited_s: float) -> TransientError:
        """Return the error that says who holds it."""
        holder = self._holder()
        owner = holder.read_text().strip() if holder.exists() else "another process"
        return TransientError(
            f"{self.what} is held by {owner} (lock {self.path}), waited {waited_s:g} s: "
            "wait for it to end or stop it, then rerun"
        )

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        with self._queue() as queue:
            fcntl.flock(queue, fcntl.LOCK_SH)
            yield

    @contextmanager
    def _queue(self) -> Iterator[int]:
        queue = os.open(self.path.with_suffix(".queue"), os.O_RDWR | os.O_CREAT, 0o644)
        try:
            yield queue
        finally:
            os.close(queue)

    def _holder(self) -> Path:
        return self.path.with_suffix(".holder")

    def _sign(self) -> None:
        self._holder().write_text(f"process {os.getpid()}\n")


@contextmanager
def held(path: Path, timeout_s: float, what: str) -> Iterator[None]:
    """Hold the lease at `path` for the length of a `with`; waits at most `timeout_s`.

    Raises TransientError naming `what`, the lock and its holder when it stays held.
    """
    lease = Lease(path, what)
    lease.acquire(timeout_s)
    try:
        yield
    finally:
        lease.release()
