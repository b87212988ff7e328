"""Kafka topics of a benchmark."""

import time

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, NewTopic

_PATIENCE_S = 30.0


def make_topic(servers: str, topic: str, partitions: int) -> None:
    """Create a topic; clients find it when this returns."""
    admin = AdminClient({"bootstrap.servers": servers})
    admin.create_topics([NewTopic(topic, partitions, 1)])[topic].result(_PATIENCE_S)
    # The controller answers before the broker, which clients ask, has heard of it.
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            admin.describe_topics(TopicCollection([topic]))[topic].result(_PATIENCE_S)
            return
        except KafkaException:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
