"""Waiting for something with a deadline."""

import time
from collections.abc import Callable

DEADLINE_S = 60.0


def eventually(is_so: Callable[[], bool], what: str, *, within_s: float = DEADLINE_S) -> None:
    """Return as soon as `is_so()`; fails after `within_s`, saying `what` did not come true."""
    deadline = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < deadline, f"{what}: not within {within_s:g} s"
        time.sleep(0.05)
