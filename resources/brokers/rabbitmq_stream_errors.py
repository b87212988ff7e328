"""What rstream raises, as one clear line that names the thing and the way out, without credentials."""

import ssl
from dataclasses import dataclass

from rstream import exceptions

from resources.errors import OrdersError, PermanentError, TransientError


@dataclass(frozen=True, slots=True)
class StreamPlace:
    """Where a stream is, for messages."""

    host: str
    port: int
    vhost: str
    stream: str

    def __str__(self) -> str:
        """Return the server."""
        return f"RabbitMQ's stream port at {self.host}:{self.port}"

    def gone(self) -> str:
        """Return what to say when the server tells that the stream changed."""
        return f"the stream {self.stream!r} was deleted or moves to another node"


def explain(error: BaseException, place: StreamPlace) -> OrdersError:
    """Return our error for one of rstream's or the operating system's."""
    match error:
        case OrdersError():
            return error
        case exceptions.ServerError():
            return explain_code(error.code, place)
        case exceptions.LeaderNotAvailable():
            return TransientError(f"the stream {place.stream!r} has no leader at the moment")
        case ssl.SSLCertVerificationError():
            return PermanentError(f"the certificate of {place} was not accepted ({error.verify_message})")
        case ssl.SSLEOFError() | ssl.SSLZeroReturnError():
            return TransientError(f"{place} closed the connection within the TLS handshake: is it up?")
        case ssl.SSLError():
            return PermanentError(
                f"{place} did not agree on TLS ({error.reason}): rabbitmq-stream+tls:// has port 5551"
            )
        case TimeoutError():
            return TransientError(
                f"{place} did not answer in time: is it up, and is this the port of streams (5552)?"
            )
        case OSError():
            return TransientError(
                f"{place} cannot be reached ({error.strerror or 'no answer'}): is it up, and its stream "
                "plugin on (rabbitmq-plugins enable rabbitmq_stream)?"
            )
        case _:
            return TransientError(f"{place} could not be used ({type(error).__name__})")


def explain_code(code: object, place: StreamPlace) -> OrdersError:
    """Return our error for a response code of the stream protocol."""
    stream = f"the stream {place.stream!r} in the vhost {place.vhost!r}"
    match code:
        case 2:
            return PermanentError(
                f"RabbitMQ at {place.host}:{place.port} has no stream {place.stream!r} in the vhost "
                f"{place.vhost!r}: create it, or let declare=stream in ORDERS_BROKER_URL do so"
            )
        case 6:
            return TransientError(f"{stream} is not available at the moment")
        case 7 | 8 | 9 | 11:
            return PermanentError(
                f"{place} refused the login: check user and password in ORDERS_BROKER_URL "
                "(the user guest may log in from the server's own machine only)"
            )
        case 12:
            return PermanentError(
                f"{place} refused the vhost {place.vhost!r}: it does not exist, or the user has no "
                f"permission on it (rabbitmqctl set_permissions -p {place.vhost} USER '.*' '.*' '.*')"
            )
        case 14:
            return PermanentError(f"a message is larger than the stream.frame_max of {place}: raise it there")
        case 16:
            return PermanentError(
                f"{place} refused access to {stream}: the user needs the permissions read and, to publish, "
                "write"
            )
        case 17:
            return PermanentError(
                f"{stream} cannot be used as a stream: a queue of another kind has its name"
            )
        case _:
            return TransientError(f"{place} failed with the response code {code} for {stream}")
