"""Real servers for tests, on 127.0.0.1: shared ones for the session, and ones of a test's own.

    def test_that(kafka: Server) -> None:          # shared; .kill() and .restart() are allowed
        url = kafka.url(topic="orders-7")          # a topic or queue of the test's own, please
    def test_tls(own_server: OwnServer, certificates: Tls) -> None:
        server = own_server("rabbitmq", tls=certificates, login=Login("shop", "secret"))

A shared server is started at its first use in the session (under xdist in the worker that `conftest.py` gives
its tests to) and found running by each test, restarted on its data if one before killed it. A server that
this machine lacks skips the test with the command that brings it, or fails it with ORDERS_REQUIRE_SERVERS=1.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import pytest

from resources.servers.kind import Login, Options, Tls
from resources.servers.kinds import KINDS
from resources.servers.server import Server, State

OwnServer = Callable[..., Server]


def is_missing(reason: str) -> NoReturn:
    """Skip the test for this reason, or fail it with ORDERS_REQUIRE_SERVERS=1, as in `.ci/run`."""
    if os.environ.get("ORDERS_REQUIRE_SERVERS") == "1":
        pytest.fail(f"{reason} (ORDERS_REQUIRE_SERVERS=1)", pytrace=False)
    pytest.skip(reason)


@dataclass
class Servers:
    """The servers of one session, each in a folder under `root`."""

    root: Path
    _shared: dict[str, Server] = field(default_factory=dict)
    _own: list[Server] = field(default_factory=list)

    def shared(self, name: str) -> Server:
        """Return the running server of a kind that all tests share."""
        if name not in self._shared:
            self._shared[name] = self._new(name, Options(is_brief=True))
        server = self._shared[name]
        if server.state() != State.RUNNING:
            server.start()
        return server

    def own(self, name: str, *, tls: Tls | None = None, login: Login | None = None) -> Server:
        """Start a server that nobody else uses."""
        server = self._new(name, Options(tls, login, is_brief=True))
        self._own.append(server)
        server.start()
        return server

    def end_own(self) -> None:
        """End what `own` started."""
        while self._own:
            self._own.pop().remove()

    def close(self) -> None:
        """End them all and delete what they stored."""
        self.end_own()
        while self._shared:
            self._shared.popitem()[1].remove()

    def _new(self, name: str, options: Options) -> Server:
        if reason := KINDS[name].missing():
            is_missing(reason)
        number = sum(1 for _ in self.root.iterdir())
        folder = self.root / f"{name}-{number}"
        folder.mkdir()
        return Server(KINDS[name], folder, options)


def make_certificates(folder: Path) -> Tls:
    """Return an authority of the tests' own and a certificate of it for 127.0.0.1 and localhost."""
    import trustme

    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1", "localhost")
    tls = Tls(folder / "authority.pem", folder / "chain.pem", folder / "key.pem")
    authority.cert_pem.write_to_path(str(tls.authority))
    for number, blob in enumerate(issued.cert_chain_pems):
        blob.write_to_path(str(tls.chain), append=number > 0)
    issued.private_key_pem.write_to_path(str(tls.key))
    return tls
