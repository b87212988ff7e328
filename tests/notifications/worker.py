"""A real process that delivers or collects, and kills itself with SIGKILL at a labelled point.

`python -m tests.notifications.worker deliver|finish|forever|collect FOLDER [LABEL [NTH [BUILD]]]`. BUILD is a
deliberately broken build, which the claims about kills must catch.
"""

import itertools
import os
import signal
import sys
import time
from pathlib import Path

from resources import crashpoints
from resources.clock import SystemClock
from resources.notifications.channels.file import FileChannel
from resources.notifications.dispatcher import Dispatcher, deliver_due, stopping_on_signals
from resources.notifications.events import Notice
from resources.notifications.outbox import Outbox
from resources.notifications.port import Channel, Receipt
from resources.notifications.retry import RetryPolicy

# A killed process's lease ends soon, so that the claims need not wait long.
KILLED = RetryPolicy(lease_s=0.5)
_FINISH_S = 30.0


class ForgetfulChannel(FileChannel):
    """Broken: does not look at what the file holds, so a repeat is appended again."""

    def send(self, notice: Notice) -> Receipt:
        """Append in any case."""
        self._held.clear()
        fresh = FileChannel(self._path.with_name("scratch.ndjson"))
        fresh.send(notice)
        scratch = self._path.with_name("scratch.ndjson")
        with self._path.open("ab") as file:
            file.write(scratch.read_bytes())
        scratch.unlink()
        return Receipt.DELIVERED


class HastyChannel(FileChannel):
    """Broken: says delivered first and writes with the next notice."""

    _late: Notice | None = None

    def send(self, notice: Notice) -> Receipt:
        """Answer for the notice without having written it."""
        late, self._late = self._late, notice
        return super().send(late) if late else Receipt.DELIVERED


BUILDS: dict[str, type[FileChannel]] = {
    "sound": FileChannel,
    "forgetful": ForgetfulChannel,
    "hasty": HastyChannel,
}


def kill_at(label: str, nth: int) -> None:
    """Kill this process when it reaches `label` for the `nth` time."""
    passed = itertools.count(1)

    def kill(reached: str) -> None:
        if reached == label and next(passed) == nth:
            os.kill(os.getpid(), signal.SIGKILL)

    crashpoints.install(kill)


def collect_once(folder: Path) -> None:
    """Collect from the Dagster instance in `folder`."""
    import dagster as dg

    from sensors.collectors import collect

    with (
        dg.DagsterInstance.local_temp(str(folder / "dagster")) as instance,
        Outbox(folder / "outbox.db") as outbox,
    ):
        collect(instance, outbox, SystemClock())


def finish(outbox: Outbox, channels: list[Channel]) -> None:
    """Deliver until nothing is pending, whatever a killed process still has on lease."""
    deadline = time.monotonic() + _FINISH_S
    while time.monotonic() < deadline:
        deliver_due(outbox, channels, SystemClock(), retry=KILLED)
        if outbox.counts().pending == 0:
            return
        time.sleep(0.05)


def main(role: str, folder: Path, label: str = "", nth: str = "1", build: str = "sound") -> None:
    """Play the role once, or until SIGTERM."""
    if label:
        kill_at(label, int(nth))
    if role == "collect":
        collect_once(folder)
        return
    channels: list[Channel] = [BUILDS[build](folder / "notices.ndjson")]
    with Outbox(folder / "outbox.db") as outbox:
        if role == "deliver":
            deliver_due(outbox, channels, SystemClock(), retry=KILLED if label else RetryPolicy())
            return
        if role == "finish":
            finish(outbox, channels)
            return
        with stopping_on_signals() as stop:
            sys.stdout.write("ready\n")
            sys.stdout.flush()
            Dispatcher(outbox, channels, SystemClock()).run(stop)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
