"""A network that fails when a test says so: a TCP proxy on loopback."""

import contextlib
import socket
import struct
import threading
from dataclasses import dataclass, field
from typing import Self

_RESET = struct.pack("ii", 1, 0)


@dataclass
class Proxy:
    """Passes bytes between its own `port` and `target_port`, and cuts connections when told."""

    target_port: int
    host: str = "127.0.0.1"
    port: int = 0
    _left: int | None = None
    _answers_left: int | None = None
    _pairs: list[tuple[socket.socket, socket.socket]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Self:
        """Listen."""
        self._listener = socket.create_server((self.host, self.port))
        self.port = self._listener.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()
        return self

    def __exit__(self, *raised: object) -> None:
        """Cut everything and stop listening."""
        # Without the shutdown the thread in `accept` would keep the port.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        # A connection that was just accepted is cut, too, and not left open behind the test.
        self._accepting.join()
        self.cut()

    def cut(self) -> None:
        """Reset every connection; new ones pass."""
        with self._lock:
            pairs, self._pairs, self._left, self._answers_left = self._pairs, [], None, None
        for end in (end for pair in pairs for end in pair):
            _reset(end)

    def cut_after(self, count: int) -> None:
        """Reset every connection once `count` more bytes have come from the server; new ones pass."""
        with self._lock:
            self._left = count

    def cut_in_answer(self, number: int) -> None:
        """Reset every connection in the middle of the answer with this number, 1 for the next; new ones pass.

        An answer is what the server sends at once, as long as both sides take turns.
        """
        with self._lock:
            self._answers_left = number

    @property
    def is_armed(self) -> bool:
        """Whether a cut is still to come."""
        return self._left is not None or self._answers_left is not None

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self.target_port), timeout=5)
            except OSError:
                _reset(near)
                continue
            far.settimeout(None)
            with self._lock:
                self._pairs.append((near, far))
            for source, sink, is_down in ((near, far, False), (far, near, True)):
                threading.Thread(target=self._pump, args=(source, sink, is_down), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, is_down: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                if is_down and self._is_used_up(len(data)):
                    sink.sendall(data[: len(data) // 2])
                    self.cut()
                    return
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def _is_used_up(self, count: int) -> bool:
        with self._lock:
            if self._left is not None:
                self._left -= count
            if self._answers_left is not None:
                self._answers_left -= 1
            return any(left is not None and left <= 0 for left in (self._left, self._answers_left))


def _reset(end: socket.socket) -> None:
    # Closed with a reset, as a router forgets a connection; shutdown wakes the thread that reads.
    with contextlib.suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        end.shutdown(socket.SHUT_RDWR)
    end.close()
