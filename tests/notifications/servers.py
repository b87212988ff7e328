"""Servers that channels talk to: HTTP and SMTP that collect and misbehave on demand, and TLS for both."""

import asyncio
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope

from resources.servers.processes import free_ports


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server answers; it may first hang, drip its head byte by byte, or hang up."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b"ok"
    endless: bool = False
    hangs: bool = False
    drips: bool = False
    hangs_up: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """What arrived."""

    path: str
    headers: Mapping[str, str]
    body: bytes


class Collector:
    """An HTTP server on 127.0.0.1 that keeps what it gets; `replies` are used up one by one."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        """Listen on a free port."""
        self.requests: list[Request] = []
        self.replies: list[Reply] = []
        self.default = Reply()
        self.stopping = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._scheme = "https" if tls else "http"
        if tls:
            self._server.socket = tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        """The address of its root, by IP."""
        return f"{self._scheme}://127.0.0.1:{self.port}/hook"

    @property
    def port(self) -> int:
        """The port."""
        return int(self._server.server_address[1])

    def reply(self) -> Reply:
        """Take the next reply."""
        return self.replies.pop(0) if self.replies else self.default

    @contextmanager
    def running(self) -> Iterator["Collector"]:
        """Serve until the block ends."""
        self._thread.start()
        try:
            yield self
        finally:
            self.stopping.set()
            self._server.shutdown()
            self._server.server_close()
            self._thread.join(5)


def _handler(collector: Collector) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 10

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            names = {name.lower(): value for name, value in self.headers.items()}
            collector.requests.append(Request(self.path, names, body))
            reply = collector.reply()
            try:
                self._answer(reply)
            except OSError:
                self.close_connection = True

        def _answer(self, reply: Reply) -> None:
            if reply.hangs:
                collector.stopping.wait(20)
            if reply.hangs or reply.hangs_up:
                self.close_connection = True
                return
            if reply.drips:
                self._drip()
                return
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(1 << 40 if reply.endless else len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)
            while reply.endless and not collector.stopping.is_set():
                self.wfile.write(b"x" * 65_536)

        def _drip(self) -> None:
            for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"a" * 1000:
                if collector.stopping.wait(0.05):
                    break
                self.wfile.write(bytes([byte]))
            self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    return Handler


class PostOffice:
    """Keeps mails; `answers` are used instead of accepting them, `refused` are recipients it turns away."""

    def __init__(self) -> None:
        """Hold nothing yet."""
        self.mails: list[EmailMessage] = []
        self.recipients: list[list[str]] = []
        self.answer = "250 OK"
        self.refused: dict[str, str] = {}

    async def handle_RCPT(  # noqa: N802
        self, server: object, session: object, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802
        self, server: object, session: object, envelope: Envelope
    ) -> str:
        if self.answer == "hang":
            await asyncio.sleep(30)
        if not self.answer.startswith("250"):
            return self.answer
        content = cast(bytes, envelope.content)
        self.mails.append(cast(EmailMessage, message_from_bytes(content, policy=default)))
        self.recipients.append(list(envelope.rcpt_tos))
        return self.answer


@dataclass(frozen=True, slots=True)
class Certificates:
    """A certificate of 127.0.0.1 and localhost, and the authority that a client must trust for it."""

    authority: trustme.CA
    server: ssl.SSLContext
    client: ssl.SSLContext

    def ca_file(self, folder: Path) -> Path:
        """Write the authority's certificate to a file."""
        path = folder / "ca.pem"
        self.authority.cert_pem.write_to_path(path)
        return path


def certificates() -> Certificates:
    """Make them anew."""
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return Certificates(authority, server, client)


@contextmanager
def mail_server_for(office: PostOffice, kind: type[Controller] = Controller, **options: Any) -> Iterator[int]:
    """Run an SMTP server that gives its mails to `office`, and lend its port."""
    controller = kind(office, hostname="127.0.0.1", port=free_ports(1)[0], **options)
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()
