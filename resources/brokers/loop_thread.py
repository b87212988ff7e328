"""An event loop in a thread of its own, for a client that is asynchronous."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any, TypeVar

from resources.errors import OrdersError

CALL_TIMEOUT_S = 30.0
_Got = TypeVar("_Got")


class LoopThread:
    """Runs coroutines for other threads; `explain` makes an error of ours from any other."""

    def __init__(self, name: str, explain: Callable[[BaseException], OrdersError]) -> None:
        """Start the thread."""
        self._explain = explain
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """Whether it has not been stopped."""
        return self._thread.is_alive()

    def call(
        self,
        work: Coroutine[Any, Any, _Got],
        timeout_s: float = CALL_TIMEOUT_S,
        broken: Callable[[], OrdersError | None] = lambda: None,
    ) -> _Got:
        """Do something and return its result; waiting ends as soon as `broken` says that it is in vain."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                return future.result(0.5)
            except FutureTimeout as error:
                failure = broken()
                # A timeout of the work itself looks the same as that of the waiting.
                if future.done() or failure is not None or time.monotonic() > deadline:
                    future.cancel()
                    raise (failure or self._explain(error)) from None
            except Exception as error:  # noqa: BLE001 - whatever it is, it is told in one line of ours
                raise self._explain(error) from None

    def soon(self, work: Coroutine[Any, Any, object]) -> None:
        """Do something without waiting for it."""
        asyncio.run_coroutine_threadsafe(work, self._loop)

    def stop(self) -> None:
        """End the thread."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        # A task of a client that fails is told by the client's own handlers.
        self._loop.set_exception_handler(lambda loop, context: None)
        try:
            self._loop.run_forever()
        finally:
            tasks = asyncio.all_tasks(self._loop)
            for task in tasks:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            self._loop.close()
