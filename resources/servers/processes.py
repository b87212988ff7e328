"""Processes that outlive the command which starts them, and ending all of them that a server has."""

import os
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from random import SystemRandom

import psutil

from resources.errors import TransientError
from resources.servers.kind import Command

# Below the range that outgoing connections take their ports from, so that a port stays free while its
# server is down and is to come back on it.
_PORTS = range(20_000, 32_000)
_PAUSE_S = 0.05
_KILL_TIMEOUT_S = 10.0

# Children of this process: kept so that they can be reaped when they end, and live on when it ends.
_started: dict[int, subprocess.Popen[bytes]] = {}


def free_ports(count: int) -> list[int]:
    """Return ports of 127.0.0.1 on which nothing listens.

    Raises TransientError when 1,000 tries did not find them.
    """
    chosen: list[int] = []
    for _ in range(1_000):
        port = SystemRandom().choice(_PORTS)
        if port not in chosen and can_bind(port):
            chosen.append(port)
        if len(chosen) == count:
            return chosen
    raise TransientError(f"no {count} free ports were found on 127.0.0.1: stop what listens there")


def can_bind(port: int) -> bool:
    """Return whether a server could listen on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def accepts(port: int) -> bool:
    """Return whether something on 127.0.0.1 accepts connections on the port."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1.0):
            return True
    except OSError:
        return False


def start_detached(command: Command, folder: Path, log: Path) -> psutil.Process:
    """Start a program in a session of its own, its output appended to `log`."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            list(command.words),
            cwd=folder,
            env=os.environ | command.environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    _started[process.pid] = process
    return psutil.Process(process.pid)


def run_to_end(command: Command, folder: Path, log: Path, *, timeout_s: float) -> None:
    """Run a program to its end; raises TransientError naming `log` when it fails or takes too long."""
    with log.open("ab") as output:
        try:
            subprocess.run(
                list(command.words),
                cwd=folder,
                env=os.environ | command.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                timeout=timeout_s,
                check=True,
            )
        except (subprocess.SubprocessError, OSError) as error:
            reason = str(error).split(" '")[0] if isinstance(error, subprocess.SubprocessError) else error
            raise TransientError(
                f"{Path(command.words[0]).name} failed ({reason}): {last_line(log)} (all of it in {log})"
            ) from error


def last_line(log: Path) -> str:
    """Return the last line of a log that says something."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")


def wait_until(condition: Callable[[], bool], timeout_s: float) -> bool:
    """Poll a condition until it holds; return False when it did not within `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_PAUSE_S)
    return True


def is_alive(pid: int, started_at: float) -> bool:
    """Return whether the process that had this id then is running still; a pid may have been used again."""
    try:
        process = psutil.Process(pid)
        return abs(process.create_time() - started_at) < 1.0 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def processes_of(folder: Path) -> list[psutil.Process]:
    """Return the processes that work in a server's folder or below.

    Children whose parent was killed are among them: a backend of PostgreSQL leaves its parent's session
    and hides its environment, but not its folder.
    """
    inside = str(folder.resolve())
    found = []
    for process in psutil.process_iter():
        try:
            current = process.cwd()
        except (psutil.Error, OSError):
            continue
        if process.pid != os.getpid() and (current == inside or current.startswith(inside + os.sep)):
            found.append(process)
    return found


def kill_all(folder: Path, main: int | None) -> None:
    """Send SIGKILL to a server, then to all that is left of it, and wait until they are gone.

    Raises TransientError when one of them is still there after 10 s.
    """

    def is_gone() -> bool:
        left = [p for p in processes_of(folder) if p.status() != psutil.STATUS_ZOMBIE]
        for process in sorted(left, key=lambda p: p.pid != main):
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        return not left

    is_done = wait_until(is_gone, _KILL_TIMEOUT_S)
    for pid in [pid for pid, process in _started.items() if process.poll() is not None]:
        del _started[pid]
    if not is_done:
        raise TransientError(f"processes in {folder} do not end, although they were sent SIGKILL")
