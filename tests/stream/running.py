"""A stream over a home, in a thread of the test, and what it did."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from orchestration.settings import Settings, read_settings
from orchestration.stream.service import Stream
from orchestration.stream.state import State
from tests.orders.home import Home

WAIT_S = 60.0


def settings_of(root: Path, **changes: object) -> Settings:
    """Return the settings of a home; nothing of the environment but what the test says."""
    names = {"broker_url": None, "state_url": None, "files_dir": None, "lock_timeout_s": 30.0}
    return read_settings(home=root, **(names | changes))


def soon(condition: Callable[[], object], wait_s: float = WAIT_S) -> bool:
    """Wait for a condition with a deadline, looking again and again."""
    pause = threading.Event()
    for _ in range(int(wait_s / 0.02)):
        if condition():
            return True
        pause.wait(0.02)
    return False


class Running:
    """Runs a stream for the length of a `with`, and stops it at the end as a signal does."""

    def __init__(self, settings: Settings) -> None:
        """Make it; it starts with the `with`."""
        self.home = Home(settings.root)
        self.error: BaseException | None = None
        self._states: list[State] = []
        self._stream = Stream(settings, self._states.append)
        self._thread = threading.Thread(target=self._run)
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def state(self) -> State:
        """What the stream says of itself."""
        return self._states[0]

    def __enter__(self) -> "Running":
        """Start it and wait until its tasks run."""
        self._thread.start()
        assert soon(lambda: self._states or not self._thread.is_alive())
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self.stop()

    def stop(self) -> None:
        """Stop it and wait for its end."""
        if self._loop is not None and self._states and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self.state.stop.set)
        self._thread.join(WAIT_S)
        assert not self._thread.is_alive()

    def sends(self, bodies: Sequence[bytes]) -> None:
        """Publish messages to the inbox."""
        self.home.send(bodies)

    def has_loaded(self, messages: int) -> bool:
        """Wait until so many messages are loaded."""
        return soon(lambda: self.state.loaded >= messages)

    def _run(self) -> None:
        async def main() -> None:
            self._loop = asyncio.get_running_loop()
            await self._stream.run()

        try:
            asyncio.run(main())
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            self.error = error
