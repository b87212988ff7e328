"""Servers in Java: their jars by Maven, and the few lines of ours that start them, compiled once.

`packages/NAME.xml` names the jars of a server. They are copied once to a folder under the user's cache,
named after the contents of that file and of the source compiled beside them.
"""

import hashlib
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from resources.errors import PermanentError, TransientError
from resources.servers.kind import Place, Tls

PACKAGES = Path(__file__).parent / "packages"
INSTALL = "scripts/install_servers.sh"
_DOWNLOAD_TIMEOUT_S = 600.0
_COMPILE_TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True)
class Jars:
    """The jars of a server `name`, and the class `source` (without .java) that starts it, if it has one."""

    name: str
    source: str | None = None

    @property
    def folder(self) -> Path:
        """The folder of the jars and compiled classes, there only when it is complete."""
        digest = hashlib.sha256()
        for path in self._inputs():
            digest.update(path.read_bytes())
        cache = Path.home() / ".cache" / "order-data-platform" / "servers"
        return cache / f"{self.name}-{digest.hexdigest()[:12]}"

    def missing(self) -> str | None:
        """Return what this machine lacks to run the server, None when nothing is missing."""
        if shutil.which("java") is None:
            return f"{self.name} needs Java 17 or later: {INSTALL} {self.name}, or install a JDK"
        if not self.folder.exists():
            return f"the jars of {self.name} have not been fetched: {INSTALL} {self.name}"
        return None

    def fetch(self) -> None:
        """Download the jars and compile; nothing when they are there.

        Raises PermanentError when Java or Maven is missing, TransientError when one of them fails.
        """
        target = self.folder
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{target}.lock", timeout=_DOWNLOAD_TIMEOUT_S):
            if target.exists():
                return
            for tool in ("java", "mvn", *(("javac",) if self.source else ())):
                if shutil.which(tool) is None:
                    raise PermanentError(f"{self.name} needs {tool}: {INSTALL} {self.name}")
            partial = target.with_name(f"{target.name}.partial")
            shutil.rmtree(partial, ignore_errors=True)
            self._download(partial)
            self._compile(partial)
            partial.rename(target)

    def command(
        self, place: Place, *, properties: dict[str, str], main: str, arguments: tuple[str, ...]
    ) -> list[str]:
        """Return the words that run a main class with the jars; heap at most 512 MB."""
        return [
            "java",
            "-Xms64m",
            "-Xmx512m",
            "-XX:+UseSerialGC",
            # Kafka's start takes 8 s of processor time with the second compiler, 4 s without.
            *(["-XX:TieredStopAtLevel=1"] if place.options.is_brief else []),
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            *(f"-D{name}={value}" for name, value in properties.items()),
            "-cp",
            f"{self.folder}:{self.folder}/*",
            main,
            *arguments,
        ]

    def _inputs(self) -> list[Path]:
        pom = PACKAGES / f"{self.name}.xml"
        return [pom, PACKAGES / f"{self.source}.java"] if self.source else [pom]

    def _download(self, target: Path) -> None:
        # Which repository they come from is the machine's own Maven settings.
        words = ["mvn", "-q", "-B", "-f", str(PACKAGES / f"{self.name}.xml"), "dependency:copy-dependencies"]
        _run([*words, "-DincludeScope=runtime", f"-DoutputDirectory={target}"], _DOWNLOAD_TIMEOUT_S)

    def _compile(self, target: Path) -> None:
        if self.source:
            source = PACKAGES / f"{self.source}.java"
            _run(
                ["javac", "-proc:none", "-d", str(target), "-cp", f"{target}/*", str(source)],
                _COMPILE_TIMEOUT_S,
            )


def key_store(tls: Tls, place: Place) -> tuple[Path, str]:
    """Return a PKCS 12 store with the server's chain and key, and its password, made with openssl.

    Raises PermanentError when openssl is missing, TransientError when it fails.
    """
    if shutil.which("openssl") is None:
        raise PermanentError(f"TLS listeners need openssl: {INSTALL} openssl")
    store, password = place.folder / "server.p12", "loopback"
    words = ["openssl", "pkcs12", "-export", "-in", str(tls.chain), "-inkey", str(tls.key)]
    _run([*words, "-out", str(store), "-passout", f"pass:{password}"], _COMPILE_TIMEOUT_S)
    return store, password


def _run(words: list[str], timeout_s: float) -> None:
    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise TransientError(f"{words[0]} took longer than {timeout_s:g} s: try again") from error
    if done.returncode:
        lines = [line for line in done.stdout.decode(errors="replace").splitlines() if line.strip()]
        first = next((line for line in lines if "ERROR" in line or "error" in line), "it said nothing")
        raise TransientError(f"{words[0]} failed: {first.strip()}")
