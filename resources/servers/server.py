"""The life of one server: start, readiness, stop, kill -9, restart on the same ports and data.

`server.json` in the server's folder holds its ports and the ids of its processes, so that another
process, such as the next command, can stop what this one started.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from resources.errors import PermanentError, TransientError
from resources.servers import processes
from resources.servers.kind import Kind, Options, Place

START_TIMEOUT_S = 120.0
_STOP_TIMEOUT_S = 30.0
_LOCK_TIMEOUT_S = 180.0
_PORT_TIMEOUT_S = 5.0


class State(StrEnum):
    """What a server's record and its processes say together."""

    RUNNING = "running"
    STOPPED = "stopped"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class _Record:
    """What `server.json` holds; `pid` 0 is a server that was stopped."""

    ports: Mapping[str, int]
    pid: int = 0
    started_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Server:
    """A server of one kind with all of its files under `folder`."""

    kind: Kind
    folder: Path
    options: Options = field(default_factory=Options)

    @property
    def log(self) -> Path:
        """The file with what the server wrote to its output."""
        return self.folder / "server.log"

    @property
    def ports(self) -> Mapping[str, int]:
        """The ports by name; chosen at the first start and kept from then on."""
        return self._record().ports

    def url(self, topic: str = "orders", scheme: str | None = None) -> str:
        """Return the URL of a topic or queue, the usual one of the kind or that of a scheme."""
        urls = self.urls(topic)
        return urls[scheme or next(iter(urls))]

    def urls(self, topic: str = "orders") -> Mapping[str, str]:
        """Return the URLs of a topic or queue by scheme, the usual one first."""
        return self.kind.urls(self._place(self._record()), topic)

    def state(self) -> State:
        """Return whether it runs; dead means that it ended without having been stopped."""
        record = self._record()
        if not record.pid:
            return State.STOPPED
        return State.RUNNING if processes.is_alive(record.pid, record.started_at) else State.DEAD

    def pid(self) -> int | None:
        """Return the process id of the running server."""
        return self._record().pid if self.state() == State.RUNNING else None

    def start(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Start it and wait until it does its work; nothing happens when it runs already.

        Raises PermanentError when its packages are missing or its ports are taken, TransientError when
        it ends or is not ready in time; nothing of it is left running then.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._held():
            if self.state() == State.RUNNING:
                return
            if reason := self.kind.missing():
                raise PermanentError(reason)
            processes.kill_all(self.folder, None)
            place = self._place(self._chosen())
            self.kind.prepare(place)
            try:
                self._run(place, timeout_s)
            except BaseException:
                processes.kill_all(self.folder, None)
                raise

    def stop(self) -> None:
        """Ask it to end, with its children, and kill what has not ended after 30 s."""
        if not self.folder.exists():
            return
        with self._held():
            record = self._record()
            if processes.is_alive(record.pid, record.started_at):
                self._terminate(record)
            processes.kill_all(self.folder, record.pid)
            self._write(_Record(record.ports))

    def kill(self) -> None:
        """Send SIGKILL to all of its processes, as a failing machine would end them."""
        processes.kill_all(self.folder, self._record().pid)

    def restart(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Start it again on the same ports and data, killing it first if it runs."""
        self.kill()
        self.start(timeout_s)

    def remove(self) -> None:
        """Kill it and delete all that it stored."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, place: Place, timeout_s: float) -> None:
        running = [
            processes.start_detached(command, self.folder, self.log) for command in self.kind.commands(place)
        ]
        main = running[-1]
        self._write(_Record(place.ports, main.pid, main.create_time()))
        started_at = main.create_time()

        def is_settled() -> bool:
            return not processes.is_alive(main.pid, started_at) or self.kind.is_ready(place)

        is_in_time = processes.wait_until(is_settled, timeout_s)
        if is_in_time and processes.is_alive(main.pid, started_at):
            return
        problem = "ended while it started" if is_in_time else f"was not ready after {timeout_s:g} s"
        raise TransientError(
            f"{self.kind.name} {problem}: {processes.last_line(self.log)} (all of it in {self.log})"
        )

    def _terminate(self, record: _Record) -> None:
        try:
            psutil.Process(record.pid).terminate()
        except psutil.NoSuchProcess:
            return
        processes.wait_until(lambda: not processes.is_alive(record.pid, record.started_at), _STOP_TIMEOUT_S)

    def _chosen(self) -> _Record:
        """Return the record with ports: those of before, if it has been started before."""
        record = self._record()
        if not record.ports:
            ports = processes.free_ports(len(self.kind.port_names))
            record = _Record(dict(zip(self.kind.port_names, ports, strict=True)))
            self._write(record)
        kept = record.ports.values()
        # The last thread of a killed process closes its sockets a moment after the process is gone.
        if not processes.wait_until(lambda: all(map(processes.can_bind, kept)), _PORT_TIMEOUT_S):
            raise PermanentError(
                f"a port that {self.kind.name} had before ({', '.join(map(str, kept))}) is taken by another "
                f"process: stop that, or delete {self.folder} to begin anew on other ports"
            )
        return record

    def _place(self, record: _Record) -> Place:
        return Place(self.folder.resolve(), record.ports, self.options)

    def _record(self) -> _Record:
        path = self.folder / "server.json"
        if not path.exists():
            return _Record({})
        try:
            return _Record(**json.loads(path.read_text()))
        except (ValueError, TypeError) as error:
            raise PermanentError(f"{path} cannot be read: delete {self.folder} to begin anew") from error

    def _write(self, record: _Record) -> None:
        text = json.dumps({"ports": dict(record.ports), "pid": record.pid, "started_at": record.started_at})
        partial = self.folder / "server.json.partial"
        partial.write_text(text)
        partial.rename(self.folder / "server.json")

    def _held(self) -> "_Held":
        return _Held(self)


class _Held:
    """The lock of a server's folder: one process starts or stops it at a time."""

    def __init__(self, server: Server) -> None:
        self._name = server.kind.name
        self._lock = FileLock(server.folder / "server.lock", timeout=_LOCK_TIMEOUT_S)

    def __enter__(self) -> None:
        try:
            self._lock.acquire()
        except Timeout as error:
            raise TransientError(
                f"{self._name} is being started or stopped by another process: try again"
            ) from error

    def __exit__(self, *_: object) -> None:
        self._lock.release()
