"""ActiveMQ Artemis 2.55 over STOMP: one node, NIO journal, queues made by their first use."""

from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

from resources.servers.activemq import credentials, stomp_url
from resources.servers.java import Jars, key_store
from resources.servers.kind import Command, Place
from resources.servers.processes import accepts

_JARS = Jars("artemis", "ArtemisBroker")


class Artemis:
    """The kind `artemis`: unlimited delivery attempts, dead letters to the address DLA."""

    name = "artemis"
    port_names = ("stomp",)

    def missing(self) -> str | None:
        """Return what this machine lacks."""
        return _JARS.missing()

    def fetch(self) -> None:
        """Download the jars."""
        _JARS.fetch()

    def prepare(self, place: Place) -> None:
        """Make the data folder."""
        place.data.mkdir(exist_ok=True)

    def commands(self, place: Place) -> Sequence[Command]:
        """Return the broker's command."""
        acceptor = {"protocols": "STOMP"}
        if place.options.tls is not None:
            store, password = key_store(place.options.tls, place)
            acceptor |= {
                "sslEnabled": "true",
                "keyStorePath": str(store),
                "keyStorePassword": password,
                "keyStoreType": "PKCS12",
            }
        words = _JARS.command(
            place,
            properties={},
            main="ArtemisBroker",
            arguments=(
                f"tcp://127.0.0.1:{place.ports['stomp']}?{urlencode(acceptor, safe='/')}",
                str(place.data),
            ),
        )
        return [Command(words, credentials(place.options.login))]

    def is_ready(self, place: Place) -> bool:
        """Return whether it accepts connections, which it does after the recovery of its journal."""
        return accepts(place.ports["stomp"])

    def urls(self, place: Place, topic: str) -> Mapping[str, str]:
        """Return the STOMP URL of a queue."""
        return stomp_url(place, topic)
