"""Kafka keeps the contract of brokers, and what is its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from resources.servers.server import Server
from tests.brokers.contract import BrokerContract
from tests.brokers.kafka_site import Topic, topic_of_its_own


class TestKafka(BrokerContract):
    """Inherits the claims."""

    @pytest.fixture
    def site(self, kafka: Server, tmp_path: Path) -> Iterator[Topic]:
        with topic_of_its_own(kafka, tmp_path / "landing" / ".origins") as topic:
            yield topic
