"""The way out: what may be reached, how long it takes, and what each answer means."""

import ipaddress
import socket
import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.errors import GoneError, PermanentError, RetryLaterError, TransientError
from resources.notifications.channels.guard import Guard, networks
from resources.notifications.channels.http import HttpClient, retry_after_s
from tests.notifications.channel_contract import SECRET
from tests.notifications.servers import Collector, Reply, certificates

_NOW = datetime(2026, 5, 1, 10, tzinfo=UTC)


@pytest.fixture
def server() -> Iterator[Collector]:
    """Lend a server."""
    with Collector().running() as collector:
        yield collector


def _client(timeout_s: float = 5.0, tls: ssl.SSLContext | None = None) -> HttpClient:
    return HttpClient(Guard(allows_private=True), timeout_s=timeout_s, tls=tls)


def _post(server: Collector, client: HttpClient | None = None) -> int:
    return (client or _client()).post(f"{server.url}/{SECRET}?t={SECRET}", b"{}", {}).status


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Reply(500), TransientError),
        (Reply(503, {"Retry-After": "120"}), RetryLaterError),
        (Reply(429, {"Retry-After": "120"}), RetryLaterError),
        (Reply(429), TransientError),
        (Reply(401), TransientError),
        (Reply(404), TransientError),
        (Reply(400), PermanentError),
        (Reply(413), PermanentError),
        (Reply(410), GoneError),
        (Reply(302, {"Location": "http://127.0.0.1:1/"}), PermanentError),
        (Reply(307, {"Location": "http://169.254.169.254/"}), PermanentError),
        (Reply(hangs_up=True), TransientError),
    ],
)
def test_an_answer_means_what_it_says_and_shows_no_secret(
    server: Collector, reply: Reply, kind: type[Exception]
) -> None:
    server.default = reply
    with pytest.raises(kind) as raised:
        _post(server)
    assert type(raised.value) is kind
    assert SECRET not in str(raised.value)
    assert "127.0.0.1" in str(raised.value)
    assert len(server.requests) == 1


def test_retry_after_is_kept_in_seconds(server: Collector) -> None:
    server.default = Reply(429, {"Retry-After": "120"})
    with pytest.raises(RetryLaterError) as raised:
        _post(server)
    assert raised.value.retry_after_s == 120


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("30", 30),
        ("9" * 400, 86_400),
        ("Fri, 01 May 2026 10:02:00 GMT", 120),
        ("Fri, 01 May 2020 10:02:00 GMT", 0),
        ("soon", None),
        ("-5", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_bounded(value: str | None, seconds: float | None) -> None:
    assert retry_after_s(value, _NOW) == seconds


@given(st.text(max_size=40))
def test_no_retry_after_can_do_harm(value: str) -> None:
    seconds = retry_after_s(value, _NOW)
    assert seconds is None or 0 <= seconds <= 86_400


@pytest.mark.parametrize("reply", [Reply(hangs=True), Reply(drips=True)])
def test_a_server_that_hangs_or_drips_costs_the_time_limit_and_no_more(
    server: Collector, reply: Reply
) -> None:
    server.default = reply
    began = time.monotonic()
    with pytest.raises(TransientError):
        _post(server, _client(timeout_s=0.5))
    assert time.monotonic() - began < 5


def test_an_endless_answer_is_cut(server: Collector) -> None:
    server.default = Reply(endless=True)
    answer = _client().post(server.url, b"{}", {})
    assert len(answer.body) == 64 * 1024


def test_a_connection_is_used_again(server: Collector) -> None:
    client = _client()
    assert [_post(server, client) for _ in range(3)] == [200, 200, 200]


def test_a_port_where_nobody_listens_is_transient() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(TransientError):
        _client().post(f"http://127.0.0.1:{port}/", b"", {})


def test_tls_is_verified() -> None:
    certificate = certificates()
    with Collector(certificate.server).running() as server:
        assert _post(server, _client(tls=certificate.client)) == 200
        with pytest.raises(TransientError, match="did not take"):
            _post(server)
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    "url", ["ftp://example.com/", "file:///etc/passwd", "example.com", "http://", "https:///x"]
)
def test_only_http_urls_are_taken(url: str) -> None:
    with pytest.raises(PermanentError):
        _client().post(url, b"", {})


_INSIDE = [
    "127.0.0.1",
    "127.9.9.9",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "169.254.1.1",
    "100.64.0.1",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:10.0.0.1",
    "::127.0.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::7f00:1",
    "2002:7f00:1::1",
    "2002:a9fe:a9fe::1",
    "2001:0:7f00:1::1",
]


@pytest.mark.parametrize("address", _INSIDE)
def test_an_address_inside_is_refused(address: str) -> None:
    assert Guard().against(ipaddress.ip_address(address)) is not None


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "8.8.8.8", "2606:4700:4700::1111", "::ffff:1.1.1.1", "2002:101:101::1"]
)
def test_a_public_address_is_allowed(address: str) -> None:
    assert Guard().against(ipaddress.ip_address(address)) is None


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "::ffff:169.254.169.254", "fd00:ec2::254", "100.100.100.200"]
)
def test_a_metadata_service_stays_refused_until_its_network_is_named(address: str) -> None:
    parsed = ipaddress.ip_address(address)
    assert Guard(allows_private=True).against(parsed) == "a metadata service"
    named = networks("169.254.169.254/32, fd00:ec2::254/128 100.100.100.200")
    assert Guard(named).against(parsed) is None


def test_a_named_network_is_allowed_and_no_other() -> None:
    guard = Guard(networks("10.1.0.0/16"))
    assert guard.against(ipaddress.ip_address("10.1.2.3")) is None
    assert guard.against(ipaddress.ip_address("::ffff:10.1.2.3")) is None
    assert guard.against(ipaddress.ip_address("10.2.0.1")) is not None
    with pytest.raises(PermanentError, match="ORDERS_ALERT_ALLOWED_NETWORKS"):
        networks("10.1.0.0/99")


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_in_ipv6_clothes_is_judged_as_itself(address: ipaddress.IPv4Address) -> None:
    guard = Guard()
    is_refused = guard.against(address) is not None
    for clothes in (f"::ffff:{address}", f"64:ff9b::{address}"):
        assert not is_refused or guard.against(ipaddress.ip_address(clothes)) is not None


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "127.1"]
)
def test_no_writing_of_loopback_is_connected_to(server: Collector, host: str) -> None:
    with pytest.raises((PermanentError, TransientError)) as raised:
        HttpClient(Guard(), timeout_s=5).post(f"http://{host}:{server.port}/", b"", {})
    assert isinstance(raised.value, PermanentError) or "resolved" in str(raised.value)
    assert server.requests == []


class _Rebinding(Guard):
    """A guard whose name leads to a public address when it is asked, as DNS rebinding would have it."""

    def resolve(self, host: str, port: int, timeout_s: float) -> list[str]:
        found = super().resolve("127.0.0.1" if host == "rebind.example" else host, port, timeout_s)
        assert found
        return found


def test_the_address_that_is_checked_is_the_one_that_is_connected_to(server: Collector) -> None:
    with pytest.raises(PermanentError, match="loopback"):
        HttpClient(_Rebinding(), timeout_s=5).post(f"http://rebind.example:{server.port}/", b"", {})
    assert server.requests == []
    allowed = HttpClient(_Rebinding(allows_private=True), timeout_s=5)
    assert allowed.post(f"http://rebind.example:{server.port}/x", b"", {}).status == 200
    assert server.requests[0].headers["host"] == f"rebind.example:{server.port}"
