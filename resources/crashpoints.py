"""Labelled points at which fault tests kill the process; without a callback they do nothing.

A label names a moment between two effects that must survive a crash between them, for example
`land.segment_renamed`. The suite in `tests/faults` installs a callback that sends SIGKILL.
"""

from collections.abc import Callable

_callbacks: list[Callable[[str], None]] = []


def install(callback: Callable[[str], None]) -> None:
    """Call `callback(label)` at every point that this process reaches from now on."""
    _callbacks.append(callback)


def reached(label: str) -> None:
    """Mark the point `label` as reached."""
    for callback in _callbacks:
        callback(label)
