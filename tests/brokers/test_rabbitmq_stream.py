"""RabbitMQ streams keep the contract of brokers, and know when they are not what they were."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pika
import pytest
from rstream import schema
from rstream.client import Client

from assets.landing.land import land, landed_positions
from resources.brokers.rabbitmq_stream import RabbitStream
from resources.brokers.urls import open_broker
from resources.errors import PermanentError, TransientError
from resources.segments import Landing
from resources.servers.server import Server
from tests.brokers.contract import BrokerContract, bodies, column, land_all, numbered, send
from tests.brokers.rabbit import Stream, stream_of
from tests.brokers.waiting import eventually

CANARY = "c4n4ry"


class TestStream(BrokerContract):
    """Inherits the claims."""

    @pytest.fixture
    def site(self, rabbitmq: Server, tmp_path: Path) -> Iterator[Stream]:
        with stream_of(rabbitmq, tmp_path / "memory") as stream:
            yield stream


@pytest.fixture
def stream(rabbitmq: Server, tmp_path: Path) -> Iterator[Stream]:
    """A stream that does not exist yet."""
    with stream_of(rabbitmq, tmp_path / "memory") as lent:
        yield lent


@pytest.fixture
def landing(tmp_path: Path) -> Landing:
    """An empty landing folder."""
    return Landing(tmp_path / "landing")


@pytest.mark.parametrize("later", [3, 20, 60], ids=["shorter", "as long", "longer"])
def test_a_stream_that_was_created_again_stops_and_goes_on_when_told(
    stream: Stream, landing: Landing, later: int
) -> None:
    send(stream, numbered(20, "old"))
    land_all(stream, landing)
    stream.by_client(lambda client: client.delete_stream(stream.name))
    send(stream, numbered(later, "new"))
    with closing(stream.open()) as broker, pytest.raises(PermanentError, match="created again") as caught:
        broker.resume(landed_positions(landing, broker.feed))
    assert "on_lost=earliest" in str(caught.value)
    assert "name=" in str(caught.value)
    for expected in (later, 0):
        with closing(stream.open(on_lost="earliest")) as broker:
            assert land(broker, landing, timeout_s=10).messages == expected
    assert land_all(stream, landing).messages == 0
    assert bodies(landing)[20:] == numbered(later, "new")


def test_what_retention_took_before_it_landed_stops_the_stream(stream: Stream, landing: Landing) -> None:
    limits = {"max-length-bytes": 100_000, "stream-max-segment-size-bytes": 50_000}
    stream.by_client(lambda client: client.create_stream(stream.name, limits))
    send(stream, [b"first"])
    land_all(stream, landing)
    large = [b"%03d" % number + b"x" * 5_000 for number in range(10)]
    eventually(lambda: send(stream, large) == 10 and first_offset(stream) > 1, "something is gone")
    with closing(stream.open()) as broker, pytest.raises(PermanentError, match="retention took"):
        broker.resume(landed_positions(landing, broker.feed))
    with closing(stream.open(on_lost="earliest")) as broker:
        assert land(broker, landing, timeout_s=10).messages > 0


def test_the_server_is_told_how_far_we_are(stream: Stream, landing: Landing) -> None:
    send(stream, numbered(20))
    land_all(stream, landing)
    with closing(stream.open()) as broker:
        feed = broker.feed
    assert stream.by_client(lambda client: client.query_offset(stream.name, feed)) == 19


def test_messages_of_other_clients_land_with_their_bytes(stream: Stream, landing: Landing) -> None:
    with closing(stream.open()) as broker:
        broker.backlog()
    stream.send(
        b"by AMQP 0-9-1", pika.BasicProperties(headers={"key": "o-1", "trace": "t"}, message_id="m-1")
    )

    async def raw(client: Client) -> None:
        await client.declare_publisher(stream.name, None, 7)
        done = client.wait_frame(schema.PublishConfirm)
        bare = schema.Message(publishing_id=1, filter_value=None, data=b'{"no": "form"}')
        await client.send_publish_frame(schema.Publish(7, [bare]))
        await done

    stream.by_client(raw)
    land_all(stream, landing)
    assert bodies(landing) == [b"by AMQP 0-9-1", b'{"no": "form"}']
    assert column(landing, "key")[b"by AMQP 0-9-1"] == "o-1"
    found = json.loads(column(landing, "headers")[b"by AMQP 0-9-1"] or "")
    assert (found["trace"], found["message_id"]) == ("t", "m-1")


@pytest.mark.parametrize(
    ("password", "vhost", "name", "told"),
    [
        (CANARY, "%2F", "s", "refused the login"),
        ("guest", "nosuch", "s", "vhost 'nosuch'"),
        ("guest", "%2F", "nosuch", "no stream 'nosuch'"),
    ],
)
def test_what_is_wrong_with_a_stream_is_one_line(
    rabbitmq: Server, password: str, vhost: str, name: str, told: str
) -> None:
    port = rabbitmq.ports["stream"]
    url = f"rabbitmq-stream://guest:{password}@127.0.0.1:{port}/{vhost}?stream={name}"
    with closing(open_broker(url)) as broker, pytest.raises(PermanentError, match=told) as caught:
        broker.backlog()
    assert "\n" not in str(caught.value)
    assert CANARY not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_port_of_something_else_is_named(rabbitmq: Server) -> None:
    url = f"rabbitmq-stream://guest:guest@127.0.0.1:{rabbitmq.ports['amqp']}/?stream=s"
    with closing(open_broker(url)) as broker, pytest.raises(TransientError, match="stream"):
        broker.backlog()


def first_offset(stream: Stream) -> int:
    """Return the first offset that the server still has."""
    with closing(stream.open()) as broker:
        assert isinstance(broker, RabbitStream)
        link = broker._linked()
        return link.call(link.extent()).first
