"""What all tests share: servers and tools that may be missing on a machine."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

from resources.servers.kind import Tls
from resources.servers.server import Server
from tests.engines import reuse_engines
from tests.servers import OwnServer, Servers, is_missing, make_certificates

# A busy machine is no finding: no test asserts on time.
hypothesis.settings.register_profile(
    "untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("untimed")
reuse_engines()

_INSTALL = {
    "chromium": "scripts/install_servers.sh chromium",
    "orders": "make setup",
    "make": "apt-get install -y make",
    "git": "apt-get install -y git",
}
_SERVERS = ("kafka", "rabbitmq", "activemq", "artemis", "postgres")
_IN_MEMORY = Path("/dev/shm")
_ROOM_BYTES = 8 * 1024**3
_OTHER_NAMES = {"chromium": ("chromium", "chromium-browser", "google-chrome")}


def pytest_configure() -> None:
    """Keep the files of tests in memory where there is room: the tests sync thousands of them."""
    if _IN_MEMORY.is_dir() and shutil.disk_usage(_IN_MEMORY).free > _ROOM_BYTES:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_IN_MEMORY))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests that share a module's fixture, or a server, in one worker, which then makes it once."""
    for item in items:
        if isinstance(item, pytest.Function) and (shared := _shared_by(item)):
            item.add_marker(pytest.mark.xdist_group(shared))


def _shared_by(item: pytest.Function) -> str | None:
    values = item.callspec.params if hasattr(item, "callspec") else {}
    for name, definitions in item._fixtureinfo.name2fixturedefs.items():
        if definitions[-1].scope == "module":
            return f"{item.path.stem} {name} {values.get(name, '')}"
    asked_for = {*item.fixturenames, *map(str, values.values()), getattr(item.cls, "kind", None)}
    return next((server for server in _SERVERS if server in asked_for), None)


def find_tool(tool: str) -> str:
    """Return the path of a tool; skip the test with the command that brings it when it is missing.

    With ORDERS_REQUIRE_SERVERS=1, as in `.ci/run`, a missing tool fails the test.
    """
    for name in _OTHER_NAMES.get(tool, (tool,)):
        if path := shutil.which(name):
            return path
    return is_missing(f"{tool} is missing: {_INSTALL.get(tool, f'install {tool}')}")


@pytest.fixture(scope="session")
def needs() -> Callable[[str], str]:
    """Return `find_tool`, for `needs("chromium")` in a test."""
    return find_tool


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """The real servers of the session: see tests/servers.py."""
    pool = Servers(tmp_path_factory.mktemp("servers"))
    yield pool
    pool.close()


@pytest.fixture
def kafka(servers: Servers) -> Server:
    """The session's Kafka, running."""
    return servers.shared("kafka")


@pytest.fixture
def rabbitmq(servers: Servers) -> Server:
    """The session's RabbitMQ, running: queues by `url(topic=…)`, streams with scheme="rabbitmq-stream"."""
    return servers.shared("rabbitmq")


@pytest.fixture
def activemq(servers: Servers) -> Server:
    """The session's ActiveMQ Classic, running."""
    return servers.shared("activemq")


@pytest.fixture
def artemis(servers: Servers) -> Server:
    """The session's ActiveMQ Artemis, running."""
    return servers.shared("artemis")


@pytest.fixture
def postgres(servers: Servers) -> Server:
    """The session's PostgreSQL, running; `url()` is its database `postgres`."""
    return servers.shared("postgres")


@pytest.fixture
def own_server(servers: Servers) -> Iterator[OwnServer]:
    """Start servers that end with the test: own_server("kafka", tls=certificates, login=Login(…))."""
    yield servers.own
    servers.end_own()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    """An authority and a certificate for 127.0.0.1, for TLS listeners and their clients."""
    return make_certificates(tmp_path_factory.mktemp("certificates"))
