"""A time limit for what has none of its own: the call runs in a thread that may be left behind, but once."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from resources.errors import TransientError

_T = TypeVar("_T")


class Bounded(Generic[_T]):
    """Makes one call at a time; while one that took too long still hangs, no other is made."""

    def __init__(self, what: str, timeout_s: float) -> None:
        """Name the calls `what` in errors, and give each `timeout_s`."""
        self._what = what
        self._timeout_s = timeout_s
        self._hanging: threading.Thread | None = None

    def call(self, function: Callable[[], _T]) -> _T:
        """Return or raise what the function does; TransientError when it takes too long."""
        if self._hanging is not None and self._hanging.is_alive():
            raise TransientError(f"{self._what} still hangs in an earlier call; it will be tried again")
        outcome: list[_T] = []
        raised: list[BaseException] = []

        def run() -> None:
            try:
                outcome.append(function())
            except BaseException as error:  # noqa: BLE001 - raised again by who called
                raised.append(error)

        self._hanging = threading.Thread(target=run, daemon=True, name=self._what)
        self._hanging.start()
        self._hanging.join(self._timeout_s)
        if self._hanging.is_alive():
            raise TransientError(f"{self._what} took over {self._timeout_s:g} s; it will be tried again")
        if raised:
            raise raised[0]
        return outcome[0]
