"""Telling Dagster of the stream: runless events, at most one per asset in 30 s, beside everything else.

A process of its own talks to Dagster, which may be slow, locked or gone. What it could not be told is added
to what comes next, and counted; an attempt that takes too long is ended. Nothing waits for it.
"""

import asyncio
import logging
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from orchestration.settings import PROJECT
from orchestration.stream.state import Notes, State, pause
from orchestration.stream.teller import DONE, Telling

if TYPE_CHECKING:
    from orchestration.settings import Settings

_FIRST_S: Final = 5.0
_LIMIT_S: Final = 60.0
_LAST_S: Final = 1.5
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class TellTask:
    """Tells Dagster every `every_s` seconds what happened since it heard something last."""

    settings: "Settings"
    state: State
    every_s: float
    _teller: Process | None = None
    _is_failing: bool = False

    async def run(self) -> None:
        """Work until the loads have ended; then tell the rest, unless that takes long."""
        try:
            # Importing Dagster takes seconds of the processor, which the first orders shall not wait for.
            wait_s = min(_FIRST_S, self.every_s)
            while not await pause(self.state.loads_ended, wait_s):
                await self._once(_LIMIT_S)
                wait_s = self.every_s
            if self._teller is not None:
                await self._once(_LAST_S)
        finally:
            await self._end_teller()

    async def _once(self, limit_s: float) -> None:
        notes, self.state.notes = self.state.notes, Notes()
        asking = asyncio.create_task(self._ask(notes))
        ending = asyncio.create_task(self.state.loads_ended.wait())
        try:
            await asyncio.wait((asking, ending), timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
            if not asking.done():
                await asyncio.wait((asking,), timeout=_LAST_S)
            answer = asking.result() if asking.done() else "no answer"
        finally:
            asking.cancel()
            ending.cancel()
        if answer == DONE:
            if self._is_failing:
                _log.warning("Dagster answers again, and has been told")
            self._is_failing = False
            self.state.told.add(notes)
            return
        await self._failed(notes, answer)

    async def _failed(self, notes: Notes, answer: str) -> None:
        self.state.notes.add(notes)
        self.state.untold += 1
        await self._end_teller()
        if not (self._is_failing or self.state.loads_ended.is_set()):
            _log.warning("Dagster could not be told (%s): ingestion goes on, it hears of it later", answer)
        self._is_failing = True

    async def _ask(self, notes: Notes) -> str:
        feeds = tuple(feed.health() for feed in self.state.feeds.values())
        line = msgspec.json.encode(Telling(str(self.settings.root), notes, feeds))
        try:
            teller = await self._started()
            assert teller.stdin is not None
            assert teller.stdout is not None
            teller.stdin.write(line + b"\n")
            await teller.stdin.drain()
            answer = await teller.stdout.readline()
        except (OSError, ValueError) as error:
            return str(error) or type(error).__name__
        return answer.decode(errors="replace").strip() or "its process ended"

    async def _started(self) -> Process:
        if self._teller is None:
            self._teller = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "orchestration.stream.teller",
                stdin=PIPE,
                stdout=PIPE,
                cwd=PROJECT,
                start_new_session=True,
            )
        return self._teller

    async def _end_teller(self) -> None:
        teller, self._teller = self._teller, None
        if teller is None:
            return
        with suppress(ProcessLookupError):
            teller.kill()
        await teller.wait()
