"""Stream mode over a real Kafka."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from resources.servers.server import Server
from tests.stream.running import settings_of
from tests.stream.switching import switching_modes_takes_in_everything_once

pytest.importorskip("confluent_kafka")


@pytest.fixture
def url(kafka: Server, tmp_path: Path) -> Iterator[str]:
    """The URL of a topic of its own."""
    from tests.brokers.kafka_site import topic_of_its_own

    with topic_of_its_own(kafka, tmp_path / "landing" / ".origins") as topic:
        yield topic.url


def test_switching_modes_over_kafka_loses_and_repeats_nothing(url: str, tmp_path: Path) -> None:
    assert switching_modes_takes_in_everything_once(settings_of(tmp_path, broker_url=url))
