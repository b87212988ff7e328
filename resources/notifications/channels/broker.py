"""A feed of a broker, so that other systems hear of it: publish and subscribe."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from resources.errors import OrdersError, TransientError
from resources.notifications.channels.cloud_event import encode
from resources.notifications.events import Notice
from resources.notifications.port import Limits, Receipt

if TYPE_CHECKING:
    from resources.brokers.port import Broker


class BrokerChannel:
    """Publishes each notice as a CloudEvents message, keyed by what it is about; durable there on return."""

    limits = Limits(timeout_s=30.0)

    def __init__(self, name: str, connect: "Callable[[], Broker]", *, source: str) -> None:
        """Publish to the broker that `connect` opens, at the first notice and after each failure."""
        self.name = name
        self._connect = connect
        self._source = source
        self._broker: Broker | None = None

    def __repr__(self) -> str:
        """Show the name."""
        return f"BrokerChannel({self.name!r})"

    def send(self, notice: Notice) -> Receipt:
        """Publish the notice; raises TransientError for whatever the broker raises.

        A queue that is missing or a wrong password can be mended while the notice waits.
        """
        from resources.brokers.port import Outgoing

        message = Outgoing(encode(notice, self._source), key=notice.event.subject)
        try:
            if self._broker is None:
                self._broker = self._connect()
            self._broker.publish([message])
        except TransientError:
            self.close()
            raise
        except OrdersError as error:
            self.close()
            raise TransientError(f"{error}; it will be tried again") from None
        except Exception as error:  # noqa: BLE001 - a client library's own; its text may hold the URL
            self.close()
            raise TransientError(
                f"the broker of channel {self.name} did not take the notice ({type(error).__name__})"
            ) from None
        return Receipt.DELIVERED

    def close(self) -> None:
        """Give the connection back."""
        broker, self._broker = self._broker, None
        if broker is not None:
            broker.close()
