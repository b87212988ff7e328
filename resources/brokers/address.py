"""A broker URL taken apart: what every broker module is given, with its credentials in no repr."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from resources.errors import PermanentError

OWN_FEEDS = ("decisions", "observations", "files")
_OPTION_NAME = re.compile(r"[a-z][a-z0-9._-]{0,60}")


@dataclass(frozen=True, slots=True)
class Address:
    """The parts of a URL, percent-decoded: `kind://user:password@host:port,host:port/path?option=value`.

    `hosts` are host and port (None where the URL has none); `path` has lost its first slash, and is None
    where the URL ends before it. `options` may hold secrets, so no repr shows them.
    """

    kind: str
    hosts: tuple[tuple[str, int | None], ...] = field(repr=False)
    user: str | None = field(repr=False)
    password: str | None = field(repr=False)
    path: str | None
    options: Mapping[str, str] = field(repr=False)

    def demand_options(self, *known: str, pattern: str | None = None) -> None:
        """Raise PermanentError for an option that is neither `name`, nor known, nor fits the pattern."""
        fits = re.compile(pattern).fullmatch if pattern else lambda text: None
        unknown = [name for name in self.options if name not in ("name", *known) and not fits(name)]
        if unknown:
            # What looks like no option may be a piece of a password that was not percent-encoded.
            shown = [name if _OPTION_NAME.fullmatch(name) else "(unreadable)" for name in unknown]
            raise PermanentError(
                f"a {self.kind} URL does not take the option {', '.join(shown)}: "
                f"it takes {', '.join(('name', *known))}"
            )

    def host(self, default_port: int) -> tuple[str, int]:
        """Return the one host and its port; raises PermanentError when there is none, or several."""
        if len(self.hosts) != 1:
            raise PermanentError(f"a {self.kind} URL needs one host: {self.kind}://host:{default_port}/…")
        [(host, port)] = self.hosts
        return host, port or default_port

    def credentials(self, user: str, password: str) -> tuple[str, str]:
        """Return user and password, the given ones where the URL has none."""
        return (user, password) if self.user is None else (self.user, self.password or "")

    def feed(self, source: str) -> str:
        """Return the feed's name: `name=` of the URL, else `source` made plain.

        Neither host nor credentials are part of it, so that they can change without a new beginning.
        """
        return feed_name(self.options.get("name", re.sub(r"[^\w.:-]", "-", source)))

    def number(self, option: str, default: int, *, at_least: int = 0) -> int:
        """Return an option that is a whole number; raises PermanentError when it is none."""
        text = self.options.get(option, str(default))
        if not text.isdecimal() or int(text) < at_least:
            raise PermanentError(f"{option}= in a {self.kind} URL is a whole number from {at_least}")
        return int(text)


def parse(url: str) -> Address:
    """Take a URL apart; raises PermanentError, without a piece of the URL, when it cannot be read."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise PermanentError(_unreadable("its host cannot be read")) from None
    if not re.fullmatch(r"[a-z][a-z0-9+-]*", parts.scheme) or "://" not in url:
        raise PermanentError(_unreadable("it has no kind, as kafka:// has"))
    if parts.fragment or (parts.netloc and "@" in parts.path + parts.query):
        raise PermanentError(_unreadable("it holds #, ?, / or @ outside of their places"))
    login, at, hosts = parts.netloc.rpartition("@")
    user, colon, password = login.partition(":")
    return Address(
        parts.scheme,
        tuple(_host(host) for host in hosts.split(",")) if hosts else (),
        unquote(user) if at else None,
        unquote(password) if colon else None,
        unquote(parts.path[1:]) if parts.path else None,
        dict(_option(text) for text in parts.query.split("&") if text),
    )


def feed_name(name: str) -> str:
    """Return a feed's name; raises PermanentError when it is empty, reserved or not plain."""
    if name in OWN_FEEDS:
        raise PermanentError(f"the feed name {name!r} is the platform's own: choose another in name=")
    if not name or not all(c.isalnum() or c in "-_:." for c in name):
        raise PermanentError(f"the feed name {name!r} may hold letters, digits and -_:. only")
    return name


def _option(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    # A plus stays a plus, unlike in a form: passwords have them.
    return unquote(name), unquote(value)


def _host(text: str) -> tuple[str, int | None]:
    match = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[^\s:@\[\]/]+)(?::(\d{1,5}))?", text)
    if match is None or int(match[2] or 0) > 65_535:
        raise PermanentError(_unreadable("its host and port cannot be read"))
    return match[1].strip("[]"), int(match[2]) if match[2] else None


def _unreadable(reason: str) -> str:
    return (
        f"ORDERS_BROKER_URL holds a URL that is not understood ({reason}): kind://user:password@host:port/…, "
        "with # ? / @ : % and blanks in user and password percent-encoded"
    )
