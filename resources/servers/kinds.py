"""The servers there are, by name."""

from collections.abc import Mapping
from types import MappingProxyType

from resources.servers.activemq import ActiveMQ
from resources.servers.artemis import Artemis
from resources.servers.kafka import Kafka
from resources.servers.kind import Kind
from resources.servers.postgres import Postgres
from resources.servers.rabbitmq import RabbitMQ

KINDS: Mapping[str, Kind] = MappingProxyType(
    {kind.name: kind for kind in (Kafka(), RabbitMQ(), ActiveMQ(), Artemis(), Postgres())}
)
