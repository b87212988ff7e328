"""E-mail by SMTP, encrypted unless the server's URL says otherwise."""

import logging
import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from hashlib import sha256
from typing import Literal
from urllib.parse import parse_qs, unquote, urlsplit

from resources.errors import PermanentError, TransientError
from resources.notifications.channels.base import Words
from resources.notifications.channels.bounded import Bounded
from resources.notifications.channels.message import TextLimits
from resources.notifications.events import Notice
from resources.notifications.port import Limits, Receipt

_log = logging.getLogger(__name__)
_PORTS = {"smtp": 587, "smtps": 465}
_EXAMPLE = "smtp://user:password@host:587 (STARTTLS) or smtps://user:password@host:465"


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail is handed in, from ORDERS_SMTP_URL; `sender` is the address that it comes from."""

    host: str
    port: int
    security: Literal["starttls", "tls", "none"]
    sender: str
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    timeout_s: float = 20.0
    ca_file: str | None = None


def mail_server(url: str, sender: str) -> MailServer:
    """Return the server of a URL; raises PermanentError, which never holds the URL.

    `smtp://` demands STARTTLS, unless `?starttls=no`; `smtps://` is TLS from the start. `cafile=PATH` names
    the certificates to trust instead of the system's.
    """
    parts = urlsplit(url)
    options = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    if parts.scheme not in _PORTS or not parts.hostname or options.keys() - {"starttls", "cafile"}:
        raise PermanentError(f"ORDERS_SMTP_URL is not understood: write {_EXAMPLE}")
    if "@" not in parseaddr(sender)[1]:
        raise PermanentError("ORDERS_SMTP_FROM is no address: write one, such as orders@example.com")
    is_plain = options.get("starttls") == "no"
    if is_plain and parts.username:
        raise PermanentError("ORDERS_SMTP_URL would send a password in the clear: leave starttls=no out")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if not (user + password).isascii():
        raise PermanentError("ORDERS_SMTP_URL: a login by SMTP takes ASCII alone")
    return MailServer(
        host=parts.hostname,
        port=parts.port or _PORTS[parts.scheme],
        security="tls" if parts.scheme == "smtps" else "none" if is_plain else "starttls",
        sender=sender,
        user=user,
        password=password,
        ca_file=options.get("cafile"),
    )


class MailChannel:
    """Sends each notice as one mail with a Message-ID of its own, threaded by incident."""

    TEXT = TextLimits(title=180, answer=2_000, text=50_000)
    limits = Limits(rate_per_s=5.0, burst=10, timeout_s=45.0)

    def __init__(
        self,
        name: str,
        server: MailServer,
        words: Words,
        *,
        to: Sequence[str],
        to_owners: bool = False,
    ) -> None:
        """Send to `to`; with `to_owners` to the owners that have an address, and to `to` without any."""
        self.name = name
        self._server = server
        self._words = words
        self._to = tuple(to)
        self._to_owners = to_owners
        self._calls = Bounded[dict[str, tuple[int, bytes]]](f"the mail server {server.host}", 40.0)

    def __repr__(self) -> str:
        """Show the name."""
        return f"MailChannel({self.name!r})"

    def send(self, notice: Notice) -> Receipt:
        """Hand the mail in; TransientError or PermanentError by the server's code (4xx, 5xx)."""
        recipients = self._recipients(notice)
        mail = self._mail(notice, recipients)
        try:
            refused = self._calls.call(lambda: self._hand_in(mail, recipients))
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            raise self._error("refuses every recipient", max(codes, default=550)) from None
        except smtplib.SMTPResponseException as error:
            raise self._error("refuses the mail", error.smtp_code, type(error)) from None
        except (smtplib.SMTPException, OSError) as error:
            raise TransientError(
                f"the mail server {self._server.host}:{self._server.port} cannot be used "
                f"({type(error).__name__}); it will be tried again"
            ) from None
        self._demand_all(refused)
        return Receipt.DELIVERED

    def _hand_in(self, mail: EmailMessage, recipients: Sequence[str]) -> dict[str, tuple[int, bytes]]:
        with self._connected() as server:
            return server.send_message(mail, self._server.sender, list(recipients))

    def _recipients(self, notice: Notice) -> tuple[str, ...]:
        owners = tuple(owner for owner in notice.event.facts.owners if _is_address(owner))
        found = (owners or self._to) if self._to_owners else self._to
        if not found:
            raise PermanentError(
                f"channel {self.name}: no owner of this has an e-mail address; set default_email_addresses"
            )
        return found

    def _mail(self, notice: Notice, recipients: Sequence[str]) -> EmailMessage:
        message = self._words.message(notice, self.TEXT)
        domain = parseaddr(self._server.sender)[1].rpartition("@")[2]
        mail = EmailMessage(policy=SMTP)
        mail["From"] = self._server.sender
        mail["To"] = ", ".join(recipients)
        mail["Subject"] = message.title
        mail["Date"] = format_datetime(notice.event.occurred_at)
        mail["Message-ID"] = f"<{notice.delivery_id}@{domain}>"
        if notice.thread:
            mail["References"] = f"<{_thread_id(notice.thread)}@{domain}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail["X-Priority"] = "1" if message.severity in ("error", "critical") else "3"
        mail.set_content(self._words.text(notice, self.TEXT) + "\n", cte="quoted-printable")
        return mail

    def _connected(self) -> smtplib.SMTP:
        server, tls = self._server, self._tls()
        if server.security == "tls":
            client: smtplib.SMTP = smtplib.SMTP_SSL(
                server.host, server.port, timeout=server.timeout_s, context=tls
            )
        else:
            client = smtplib.SMTP(server.host, server.port, timeout=server.timeout_s)
        try:
            if server.security == "starttls":
                client.starttls(context=tls)
            if server.user:
                client.login(server.user, server.password)
        except BaseException:
            client.close()
            raise
        return client

    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self._server.ca_file)

    def _error(
        self, told: str, code: int, kind: type[Exception] = smtplib.SMTPException
    ) -> TransientError | PermanentError:
        """A wrong password can be mended while the notice waits, so it is no reason to give up."""
        text = f"the mail server {self._server.host} {told} ({code})"
        if 500 <= code < 600 and not issubclass(kind, smtplib.SMTPAuthenticationError):
            return PermanentError(text)
        return TransientError(f"{text}; it will be tried again")

    def _demand_all(self, refused: dict[str, tuple[int, bytes]]) -> None:
        """Some got it: sending again would send it to them twice, so what is left is for people."""
        if refused:
            _log.error(
                "channel %s: the mail server refuses %s; the other recipients got the notice",
                self.name,
                ", ".join(sorted(refused)),
            )


def _is_address(owner: str) -> bool:
    return "@" in owner and not owner.startswith("team:")


def _thread_id(thread: str) -> str:
    return "thread-" + sha256(thread.encode()).hexdigest()[:24]
