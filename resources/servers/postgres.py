"""PostgreSQL from Debian's package: one cluster that trusts 127.0.0.1, or asks for a password."""

import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from resources.servers.java import INSTALL
from resources.servers.kind import Command, Place
from resources.servers.processes import run_to_end

_INITDB_TIMEOUT_S = 60.0
_PROBE_TIMEOUT_S = 5.0
_SUPERUSER = "postgres"
_UNPRIVILEGED = ("postgres", "nobody")


class Postgres:
    """The kind `postgres`: UTF-8, locale C; the topic of its URL is a database, by default `postgres`."""

    name = "postgres"
    port_names = ("postgres",)

    def missing(self) -> str | None:
        """Return what this machine lacks."""
        if _programs() is None:
            return f"PostgreSQL is missing: {INSTALL} postgres"
        if os.geteuid() == 0 and shutil.which("setpriv") is None:
            return "PostgreSQL refuses to run as root, and setpriv is missing: install util-linux"
        return None

    def fetch(self) -> None:
        """Do nothing: it comes with the system's packages."""

    def prepare(self, place: Place) -> None:
        """Make the cluster the first time."""
        if (place.data / "PG_VERSION").exists():
            return
        shutil.rmtree(place.data, ignore_errors=True)
        place.data.mkdir(mode=0o700)
        _give_away(place.data)
        words = [_program("initdb"), "-D", str(place.data), "-U", _user(place), "--locale=C"]
        words += ["--encoding=UTF8", "--no-sync", "-A", "scram-sha-256" if place.options.login else "trust"]
        password = place.folder / "password"
        if place.options.login is not None:
            password.touch(mode=0o600)
            password.write_text(place.options.login.password)
            words.append(f"--pwfile={password}")
        log = place.folder / "server.log"
        try:
            run_to_end(Command(_as_user(words)), place.folder, log, timeout_s=_INITDB_TIMEOUT_S)
        finally:
            password.unlink(missing_ok=True)

    def commands(self, place: Place) -> Sequence[Command]:
        """Return the postmaster's command."""
        words = [_program("postgres"), "-D", str(place.data), "-p", str(place.ports["postgres"])]
        settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": ""}
        if place.options.tls is not None:
            settings |= {"ssl": "on", **_certificate(place)}
        for name, value in settings.items():
            words += ["-c", f"{name}={value}"]
        return [Command(_as_user(words))]

    def is_ready(self, place: Place) -> bool:
        """Return whether it takes queries; it accepts connections before its recovery has ended."""
        words = [_program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(place.ports["postgres"])]
        try:
            return subprocess.run(words, timeout=_PROBE_TIMEOUT_S, check=False).returncode == 0
        except subprocess.TimeoutExpired:
            return False

    def urls(self, place: Place, topic: str) -> Mapping[str, str]:
        """Return the URL of a database, which must have been created unless it is `postgres`."""
        login = place.options.login
        user = f"{login.user}:{login.password}" if login else _SUPERUSER
        name = _SUPERUSER if topic == "orders" else topic
        url = f"postgresql+psycopg2://{user}@127.0.0.1:{place.ports['postgres']}/{name}"
        return {"postgresql+psycopg2": url}


def _user(place: Place) -> str:
    return place.options.login.user if place.options.login else _SUPERUSER


def _certificate(place: Place) -> dict[str, str]:
    """Copy chain and key to where the server's own user may read them."""
    assert place.options.tls is not None
    settings = {}
    for name, source in (("ssl_cert_file", place.options.tls.chain), ("ssl_key_file", place.options.tls.key)):
        copy = place.data / f"{name}.pem"
        copy.touch(mode=0o600)
        copy.write_bytes(source.read_bytes())
        copy.chmod(0o600)
        _give_away(copy)
        settings[name] = str(copy)
    return settings


def _programs() -> Path | None:
    """Return the folder of the newest PostgreSQL's programs."""

    def version(path: Path) -> int:
        return int(re.sub(r"\D", "", path.parts[-3]) or 0)

    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=version)
    if found:
        return found[-1].parent
    path = shutil.which("initdb")
    return Path(path).resolve().parent if path else None


def _program(name: str) -> str:
    folder = _programs()
    assert folder is not None
    return str(folder / name)


def _account() -> pwd.struct_passwd:
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    return next(known[name] for name in _UNPRIVILEGED if name in known)


def _give_away(path: Path) -> None:
    if os.geteuid() == 0:
        os.chown(path, _account().pw_uid, _account().pw_gid)


def _as_user(words: list[str]) -> list[str]:
    """Return the words that run a program as another user where this one is root, whom it refuses.

    Folders of root's, such as those of tests, would be closed to that user: it keeps the right to pass.
    """
    if os.geteuid() != 0:
        return words
    account, keep = _account(), "-all,+dac_override"
    identity = ["--reuid", str(account.pw_uid), "--regid", str(account.pw_gid), "--clear-groups"]
    return ["setpriv", *identity, "--inh-caps", keep, "--ambient-caps", keep, "--", *words]
