"""ActiveMQ Classic 6.3 over STOMP: one node, journal synced to disk, queues made by their first use."""

from collections.abc import Mapping, Sequence

from resources.servers.java import Jars, key_store
from resources.servers.kind import Command, Login, Place
from resources.servers.processes import accepts

_JARS = Jars("activemq", "ClassicBroker")


class ActiveMQ:
    """The kind `activemq`, with the statistics plugin, which answers how many messages wait."""

    name = "activemq"
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
        scheme, properties = "stomp", dict[str, str]()
        if place.options.tls is not None:
            store, password = key_store(place.options.tls, place)
            scheme = "stomp+ssl"
            properties = {
                "javax.net.ssl.keyStore": str(store),
                "javax.net.ssl.keyStorePassword": password,
                "javax.net.ssl.keyStoreType": "PKCS12",
            }
        words = _JARS.command(
            place,
            properties=properties,
            main="ClassicBroker",
            arguments=(f"{scheme}://127.0.0.1:{place.ports['stomp']}", str(place.data)),
        )
        return [Command(words, credentials(place.options.login))]

    def is_ready(self, place: Place) -> bool:
        """Return whether it accepts connections, which it does after the recovery of its store."""
        return accepts(place.ports["stomp"])

    def urls(self, place: Place, topic: str) -> Mapping[str, str]:
        """Return the STOMP URL of a queue."""
        return stomp_url(place, topic)


def credentials(login: Login | None) -> dict[str, str]:
    """Return the environment that tells our Java brokers the one user."""
    return {"BROKER_USER": login.user, "BROKER_PASSWORD": login.password} if login else {}


def stomp_url(place: Place, queue: str) -> dict[str, str]:
    """Return the STOMP URL of a queue by its scheme."""
    login = place.options.login
    scheme = "stomp+ssl" if place.options.tls else "stomp"
    user = f"{login.user}:{login.password}@" if login else ""
    return {scheme: f"{scheme}://{user}127.0.0.1:{place.ports['stomp']}/queue/{queue}"}
