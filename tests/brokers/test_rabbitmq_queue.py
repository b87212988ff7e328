"""What is RabbitMQ's own in its queues: tags, prefetch, properties, confirms, and what goes wrong."""

import json
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pika
import pytest
from pika.exceptions import (
    ChannelClosedByBroker,
    ConnectionClosedByBroker,
    IncompatibleProtocolError,
    ProbableAccessDeniedError,
    ProbableAuthenticationError,
    StreamLostError,
)

from resources.brokers.port import Broker, Outgoing
from resources.brokers.rabbitmq import RabbitQueue
from resources.brokers.rabbitmq_errors import Place, explain
from resources.brokers.rabbitmq_link import BUFFER_BYTES, Link
from resources.brokers.urls import open_broker
from resources.errors import OrdersError, PermanentError, TransientError
from resources.segments import Landing
from resources.servers.kind import Login, Tls
from resources.servers.processes import free_ports
from resources.servers.server import Server
from tests.brokers.contract import column, cut_in_every_answer, land_all, numbered, polled, rows
from tests.brokers.proxy import Proxy
from tests.brokers.rabbit import Queue, blocking, queue_of
from tests.brokers.waiting import eventually
from tests.servers import OwnServer

CANARY = "c4n4ry"
CERTIFICATE_REQUIRED = "SSLError(1, '[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] tlsv13 alert (_ssl.c:2580)')"
# Connecting and asking for the backlog.
_ANSWERS_WITHOUT_TLS = {"amqp": 9, "stream": 10}


@pytest.fixture
def queue(rabbitmq: Server, tmp_path: Path) -> Iterator[Queue]:
    """A classic queue that does not exist yet."""
    with queue_of(rabbitmq, "classic", tmp_path) as lent:
        yield lent


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("amqp://host/vhost", "names its queue"),
        ("amqp://host/?queue=q&declare=lazy", "classic, quorum"),
        ("amqp://host/?queue=q&prefetch=0", "prefetch"),
        ("amqp://host/?queue=q&ca=/x", "does not take the option ca"),
        ("amqp://?queue=q", "needs one host"),
        ("amqps://host/?queue=q&ca=/no/such/file", "ca= cannot be read"),
        ("amqps://host/?queue=q&key=/dev/null", "belongs to cert="),
        ("rabbitmq-stream://host/", "names its stream"),
        ("rabbitmq-stream://host/?stream=s&on_lost=never", "stop or earliest"),
        ("rabbitmq-stream://host/?stream=s&declare=quorum", "declare= in"),
    ],
)
def test_a_wrong_url_says_what_is_wrong(url: str, told: str) -> None:
    with pytest.raises(PermanentError, match=told):
        open_broker(url)


@pytest.mark.parametrize("kind", ["amqp", "rabbitmq-stream"])
def test_the_feed_is_named_by_the_queue_and_no_repr_shows_credentials(kind: str) -> None:
    what = "queue" if kind == "amqp" else "stream"
    broker = open_broker(f"{kind}://{CANARY}:{CANARY}@host/vhost?{what}=my/orders")
    assert broker.feed == f"{'rabbitmq' if kind == 'amqp' else kind}:my-orders"
    assert CANARY not in repr(broker)


@pytest.mark.parametrize(
    ("change", "kind", "told"),
    [
        ({"path": "nosuch"}, PermanentError, "vhost 'nosuch'"),
        ({"password": CANARY}, PermanentError, "refused the login"),
        ({"queue": "nosuch"}, PermanentError, "no queue 'nosuch'"),
        ({"port": 1}, TransientError, "is it up"),
        ({"host": "nosuch.invalid"}, TransientError, "is it up"),
        ({"port": "stream"}, TransientError, "is this its port of AMQP 0-9-1"),
    ],
)
def test_what_is_wrong_with_a_queue_is_one_line_without_a_secret(
    rabbitmq: Server, change: dict[str, Any], kind: type[OrdersError], told: str
) -> None:
    places = {"host": "127.0.0.1", "port": "amqp", "path": "%2F", "queue": "q", "password": "guest"} | change
    port = rabbitmq.ports.get(str(places["port"]), places["port"])
    url = (
        f"amqp://guest:{places['password']}@{places['host']}:{port}/{places['path']}?queue={places['queue']}"
    )
    with closing(open_broker(url)) as broker, pytest.raises(kind, match=told) as caught:
        broker.backlog()
    assert "\n" not in str(caught.value)
    assert CANARY not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("code", "text", "kind", "told"),
    [
        (403, "ACCESS_REFUSED - queue 'q' in vhost '/' in exclusive use", TransientError, "exclusive"),
        (403, "ACCESS_REFUSED - access to queue refused for user 'shop'", PermanentError, "permissions"),
        (406, "PRECONDITION_FAILED - delivery acknowledgement timeout", TransientError, "consumer_timeout"),
        (
            403,
            "ACCESS_REFUSED - read access to queue 'in exclusive use' refused",
            PermanentError,
            "permissions",
        ),
        (406, "PRECONDITION_FAILED - inequivalent arg 'x-queue-type'", PermanentError, "another kind"),
        (
            406,
            "inequivalent arg 'x-queue-type' for queue 'delivery acknowledgement'",
            PermanentError,
            "another kind",
        ),
        (406, "PRECONDITION_FAILED - unknown delivery tag 7", TransientError, "come again"),
        (406, "cannot declare queue 'q': queue limit in vhost '/' (1) is reached", PermanentError, "its log"),
        (404, "NOT_FOUND - no queue 'q' in vhost '/'", PermanentError, "no queue 'q'"),
        (
            404,
            "NOT_FOUND - home node 'x' of durable queue 'q' is down or inaccessible",
            TransientError,
            "node",
        ),
        (
            404,
            "NOT_FOUND - queue 'q' in vhost '/' process is stopped by supervisor",
            TransientError,
            "starts",
        ),
        (541, "INTERNAL_ERROR", TransientError, "code 541"),
    ],
)
def test_a_closed_channel_is_one_line(code: int, text: str, kind: type[OrdersError], told: str) -> None:
    error = explain(ChannelClosedByBroker(code, text), Place("host", 5672, "/", "q"))
    assert isinstance(error, kind)
    assert told in str(error)
    assert "shop" not in str(error)


@pytest.mark.parametrize(
    ("guess", "cause", "kind", "told"),
    [
        (IncompatibleProtocolError, StreamLostError("EOF"), TransientError, "broke off"),
        (ProbableAuthenticationError, StreamLostError("EOF"), TransientError, "broke off"),
        (ProbableAccessDeniedError, StreamLostError("EOF"), TransientError, "broke off"),
        (ProbableAuthenticationError, (320, "CONNECTION_FORCED - stop"), TransientError, "shuts down"),
        (ProbableAccessDeniedError, (541, "INTERNAL_ERROR - vhost is down"), TransientError, "code 541"),
        (ProbableAccessDeniedError, (530, "NOT_ALLOWED - limit (1) is reached"), TransientError, "limit"),
        (ProbableAccessDeniedError, (530, "NOT_ALLOWED - vhost not found"), PermanentError, "vhost '/'"),
        (
            ProbableAccessDeniedError,
            (530, "NOT_ALLOWED - vhost limit (x not found"),
            PermanentError,
            "vhost '/'",
        ),
        (
            ProbableAuthenticationError,
            StreamLostError(CERTIFICATE_REQUIRED),
            PermanentError,
            "cert= and key=",
        ),
        (ProbableAuthenticationError, (403, "ACCESS_REFUSED - shop"), PermanentError, "the login"),
    ],
)
def test_only_the_server_itself_refuses_a_connection(
    guess: type[Exception], cause: Exception | tuple[int, str], kind: type[OrdersError], told: str
) -> None:
    # pika guesses from how far the connection had come, and keeps the cause as text.
    error = guess(repr(ConnectionClosedByBroker(*cause) if isinstance(cause, tuple) else cause))
    found = explain(error, Place("host", 5672, "/", "q"))
    assert isinstance(found, kind)
    assert told in str(found)
    assert "shop" not in str(found)


def test_a_batch_of_a_broken_connection_is_never_acknowledged_on_the_next(queue: Queue) -> None:
    with closing(queue.open()) as broker:
        broker.publish([Outgoing(body) for body in numbered(10)])
        broker.resume({})
        stale = list(polled(broker, 10))
        queue.proxy.cut()
        fresh = again(broker, 10)
        for batch in stale:
            broker.acknowledge(batch)
    eventually(lambda: backlog(queue) == 10, "all ten back")
    assert fresh == 10


def test_batches_may_be_acknowledged_in_any_order(queue: Queue) -> None:
    with closing(queue.open()) as broker:
        broker.publish([Outgoing(body) for body in numbered(30)])
        broker.resume({})
        first, second, third = (next(polled(broker, 1, max_bytes=100)) for _ in range(3))
        broker.acknowledge(second)
    eventually(lambda: backlog(queue) == 30 - len(second.positions), "all but the second back")
    assert len(first.positions) > 0
    assert len(third.positions) > 0


def test_what_others_took_from_the_queue_is_not_waited_for(queue: Queue, tmp_path: Path) -> None:
    with closing(queue.open()) as broker:
        broker.publish([Outgoing(body) for body in numbered(30)])
        broker.resume({})
        assert broker.watermarks() == {"0": 29}
        with closing(blocking(queue.server)) as connection:
            connection.channel().queue_purge(queue.name)
        begun = time.monotonic()
        batch = broker.poll(max_bytes=1_000, timeout_s=60)
        assert time.monotonic() - begun < 30
    assert batch is not None
    assert (batch.through, len(batch.positions)) == (29, 0)


def test_large_messages_wait_in_the_server_not_in_memory(queue: Queue) -> None:
    body = b"x" * 1_000_000
    with closing(queue.open()) as broker:
        assert isinstance(broker, RabbitQueue)
        broker.publish(Outgoing(body) for _ in range(60))
        broker.resume({})
        assert rows(polled(broker, 1, max_bytes=1)) == 1
        assert broker._link is not None
        full = BUFFER_BYTES // len(body)
        eventually(lambda: broker._link is not None and broker._link.held >= full, "a full buffer")
        assert broker._link.held <= full + 2
        assert rows(polled(broker, 59, max_bytes=8_000_000)) == 59


def test_a_full_buffer_holds_no_answer_up(queue: Queue) -> None:
    with closing(queue.open()) as broker:
        full_link(broker)
        begun = time.monotonic()
        assert broker.backlog() <= 59
        assert time.monotonic() - begun < 5
        assert rows(polled(broker, 59, max_bytes=8_000_000)) == 59
        assert broker.backlog() == 0


def test_a_link_with_a_full_buffer_is_closed_at_once(queue: Queue) -> None:
    with closing(queue.open()) as broker:
        link = full_link(broker)
        begun = time.monotonic()
        broker.close()
        # Each pause of a full buffer is ten seconds long.
        assert time.monotonic() - begun < 5
        assert not link.is_open
    eventually(lambda: backlog(queue) == 60, "all back")


def test_a_queue_that_vanishes_while_we_publish_is_an_error(queue: Queue) -> None:
    def messages() -> Iterator[Outgoing]:
        yield from (Outgoing(b"before") for _ in range(400))
        with closing(blocking(queue.server)) as connection:
            connection.channel().queue_delete(queue.name)
        yield from (Outgoing(b"after") for _ in range(400))

    with closing(queue.open()) as broker, pytest.raises(PermanentError, match="the queue is gone"):
        broker.publish(messages())


def test_a_full_queue_that_refuses_is_an_error(queue: Queue) -> None:
    with closing(blocking(queue.server)) as connection:
        limits = {"x-max-length": 5, "x-overflow": "reject-publish"}
        connection.channel().queue_declare(queue.name, durable=True, arguments=limits)
    with closing(open_broker(queue.url())) as broker, pytest.raises(TransientError, match="it is full"):
        broker.publish(Outgoing(body) for body in numbered(50))


def test_a_queue_of_another_kind_than_declared_is_named(queue: Queue) -> None:
    with closing(queue.open()) as broker:
        broker.backlog()
    with closing(queue.open(declare="quorum")) as broker, pytest.raises(PermanentError, match="another kind"):
        broker.backlog()


def test_properties_and_headers_of_every_type_are_kept(queue: Queue, tmp_path: Path) -> None:
    landing = Landing(tmp_path / "landing")
    headers = {
        "key": "o-1",
        "n": 2**40,
        "flag": True,
        "raw": b"\xff",
        "deep": {"list": [1, "ä"]},
        "none": None,
    }
    properties = pika.BasicProperties(
        headers=headers, message_id="m-1", correlation_id="c-1", content_type="text/x", user_id="guest"
    )
    with closing(queue.open()) as broker:
        broker.backlog()
    queue.send(b"body", properties)
    with closing(blocking(queue.server)) as connection:
        connection.channel().queue_bind(queue.name, "amq.topic", "shop.eu")
        connection.channel().basic_publish("amq.topic", "shop.eu", b"routed")
    land_all(queue, landing)
    keys, texts = column(landing, "key"), column(landing, "headers")
    assert (keys[b"body"], keys[b"routed"]) == ("o-1", "shop.eu")
    found = json.loads(texts[b"body"] or "")
    assert found == {
        "n": 2**40,
        "flag": True,
        "raw": "\ufffd",
        "deep": {"list": [1, "ä"]},
        "none": None,
        "message_id": "m-1",
        "correlation_id": "c-1",
        "content_type": "text/x",
    }


def test_heartbeats_are_answered_while_nobody_polls(rabbitmq: Server, tmp_path: Path) -> None:
    with (
        queue_of(rabbitmq, "classic", tmp_path) as queue,
        closing(queue.open(heartbeat=1)) as broker,
        closing(
            open_broker(rabbitmq.url("idle", "rabbitmq-stream") + "&declare=stream&heartbeat=1")
        ) as stream,
    ):
        for one in (broker, stream):
            one.resume({})
            assert one.poll(max_bytes=1, timeout_s=0) is None
        begun = time.monotonic()
        eventually(lambda: time.monotonic() - begun > 4, "two missed heartbeats and more")
        for one in (broker, stream):
            one.publish([Outgoing(b"still here")])
            # A connection that was given up would say so.
            assert rows(polled(one, 1)) == 1


def test_both_protocols_speak_tls_and_check_whom_they_speak_to(
    own_server: OwnServer, certificates: Tls, tmp_path: Path
) -> None:
    server = own_server("rabbitmq", tls=certificates, login=Login("shop", "secret"))
    for kind, declare in (("amqps", "classic"), ("rabbitmq-stream+tls", "stream")):
        declared = f"{server.url(declare, kind)}&declare={declare}"
        with closing(open_broker(f"{declared}&ca={certificates.authority}")) as broker:
            assert broker.publish([Outgoing(b"1"), Outgoing(b"2")]) == 2
            broker.resume({})
            assert rows(polled(broker, 2)) == 2
        with closing(open_broker(declared)) as broker, pytest.raises(PermanentError, match="certificate"):
            broker.backlog()


@pytest.mark.parametrize(("scheme", "port"), [("amqps", "amqp"), ("rabbitmq-stream+tls", "stream")])
def test_a_cut_within_the_tls_handshake_is_trouble_that_passes(
    own_server: OwnServer, certificates: Tls, scheme: str, port: str
) -> None:
    server = own_server("rabbitmq", tls=certificates)
    what = "classic" if scheme == "amqps" else "stream"
    with Proxy(server.ports[port]) as network:
        direct = f"{server.url('q', scheme)}&declare={what}&ca={certificates.authority}"
        url = direct.replace(f":{server.ports[port]}/", f":{network.port}/")

        def ask() -> None:
            with closing(open_broker(url)) as broker:
                broker.backlog()

        ask()
        assert cut_in_every_answer(network, ask) > _ANSWERS_WITHOUT_TLS[port]


def test_a_server_that_is_not_there_says_so() -> None:
    [port] = free_ports(1)
    for url in (f"amqp://127.0.0.1:{port}/?queue=q", f"rabbitmq-stream://127.0.0.1:{port}/?stream=s"):
        with closing(open_broker(url)) as broker, pytest.raises(TransientError, match="is it up"):
            broker.publish([Outgoing(b"x")])


def again(broker: Broker, count: int) -> int:
    """Poll until `count` messages came over a new connection."""
    came = 0

    def is_all() -> bool:
        nonlocal came
        try:
            batch = broker.poll(max_bytes=1 << 20, timeout_s=0.2)
        except TransientError:
            return False
        came += 0 if batch is None else len(batch.positions)
        return came >= count

    eventually(is_all, f"{count} messages again")
    return came


def full_link(broker: Broker) -> Link:
    """Fill the buffer of a broker's link from sixty messages of a megabyte, of which one is polled."""
    assert isinstance(broker, RabbitQueue)
    broker.publish(Outgoing(b"x" * 1_000_000) for _ in range(60))
    broker.resume({})
    assert rows(polled(broker, 1, max_bytes=1)) == 1
    link = broker._link
    assert link is not None
    eventually(lambda: link.held > BUFFER_BYTES // 1_000_000, "a full buffer")
    return link


def backlog(queue: Queue) -> int:
    """Return the backlog as a newcomer sees it."""
    with closing(queue.open()) as broker:
        return broker.backlog()
