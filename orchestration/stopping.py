"""SIGTERM and SIGINT end a run that is executed in this process, whatever Dagster is doing meanwhile."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final

GRACE_S: Final = 5.0
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class Stopped(KeyboardInterrupt):
    """The process was told to stop; a KeyboardInterrupt, so that nobody takes it for a failure."""


@contextmanager
def stopping() -> Iterator[threading.Event]:
    """Raise Stopped in the `with` at a signal, and set the event; main thread only, else nothing happens.

    Dagster puts its own handlers in place and only notes a signal while a step waits for a pool slot,
    up to 15 minutes. So a watcher ends the process `GRACE_S` after the signal: everything stored is
    safe against that, and the next run goes on.
    """
    stopped = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopped
        return

    def raise_stopped(number: int, frame: FrameType | None) -> None:
        del frame
        stopped.set()
        raise Stopped(number)

    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    done = threading.Event()
    watcher = threading.Thread(target=_watch, args=(reader, stopped, done), daemon=True)
    before = {number: signal.signal(number, raise_stopped) for number in _SIGNALS}
    # The interpreter writes each signal's number here, whoever handles it.
    before_wakeup = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    watcher.start()
    try:
        yield stopped
    finally:
        done.set()
        signal.set_wakeup_fd(before_wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(writer)
        watcher.join()
        os.close(reader)


def _watch(reader: int, stopped: threading.Event, done: threading.Event) -> None:
    while data := os.read(reader, 64):
        numbers = [number for number in data if number in _SIGNALS]
        if not numbers:
            continue
        stopped.set()
        if not done.wait(GRACE_S):
            with suppress(OSError, ValueError):
                sys.stderr.write("stopped within a step; the next `orders run` goes on from there\n")
                sys.stderr.flush()
            os._exit(128 + numbers[0])
