"""Topics of a Kafka that was started here, for tests and benchmarks."""

import time
from collections.abc import Callable
from typing import Any, Final

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

_PATIENCE_S: Final = 20.0
_ANSWER_S: Final = 10.0
_PAUSE_S: Final = 0.2


def asked(servers: str, question: Callable[[AdminClient], Any]) -> Any:
    """Ask a server, again while it cannot answer; raises KafkaException when it still cannot after 20 s."""
    deadline = time.monotonic() + _PATIENCE_S
    admin = AdminClient({"bootstrap.servers": servers})
    while True:
        try:
            return question(admin).result(_ANSWER_S)
        except KafkaException:
            if time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE_S)


def make_topic(servers: str, topic: NewTopic) -> None:
    """Create a topic; clients find it when this returns."""
    asked(servers, lambda admin: admin.create_topics([topic])[topic.topic])
    # The controller answers before the broker, which clients ask, has heard of it.
    asked(servers, lambda admin: admin.describe_topics(TopicCollection([topic.topic]))[topic.topic])
