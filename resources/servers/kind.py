"""The port that every kind of server fills: configuration, the command, readiness and the URL."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Login:
    """The one user that the server lets in."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM files: the authority that clients trust, and the server's chain and key (unencrypted PKCS 8)."""

    authority: Path
    chain: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Options:
    """With `tls` clients must use TLS, with `login` they must log in; without, neither is asked for.

    `is_brief`: it runs for tests, not for long; Java then starts at half the cost and peaks lower.
    """

    tls: Tls | None = None
    login: Login | None = None
    is_brief: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """The folder of one server, its ports on 127.0.0.1 by name, and its options."""

    folder: Path
    ports: Mapping[str, int]
    options: Options

    @property
    def data(self) -> Path:
        """The folder of what the server stores."""
        return self.folder / "data"


@dataclass(frozen=True, slots=True)
class Command:
    """A program to run in the server's folder; `environment` is added to the current one."""

    words: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)


class Kind(Protocol):
    """One kind of server."""

    @property
    def name(self) -> str:
        """The name that commands and folders use."""
        ...

    @property
    def port_names(self) -> tuple[str, ...]:
        """What it listens on, each with a port of its own."""
        ...

    def missing(self) -> str | None:
        """Return what this machine lacks to run the server, None when nothing is missing."""
        ...

    def fetch(self) -> None:
        """Download what does not come with the system's packages; nothing when it is there.

        Raises TransientError when the download fails, PermanentError when its tool is missing.
        """
        ...

    def prepare(self, place: Place) -> None:
        """Write configuration and, the first time, the empty store; called before each start."""
        ...

    def commands(self, place: Place) -> Sequence[Command]:
        """Return the programs that make up the server, helpers first, the server itself last."""
        ...

    def is_ready(self, place: Place) -> bool:
        """Return whether the server does its work, without waiting for it."""
        ...

    def urls(self, place: Place, topic: str) -> Mapping[str, str]:
        """Return the URLs of a topic or queue by scheme, the usual one first, credentials included."""
        ...
