"""ActiveMQ Classic and Artemis keep the contract of brokers, and what STOMP has of its own."""

import contextlib
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from uuid import uuid4

import pytest

from assets.landing.land import land
from resources.brokers.port import Batch, Broker, Outgoing
from resources.brokers.stomp import Stomp
from resources.brokers.stomp_connection import Connection, Target, encoded
from resources.brokers.urls import open_broker
from resources.errors import PermanentError, TransientError
from resources.segments import Landing
from resources.servers.kind import Login, Tls
from resources.servers.server import Server
from tests.brokers.contract import BrokerContract, bodies, land_all, numbered
from tests.brokers.proxy import Proxy
from tests.brokers.waiting import DEADLINE_S, eventually
from tests.servers import OwnServer

KINDS = ("activemq", "artemis")


@dataclass
class Queue:
    """A queue of a test's own on a server that others use too."""

    server: Server
    proxy: Proxy
    name: str
    recognises_landed: bool = False
    counts_messages: bool = True
    has_keys: bool = True
    has_headers: bool = True

    def open(self) -> Broker:
        return open_broker(f"stomp://127.0.0.1:{self.proxy.port}/queue/{self.name}")

    def send_with_headers(self, body: bytes, headers: Mapping[str, str]) -> None:
        with closing(Connection(self.target)) as connection:
            destination = self.name if connection.is_artemis else f"/queue/{self.name}"
            whole = {**headers, "destination": destination, "persistent": "true", "receipt": "1"}
            connection.send(encoded("SEND", {**whole, "content-length": str(len(body))}, body))
            connection.await_receipt("1")

    def restart(self) -> None:
        self.server.restart()

    @property
    def target(self) -> Target:
        """The server itself, without the proxy."""
        return Target("127.0.0.1", self.server.ports["stomp"], self.name, None, None, None)


def queue_of(server: Server) -> Iterator[Queue]:
    """Lend a queue behind a proxy."""
    with Proxy(server.ports["stomp"]) as proxy:
        yield Queue(server, proxy, f"orders-{uuid4().hex}")


class TestClassic(BrokerContract):
    """Inherits the claims."""

    @pytest.fixture
    def site(self, activemq: Server) -> Iterator[Queue]:
        yield from queue_of(activemq)


class TestArtemis(BrokerContract):
    """Inherits the claims."""

    @pytest.fixture
    def site(self, artemis: Server) -> Iterator[Queue]:
        yield from queue_of(artemis)


@pytest.fixture(params=KINDS)
def queue(request: pytest.FixtureRequest) -> Iterator[Queue]:
    """A queue on either."""
    yield from queue_of(request.getfixturevalue(request.param))


def test_the_other_half_is_on_its_way_while_one_half_lands(queue: Queue) -> None:
    with closing(queue.open()) as broker:
        assert isinstance(broker, Stomp)
        broker.prefetch, broker.window_bytes = 20, 20_000
        broker.publish(Outgoing(b"x" * 1_000) for _ in range(50))
        first = broker.poll(max_bytes=1 << 20, timeout_s=10)
        second = broker.poll(max_bytes=1 << 20, timeout_s=10)
        assert first is not None
        assert second is not None
        assert len(first.positions) <= 12
        # All that may be with us unacknowledged is: nothing more comes until some of it is acknowledged.
        left = 0
        while (batch := broker.poll(max_bytes=1 << 20, timeout_s=0.5)) is not None:
            left += len(batch.positions)
        assert len(first.positions) + len(second.positions) + left < 50
        broker.acknowledge(first)
        assert broker.poll(max_bytes=1 << 20, timeout_s=10) is not None


def test_what_a_lost_connection_delivered_comes_again_with_other_positions(queue: Queue) -> None:
    with closing(queue.open()) as broker:
        broker.publish([Outgoing(b"one")])
        batch = broker.poll(max_bytes=1_000, timeout_s=10)
        assert batch is not None
        queue.proxy.cut()
        # The loss shows in the acknowledgement or in the poll after it.
        with pytest.raises(TransientError, match=r"come again, and count as duplicates|was lost"):
            acknowledge_and_poll(broker, batch)
        again = polled_after_the_loss(broker)
        assert again.bodies.to_pylist() == [b"one"]
        # Its first position may have landed, so it is not given to another message.
        assert again.positions[0].as_py() > batch.positions[0].as_py()


def polled_after_the_loss(broker: Broker) -> Batch:
    """Poll as LAND does when it tries again: the loss may show in one more call before a new connection."""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        with contextlib.suppress(TransientError):
            if (batch := broker.poll(max_bytes=1_000, timeout_s=10)) is not None:
                return batch
    raise AssertionError("the message did not come again")


def acknowledge_and_poll(broker: Broker, batch: Batch) -> None:
    """Do what LAND does next."""
    broker.acknowledge(batch)
    broker.poll(max_bytes=1_000, timeout_s=10)


def test_classic_without_its_statistics_plugin_is_browsed(activemq: Server) -> None:
    from resources.brokers import stomp_backlog

    target = Target("127.0.0.1", activemq.ports["stomp"], f"orders-{uuid4().hex}", None, None, None)
    with closing(Stomp("activemq:x", target)) as broker:
        broker.publish(Outgoing(body) for body in numbered(1_500))
        assert stomp_backlog.browse(target) == 1_500
        assert broker.backlog() == 1_500


@pytest.mark.parametrize("kind", KINDS)
def test_tls_and_login_are_asked_for_and_told_apart(
    kind: str, own_server: OwnServer, certificates: Tls, landing: Landing
) -> None:
    server = own_server(kind, tls=certificates, login=Login("shop", "p:s\\s w0rd"))
    port = server.ports["stomp"]

    def opened(user: str, ca: str = f"?ca={certificates.authority}", scheme: str = "stomp+ssl") -> Broker:
        return open_broker(f"{scheme}://{user}@127.0.0.1:{port}/queue/orders{ca}")

    with closing(opened("shop:p%3As%5Cs%20w0rd")) as broker:
        assert broker.publish(Outgoing(body) for body in numbered(2_500)) == 2_500
        assert broker.backlog() == 2_500
        assert land(broker, landing).messages == 2_500
        eventually(lambda: broker.backlog() == 0, "no backlog")
    with closing(opened("shop:c4n4ry")) as broker, pytest.raises(PermanentError) as refused:
        broker.backlog()
    assert str(refused.value) == (
        f"the ActiveMQ broker 127.0.0.1:{port} refused the login: check user and password of the URL"
    )
    with closing(opened("shop:x", ca="")) as broker, pytest.raises(PermanentError, match=r"not trusted.*ca="):
        broker.backlog()
    with closing(opened("shop:x", "", "stomp")) as broker, pytest.raises(TransientError):
        broker.backlog()


def test_a_text_whose_length_the_broker_changed_stops_nothing(queue: Queue, landing: Landing) -> None:
    # Classic makes three bytes of one that is no UTF-8, and passes on the length that the producer gave.
    text = b"caf\xe9"
    with closing(Connection(queue.target)) as connection:
        name = queue.name if connection.is_artemis else f"/queue/{queue.name}"
        for number, (body, kind) in enumerate(
            [(b"first", {}), (text, {"amq-msg-type": "text"}), (b"last", {})]
        ):
            where = {"destination": name, "destination-type": "ANYCAST", "persistent": "true"}
            length = {"content-length": str(len(body)), "receipt": str(number)}
            connection.send(encoded("SEND", {**where, **kind, **length}, body))
            connection.await_receipt(str(number))
    land_all(queue, landing)
    found = bodies(landing)
    assert [found[0], found[-1]] == [b"first", b"last"]
    assert found[1] in (text, "caf\ufffd".encode())


def test_a_broker_over_tls_that_goes_away_is_noticed(own_server: OwnServer, certificates: Tls) -> None:
    server = own_server("activemq", tls=certificates)
    url = f"stomp+ssl://127.0.0.1:{server.ports['stomp']}/queue/orders?ca={certificates.authority}"
    with closing(open_broker(url)) as broker:
        broker.publish([Outgoing(b"one")])
        assert broker.poll(max_bytes=1_000, timeout_s=10) is not None
        server.kill()
        with pytest.raises(TransientError, match="was lost"):
            broker.poll(max_bytes=1_000, timeout_s=30)
        with pytest.raises(TransientError, match="cannot be reached: Connection refused"):
            broker.poll(max_bytes=1_000, timeout_s=30)


def test_a_server_that_speaks_no_stomp_is_told(postgres: Server) -> None:
    url = f"stomp://127.0.0.1:{postgres.ports['postgres']}/queue/orders"
    with closing(open_broker(url)) as broker, pytest.raises(TransientError, match=r"was lost|did not answer"):
        broker.publish([Outgoing(b"one")])


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("stomp://host", "needs a queue: stomp://host:61613/queue/orders"),
        ("stomp://host/orders", "needs a queue"),
        ("stomp://host/topic/orders", "needs a queue"),
        ("stomp:///queue/orders", "needs one host"),
        ("stomp://host/queue/orders?prefetch=1", "prefetch= .* whole number from 2"),
        ("stomp://host/queue/orders?ca=/x", "does not take the option ca"),
        ("stomp+ssl://host/queue/orders?ca=/nowhere.pem", "cannot be read: No such file"),
    ],
)
def test_a_wrong_url_is_told(url: str, problem: str) -> None:
    with pytest.raises(PermanentError, match=problem):
        open_broker(url)


def test_the_feed_is_named_after_the_queue() -> None:
    assert open_broker("stomp://a:b@host/queue/eu/orders").feed == "activemq:eu-orders"
    assert open_broker("stomp://host/queue/orders?name=shop").feed == "shop"


@pytest.fixture
def landing(tmp_path_factory: pytest.TempPathFactory) -> Landing:
    """An empty landing folder."""
    return Landing(tmp_path_factory.mktemp("home") / "landing")


def test_text_from_a_foreign_producer_lands(queue: Queue, landing: Landing) -> None:
    with closing(Connection(queue.target)) as connection:
        destination = queue.name if connection.is_artemis else f"/queue/{queue.name}"
        # Without its length it is a text message to the broker.
        head = {"destination": destination, "persistent": "true", "receipt": "1"}
        connection.send(encoded("SEND", head, "ein Stück".encode()))
        connection.await_receipt("1")
    land_all(queue, landing)
    assert bodies(landing) == ["ein Stück".encode()]
