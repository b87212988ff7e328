"""E-mail keeps the contract, on a real server with TLS and a login."""

import smtplib
import ssl
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from resources.errors import PermanentError, TransientError
from resources.notifications.channels.base import Words
from resources.notifications.channels.mail import MailChannel, mail_server
from resources.notifications.events import Notice
from resources.notifications.port import Channel, Receipt
from tests.notifications.channel_contract import SECRET, ChannelContract, long_notice
from tests.notifications.samples import notice
from tests.notifications.servers import Certificates, PostOffice, certificates, mail_server_for

_PASSWORD = f"{SECRET}:/@ %"
_TO = ("ann@example.com", "bob@example.com")


def _authenticate(server: object, session: object, envelope: object, kind: str, data: Any) -> AuthResult:
    right = (
        isinstance(data, LoginPassword) and data.login == b"orders" and data.password == _PASSWORD.encode()
    )
    return AuthResult(success=right, handled=right)


@pytest.fixture(scope="module")
def certificate() -> Certificates:
    """Make one certificate for all."""
    return certificates()


@pytest.fixture
def office() -> PostOffice:
    """Return an empty post office."""
    return PostOffice()


@pytest.fixture
def url(office: PostOffice, certificate: Certificates, tmp_path: Path) -> Iterator[str]:
    """Run the server with STARTTLS and a login, and lend its URL."""
    with mail_server_for(
        office,
        tls_context=certificate.server,
        require_starttls=True,
        auth_required=True,
        authenticator=_authenticate,
        auth_exclude_mechanism=["CRAM-MD5"],
    ) as port:
        yield _url("smtp", port, certificate, tmp_path)


def _url(scheme: str, port: int, certificate: Certificates, folder: Path, more: str = "") -> str:
    from urllib.parse import quote

    credentials = f"orders:{quote(_PASSWORD, safe='')}@"
    return f"{scheme}://{credentials}127.0.0.1:{port}?cafile={certificate.ca_file(folder)}{more}"


def _channel(
    url: str, *, to: tuple[str, ...] = _TO, to_owners: bool = False, timeout_s: float = 10
) -> MailChannel:
    server = replace(mail_server(url, "Orders <orders@example.org>"), timeout_s=timeout_s)
    return MailChannel("email", server, Words(), to=to, to_owners=to_owners)


class TestMail(ChannelContract):
    """Over STARTTLS, with a login."""

    longest = 60_000

    @pytest.fixture(autouse=True)
    def _serve(self, url: str, office: PostOffice) -> None:
        self.url, self.office = url, office

    def channel(self, place: Path) -> Channel:
        return _channel(self.url)

    def broken_channel(self, place: Path) -> Channel:
        self.office.answer = "451 try later"
        return self.channel(place)

    def arrived(self, place: Path) -> list[str]:
        return [f"{mail['Subject']}\n{mail.get_content()}" for mail in self.office.mails]

    def test_a_mail_has_a_stable_id_and_says_that_a_machine_sent_it(self, tmp_path: Path) -> None:
        for attempt in (1, 2):
            self.channel(tmp_path).send(replace(notice(), attempt=attempt, thread="t"))
        first, second = self.office.mails
        assert first["Message-ID"] == second["Message-ID"] == f"<{notice().delivery_id}@example.org>"
        assert first["References"] == second["References"] is not None
        assert first["Auto-Submitted"] == "auto-generated"
        assert self.office.recipients == [list(_TO)] * 2

    def test_a_long_subject_is_cut(self, tmp_path: Path) -> None:
        self.channel(tmp_path).send(long_notice())
        assert len(self.office.mails[0]["Subject"]) <= 200

    def test_owners_with_an_address_get_it_instead_of_the_default(self) -> None:
        channel = _channel(self.url, to=("fallback@example.com",), to_owners=True)
        for owners in (("team:data", "owner@example.com"), ("team:data",)):
            channel.send(_owned(owners))
        assert self.office.recipients == [["owner@example.com"], ["fallback@example.com"]]
        with pytest.raises(PermanentError, match="default_email_addresses"):
            _channel(self.url, to=(), to_owners=True).send(_owned(("team:data",)))

    def test_the_servers_codes_say_whether_to_try_again(self, tmp_path: Path) -> None:
        for answer, kind in (("552 too large", PermanentError), ("421 closing", TransientError)):
            self.office.answer = answer
            with pytest.raises(kind) as raised:
                self.channel(tmp_path).send(notice())
            assert SECRET not in str(raised.value)

    def test_one_recipient_that_is_refused_does_not_keep_it_from_the_others(self, tmp_path: Path) -> None:
        self.office.refused = {_TO[0]: "550 no such user"}
        assert self.channel(tmp_path).send(notice()) is Receipt.DELIVERED
        assert self.office.recipients == [[_TO[1]]]

    def test_refusing_every_recipient_is_permanent_unless_it_is_for_now(self, tmp_path: Path) -> None:
        for code, kind in (("550 no", PermanentError), ("450 busy", TransientError)):
            self.office.refused = dict.fromkeys(_TO, code)
            with pytest.raises(kind):
                self.channel(tmp_path).send(notice())

    def test_a_wrong_password_is_tried_again_and_not_shown(self) -> None:
        with pytest.raises(TransientError, match="535") as raised:
            _channel(self.url.replace("orders:", f"orders:wrong{SECRET}")).send(notice())
        assert SECRET not in str(raised.value)

    def test_a_server_that_hangs_costs_the_time_limit(self) -> None:
        self.office.answer = "hang"
        with pytest.raises(TransientError, match="cannot be used"):
            _channel(self.url, timeout_s=0.5).send(notice())

    def test_a_certificate_that_is_not_trusted_is_refused(self) -> None:
        with pytest.raises(TransientError, match="SSL"):
            _channel(self.url.partition("?")[0]).send(notice())
        assert self.office.mails == []


def test_tls_from_the_start_is_spoken(office: PostOffice, certificate: Certificates, tmp_path: Path) -> None:
    with mail_server_for(office, _Tls, ssl_context=certificate.server) as port:
        _channel(f"smtps://127.0.0.1:{port}?cafile={certificate.ca_file(tmp_path)}").send(notice())
    assert len(office.mails) == 1


class _Tls(Controller):
    """A controller whose own probe trusts the test's certificate."""

    def _trigger_server(self) -> None:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with smtplib.SMTP_SSL("127.0.0.1", self.port, context=context, timeout=5) as probe:
            probe.noop()


def test_a_server_that_offers_no_tls_gets_no_mail(office: PostOffice) -> None:
    with mail_server_for(office) as port:
        with pytest.raises(TransientError):
            _channel(f"smtp://127.0.0.1:{port}").send(notice())
        assert office.mails == []
        _channel(f"smtp://127.0.0.1:{port}?starttls=no").send(notice())
    assert len(office.mails) == 1


@pytest.mark.parametrize(
    ("url", "sender"),
    [
        ("http://host", "a@b.c"),
        ("smtp://", "a@b.c"),
        ("smtp://host?tls=no", "a@b.c"),
        (f"smtp://me:{SECRET}@host?starttls=no", "a@b.c"),
        ("smtp://host", "orders"),
        ("smtp://me:%C3%A9@host", "a@b.c"),
    ],
)
def test_a_server_that_cannot_be_used_is_refused_without_its_password(url: str, sender: str) -> None:
    with pytest.raises(PermanentError, match="ORDERS_SMTP_") as raised:
        mail_server(url, sender)
    assert SECRET not in str(raised.value)


def test_the_server_shows_no_password() -> None:
    assert SECRET not in repr(mail_server(f"smtp://me:{SECRET}@host", "a@b.c"))


def _owned(owners: tuple[str, ...]) -> Notice:
    event = notice().event
    return replace(notice(), event=replace(event, facts=replace(event.facts, owners=owners)))
