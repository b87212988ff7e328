"""Every broker that the platform speaks keeps the contract of channels, on its real server."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from confluent_kafka.admin import NewTopic

from resources.brokers.urls import open_broker
from resources.errors import TransientError
from resources.notifications.channels.broker import BrokerChannel
from resources.notifications.port import Channel
from resources.servers.processes import free_ports
from resources.servers.server import Server
from resources.servers.topics import make_topic
from tests.brokers.contract import polled
from tests.notifications.channel_contract import SECRET, ChannelContract
from tests.notifications.samples import notice

_SOURCE = "urn:orders:test"


class BrokerContract(ChannelContract):
    """The contract over a topic, queue or stream of each test's own."""

    kind = ""
    scheme: str | None = None
    options = ""
    url: str
    name: str
    server: Server

    @pytest.fixture(autouse=True)
    def _place(self, request: pytest.FixtureRequest) -> Iterator[None]:
        server: Server = request.getfixturevalue(self.kind)
        self.server, self.name = server, f"notices-{uuid4().hex}"
        self.url = server.url(self.name, self.scheme) + self.options
        self.make()
        self.open: list[BrokerChannel] = []
        yield
        for channel in self.open:
            channel.close()

    def make(self) -> None:
        """Make the place where publishing does not."""

    def channel(self, place: Path) -> Channel:
        return self._channel(self.url)

    def broken_channel(self, place: Path) -> Channel:
        parts = urlsplit(self.url)
        login = "" if self.kind == "kafka" else f"me:{SECRET}@"
        nobody = f"{login}127.0.0.1:{free_ports(1)[0]}"
        return self._channel(parts._replace(netloc=nobody).geturl())

    def arrived(self, place: Path) -> list[str]:
        with closing(open_broker(self.url, place / "origins")) as broker:
            broker.resume({})
            batches = polled(broker, broker.backlog())
            return [body.as_py().decode() for batch in batches for body in batch.bodies]

    def _channel(self, url: str) -> Channel:
        channel = BrokerChannel("broker", lambda: open_broker(url), source=_SOURCE)
        self.open.append(channel)
        return channel

    def test_what_is_published_is_a_cloud_event(self, tmp_path: Path) -> None:
        self.channel(tmp_path).send(notice())
        event = json.loads(self.arrived(tmp_path)[0])
        assert (event["specversion"], event["id"]) == ("1.0", notice().delivery_id)


class TestKafka(BrokerContract):
    """A topic."""

    kind = "kafka"

    def make(self) -> None:
        make_topic(f"127.0.0.1:{self.server.ports['internal']}", NewTopic(self.name, 2, 1))


class TestRabbitQueue(BrokerContract):
    """A queue of RabbitMQ."""

    kind, options = "rabbitmq", "&declare=classic"

    def test_a_queue_that_is_missing_is_waited_for(self, tmp_path: Path) -> None:
        channel = self._channel(self.server.url(f"missing-{self.name}"))
        with pytest.raises(TransientError, match="create it"):
            channel.send(notice())


class TestRabbitStream(BrokerContract):
    """A stream of RabbitMQ."""

    kind, scheme, options = "rabbitmq", "rabbitmq-stream", "&declare=stream"


class TestClassic(BrokerContract):
    """A queue of ActiveMQ Classic."""

    kind = "activemq"


class TestArtemis(BrokerContract):
    """A queue of ActiveMQ Artemis."""

    kind = "artemis"
