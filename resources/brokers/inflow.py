"""Messages on their way from the thread of a client library to the one that lands them."""

import time
from collections import deque
from collections.abc import Callable
from math import inf
from threading import Event
from typing import Generic, Protocol, TypeVar


class _HasBody(Protocol):
    @property
    def body(self) -> bytes: ...


T = TypeVar("T", bound=_HasBody)
IsEnough = Callable[[int, int], bool]
"""Tells whether so many messages, of so many bytes, are as many as are wanted."""


class Inflow(Generic[T]):
    """A buffer that one thread fills and another empties; who takes is woken once for many messages."""

    def __init__(self, is_open: Callable[[], bool]) -> None:
        """Make it empty; once `is_open` is false nothing more will come, which `wake` makes known."""
        self._is_open = is_open
        self._messages: deque[T] = deque()
        self._received = self._taken = 0
        self._is_enough: IsEnough = _anything
        self._news = Event()
        self._room = Event()

    def __len__(self) -> int:
        """Return how many messages wait."""
        return len(self._messages)

    def put(self, message: T) -> None:
        """Add a message."""
        self._messages.append(message)
        self._received += len(message.body) + 1
        # Once told is enough: telling takes a lock, which a message in the buffer need not pay for.
        if not self._news.is_set() and self._has(self._is_enough):
            self._news.set()

    def await_room(self, most_bytes: int, timeout_s: float) -> None:
        """Wait until about `most_bytes` at most are there, or time is up: for the thread that fills it."""
        if self._received - self._taken > most_bytes:
            self._room.clear()
            # Looked at again: what happened before the line above is not heard of.
            if self._is_open() and self._received - self._taken > most_bytes:
                self._room.wait(timeout_s)

    def take(self, is_enough: IsEnough, *, timeout_s: float, still_s: float, most_s: float = inf) -> list[T]:
        """Return the next messages, [] if none came in `timeout_s`.

        More than there are now are waited for until `is_enough`, while they keep coming: until none came for
        `still_s`, at most for `most_s`. Large segments are cheap.
        """
        self._wait(_anything, timeout_s)
        deadline = time.monotonic() + most_s
        seen = 0
        while self._messages and seen < self._received and not self._has(is_enough):
            if (left_s := deadline - time.monotonic()) <= 0:
                break
            seen = self._received
            self._wait(is_enough, min(still_s, left_s))
        taken: list[T] = []
        size = 0
        while self._messages and not is_enough(len(taken), size):
            taken.append(self._messages.popleft())
            size += len(taken[-1].body) + 1
        self._taken += size
        self._room.set()
        return taken

    def wake(self) -> None:
        """Wake whoever waits: nothing more will come, or there is no need to wait any longer."""
        self._news.set()
        self._room.set()

    def _has(self, is_enough: IsEnough) -> bool:
        return is_enough(len(self._messages), self._received - self._taken)

    def _wait(self, is_enough: IsEnough, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        self._is_enough = is_enough
        while True:
            self._news.clear()
            if self._has(is_enough) or not self._is_open():
                return
            if not self._news.wait(max(0.0, deadline - time.monotonic())):
                return


def _anything(count: int, size: int) -> bool:
    del size
    return count > 0
