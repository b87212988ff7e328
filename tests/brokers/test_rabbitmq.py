"""RabbitMQ queues, classic and quorum, keep the contract of brokers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from resources.servers.server import Server
from tests.brokers.contract import BrokerContract
from tests.brokers.rabbit import Queue, queue_of


class TestClassicQueue(BrokerContract):
    """Inherits the claims."""

    @pytest.fixture
    def site(self, rabbitmq: Server, tmp_path: Path) -> Iterator[Queue]:
        with queue_of(rabbitmq, "classic", tmp_path / "memory") as queue:
            yield queue


class TestQuorumQueue(BrokerContract):
    """Inherits the claims."""

    @pytest.fixture
    def site(self, rabbitmq: Server, tmp_path: Path) -> Iterator[Queue]:
        with queue_of(rabbitmq, "quorum", tmp_path / "memory") as queue:
            yield queue
