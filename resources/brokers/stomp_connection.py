"""A STOMP 1.2 connection over stomp-py: connecting, frames out in bulk, frames in, receipts, clear errors."""

import contextlib
import logging
import os
import selectors
import socket
import ssl
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Condition
from typing import Any, Final
from uuid import uuid4

from resources.brokers.inflow import Inflow, IsEnough
from resources.brokers.stomp_frames import Cut, Message
from resources.errors import OrdersError, PermanentError, TransientError

# stomp-py looks its own host's names up when it is imported, which takes seconds without a name server.
os.environ.setdefault("STOMP_SKIP_HOSTNAME_SCAN", "1")

import stomp
from stomp.protocol import Protocol12
from stomp.transport import Transport
from stomp.utils import PollableQueue

# At DEBUG it writes the passcode; what it says above that, we say with the way out.
logging.getLogger("stomp.py").setLevel(logging.CRITICAL)

CONNECT_TIMEOUT_S: Final = 10.0
REPLY_TIMEOUT_S: Final = 60.0
_CLOSE_TIMEOUT_S: Final = 5.0
_RECEIVE_BYTES: Final = 65_536
_REFUSED_LOGIN = ("password is invalid", "Security Error", "AMQ229031", "AMQ339017", "Unable to validate")
_REFUSED_ACCESS = ("is not authorized", "does not have permission", "AMQ229032", "AMQ229213")
_NO_QUEUE = ("AMQ339001", "AMQ339016", "does not exist")


@dataclass(frozen=True, slots=True)
class Target:
    """Where to connect: `tls` is None for plain TCP."""

    host: str
    port: int
    queue: str
    user: str | None = field(repr=False)
    password: str | None = field(repr=False)
    tls: ssl.SSLContext | None = field(repr=False)
    heartbeat_ms: int = 10_000

    @property
    def label(self) -> str:
        """How errors name it."""
        return f"the ActiveMQ broker {self.host}:{self.port}"


class Connection:
    """An open connection; once it is lost every call raises TransientError, or what the broker said last."""

    def __init__(self, target: Target) -> None:
        """Connect and log in within 10 s each.

        Raises PermanentError for a refused login or a certificate that is not trusted, TransientError when
        the broker cannot be reached or does not answer.
        """
        self._target = target
        self._changed = Condition()
        self._inflow: Inflow[Message] = Inflow(lambda: self.is_open)
        self._receipts: set[str] = set()
        self._error: OrdersError | None = None
        self._is_over = False
        self.server = ""
        self._transport = _Transport(target, self._inflow.put)
        self._protocol = Protocol12(self._transport, heartbeats=(target.heartbeat_ms, target.heartbeat_ms))
        self._transport.set_listener("orders", _Listener(self))
        self._open()

    @property
    def is_artemis(self) -> bool:
        """Whether the broker calls itself Artemis."""
        return "artemis" in self.server.lower()

    @property
    def is_open(self) -> bool:
        """Whether nothing has ended it yet."""
        return not self._is_over and self._error is None

    def send(self, data: bytes) -> None:
        """Send frames, encoded already; raises TransientError when the connection is lost or stuck."""
        self.demand_open()
        try:
            if self._transport.blocking:
                self._transport.send(data)
            else:
                self._transport.send_queue.put(data)
        except (OSError, AttributeError, stomp.exception.StompException) as error:
            raise self._failure() from error

    def await_receipt(self, receipt: str, timeout_s: float = REPLY_TIMEOUT_S) -> None:
        """Wait until the broker has dealt with all up to the frame that asked for this receipt."""
        self._wait(lambda: receipt in self._receipts, timeout_s)
        if receipt not in self._receipts:
            self.demand_open()
            raise TransientError(
                f"{self._target.label} did not confirm within {timeout_s:g} s: "
                "it may be out of memory or disk"
            )
        self._receipts.discard(receipt)

    def take(self, is_enough: IsEnough, *, timeout_s: float, linger_s: float) -> list[Message]:
        """Return the next messages, [] if none came in `timeout_s`.

        Ends when `is_enough(count, bytes)`, or when none followed for `linger_s`.
        """
        taken = self._inflow.take(is_enough, timeout_s=timeout_s, still_s=linger_s)
        if not taken:
            # What came before the end cannot be acknowledged any more, and will come again.
            self.demand_open()
        return taken

    def demand_open(self) -> None:
        """Raise what ended the connection, if something has."""
        if not self.is_open:
            raise self._failure()

    def close(self) -> None:
        """Let the broker finish what it was sent, within 5 s, and end the connection."""
        if self.is_open:
            receipt = uuid4().hex
            try:
                self.send(frame("DISCONNECT", receipt=receipt))
                self._wait(lambda: receipt in self._receipts, _CLOSE_TIMEOUT_S)
            except OrdersError:
                pass  # It ended by itself, and whatever that means for messages has been raised elsewhere.
        self._transport.disconnect_socket()
        self._wait(lambda: self._is_over, _CLOSE_TIMEOUT_S)

    def _open(self) -> None:
        target = self._target
        try:
            self._transport.start()
            # As CONNECT, not STOMP: its headers are not escaped, and brokers do not unescape a password.
            self._protocol.connect(target.user, target.password, with_connect_command=True)
        except ssl.SSLCertVerificationError as error:
            raise PermanentError(
                f"{target.label} has a certificate that is not trusted ({error.verify_message}): "
                "name its authority's file with ca= in the URL"
            ) from None
        except (OSError, stomp.exception.StompException) as error:
            raise TransientError(f"{target.label} cannot be reached: {_text(error)}") from None
        self._wait(lambda: bool(self.server), CONNECT_TIMEOUT_S)
        if not self.server:
            failure = self._failure() if not self.is_open else None
            self.close()
            raise failure or TransientError(
                f"{target.label} did not answer within {CONNECT_TIMEOUT_S:g} s: does it speak STOMP there?"
            )

    def _wait(self, is_so: Callable[[], bool], timeout_s: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: is_so() or not self.is_open, timeout_s)

    def _failure(self) -> OrdersError:
        return self._error or TransientError(f"the connection to {self._target.label} was lost")

    # What the thread of stomp-py calls.

    def connected(self, server: str) -> None:
        """Note what the broker calls itself."""
        with self._changed:
            self.server = server or "unknown"
            self._changed.notify_all()

    def confirmed(self, receipt: str) -> None:
        """Note a receipt."""
        with self._changed:
            self._receipts.add(receipt)
            self._changed.notify_all()

    def failed(self, text: str) -> None:
        """Note an ERROR frame, the first one only."""
        with self._changed:
            self._error = self._error or _explained(text, self._target)
            self._changed.notify_all()
        self._inflow.wake()

    def ended(self) -> None:
        """Note that nothing more will come."""
        with self._changed:
            self._is_over = True
            self._changed.notify_all()
        self._inflow.wake()


def frame(command: str, body: bytes = b"", **headers: str) -> bytes:
    """Return an encoded frame; underscores in names of headers stand for hyphens."""
    return encoded(command, {name.replace("_", "-"): value for name, value in headers.items()}, body)


def encoded(command: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    """Return an encoded frame of STOMP 1.2."""
    lines = [command, *(f"{_escaped(name)}:{_escaped(value)}" for name, value in headers.items())]
    return "\n".join(lines).encode() + b"\n\n" + body + b"\0"


def acknowledgements(ids: Sequence[str], receipt: str) -> bytes:
    """Return the ACK frames of messages, the last of which asks for a receipt."""
    frames = [f"ACK\nid:{_escaped(one)}\n\n\0" for one in ids[:-1]]
    return "".join(frames).encode() + frame("ACK", id=ids[-1], receipt=receipt)


class _Transport(Transport):  # type: ignore[misc]
    """stomp-py's transport with one attempt to connect, whose error is raised and not logged.

    Messages go straight to `on_message`; its listeners are told of all else.
    """

    def __init__(self, target: Target, on_message: Callable[[Message], None]) -> None:
        super().__init__([(target.host, target.port)], auto_decode=False)
        self._target = target
        self._cut = Cut(on_message)

    def attempt_connection(self) -> None:
        """Connect once; raises OSError (ssl.SSLError among them)."""
        target = self._target
        plain = socket.create_connection((target.host, target.port), timeout=CONNECT_TIMEOUT_S)
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # A broker without room stops reading: to send must have a bound as well.
            limit = struct.pack("ll", int(REPLY_TIMEOUT_S), 0)
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
            if target.tls is not None:
                self._encrypt(target.tls.wrap_socket(plain, server_hostname=target.host))
            else:
                plain.settimeout(None)
                self.socket = plain
        except BaseException:
            plain.close()
            raise
        self.current_host_and_port = (target.host, target.port)

    def receive(self) -> bytes:
        """Return what has come and is no message, b"" at the end."""
        try:
            data: bytes = self.socket.recv(_RECEIVE_BYTES)
        except ssl.SSLWantReadError:
            raise
        except OSError:
            data = b""
        if not data:
            # Over TLS stomp-py takes the end for a pause, and would turn in a loop without one.
            self.running = False
            return b""
        # Messages say that the broker is alive, as the end of a line does that it sends when it has none.
        return self._cut(data) or b"\n"

    def disconnect_socket(self) -> None:
        """End the connection; the thread that reads notices, and closes it."""
        self.running = False
        open_socket = self.socket
        if open_socket is not None:
            with contextlib.suppress(OSError):
                open_socket.shutdown(socket.SHUT_RDWR)

    def _encrypt(self, secure: ssl.SSLSocket) -> None:
        """Do as stomp-py does over TLS, where one thread reads and writes."""
        secure.setblocking(False)
        self.socket = secure
        self.send_queue = PollableQueue()
        self.sel = selectors.DefaultSelector()
        self.sel.register(self.send_queue, selectors.EVENT_READ)
        self.sel.register(secure, selectors.EVENT_READ)
        self.blocking = False


class _Listener(stomp.ConnectionListener):  # type: ignore[misc]
    """Passes on what stomp-py's thread reads."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def on_connected(self, frame: Any) -> None:
        self._connection.connected(frame.headers.get("server", ""))

    def on_receipt(self, frame: Any) -> None:
        self._connection.confirmed(frame.headers["receipt-id"])

    def on_error(self, frame: Any) -> None:
        body = (frame.body or b"").decode(errors="replace").strip().splitlines()
        self._connection.failed(frame.headers.get("message") or (body[0] if body else "no reason given"))

    def on_disconnected(self) -> None:
        self._connection.ended()


def _explained(text: str, target: Target) -> OrdersError:
    """Return the error that an ERROR frame means, without the credentials that brokers like to repeat."""
    if any(mark in text for mark in _REFUSED_LOGIN):
        return PermanentError(f"{target.label} refused the login: check user and password of the URL")
    if any(mark in text for mark in _REFUSED_ACCESS):
        return PermanentError(f"{target.label} does not let this user use the queue {target.queue!r}")
    if any(mark in text for mark in _NO_QUEUE):
        return PermanentError(f"{target.label} has no queue {target.queue!r}: create it, or mend the URL")
    for secret in (target.user, target.password):
        text = text.replace(secret, "***") if secret else text
    return TransientError(f"{target.label} ended the connection: {' '.join(text.split())[:200]}")


def _text(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {CONNECT_TIMEOUT_S:g} s"
    return str(getattr(error, "strerror", None) or error or type(error).__name__)


def _escaped(text: str) -> str:
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    return text.replace(":", "\\c").replace("\r", "\\r")
