"""What pika raises, as one clear line that names the thing and the way out, without credentials."""

import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

from pika.exceptions import (
    AMQPConnectionError,
    AMQPHeartbeatTimeout,
    AuthenticationError,
    ChannelClosedByBroker,
    ConnectionClosedByBroker,
    ConnectionOpenAborted,
    IncompatibleProtocolError,
    ProbableAccessDeniedError,
    ProbableAuthenticationError,
)

from resources.errors import OrdersError, PermanentError, TransientError

# A queue that is there, but not now, has the same code as one that is not.
_AWAY = ("is down or inaccessible", "stopped by supervisor", "failed to restart", "due to timeout")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a queue is, for messages."""

    host: str
    port: int
    vhost: str
    queue: str

    def __str__(self) -> str:
        """Return the server."""
        return f"RabbitMQ at {self.host}:{self.port}"

    def cancelled(self) -> str:
        """Return what to say when the server ended the consumer."""
        return (
            f"{self} ended our consumer of the queue {self.queue!r}: it was deleted or moves to another node"
        )


def explain(error: BaseException, place: Place) -> OrdersError:
    """Return our error for one of pika's or the operating system's."""
    for cause in _causes(error):
        if (found := _explained(cause, place)) is not None:
            return found
    return TransientError(f"{place} could not be used ({type(error).__name__}): is it up?")


def _explained(error: BaseException, place: Place) -> OrdersError | None:
    match error:
        case (
            ConnectionOpenAborted()
            | IncompatibleProtocolError()
            | ProbableAuthenticationError()
            | ProbableAccessDeniedError()
        ):
            return _ended_while_connecting(error, place)
        case AuthenticationError():
            return PermanentError(
                f"{place} takes no login of our kind: a certificate (EXTERNAL) needs "
                "`rabbitmq-plugins enable rabbitmq_auth_mechanism_ssl`, a user and password PLAIN among its "
                "auth_mechanisms"
            )
        case ChannelClosedByBroker() | ConnectionClosedByBroker():
            return _closed(error.reply_code, str(error.reply_text), place)
        case AMQPHeartbeatTimeout():
            return TransientError(f"{place} sent no heartbeat: the connection was given up")
        case ssl.SSLCertVerificationError():
            return PermanentError(f"the certificate of {place} was not accepted ({error.verify_message})")
        case ssl.SSLEOFError() | ssl.SSLZeroReturnError():
            return TransientError(f"{place} closed the connection within the TLS handshake: is it up?")
        case ssl.SSLError():
            return PermanentError(f"{place} did not agree on TLS ({error.reason}): amqps:// has port 5671")
        case OSError() if error.strerror:
            return TransientError(f"{place} cannot be reached ({error.strerror}): is it up?")
        case _:
            return None


def _ended_while_connecting(error: AMQPConnectionError, place: Place) -> OrdersError:
    """Return what ended a connection before it was open.

    pika guesses that from how far the connection had come, and keeps as text what really happened: either
    the server gave a reason, or it only went away, as one does that is killed or restarted.
    """
    cause = str(error.args[0]) if error.args else ""
    if alert := re.search(r"\[SSL: (\w+_ALERT_\w+)\]", cause):
        # With TLS 1.3 the server refuses a certificate when ours holds the handshake for done.
        return PermanentError(
            f"{place} ended TLS ({alert[1]}): does it ask for cert= and key= that it trusts?"
        )
    said = re.match(r"ConnectionClosedByBroker: \((\d+)\) (.*)", cause)
    if said is None:
        return TransientError(
            f"{place} broke off while we connected: is it up, and is this its port of AMQP 0-9-1 (5672, "
            "with TLS 5671)?"
        )
    code, text = int(said[1]), said[2][1:-1]
    match error, code:
        case ProbableAuthenticationError(), 403:
            return PermanentError(
                f"{place} refused the login: check user and password in ORDERS_BROKER_URL "
                "(the user guest may log in from the server's own machine only)"
            )
        case ProbableAccessDeniedError(), 530 if re.search(r" limit \(\d+\) is reached", text):
            return TransientError(f"{place} takes no more connections now: its limit of them is reached")
        case ProbableAccessDeniedError(), 403 | 530:
            return PermanentError(
                f"{place} refused the vhost {place.vhost!r}: it does not exist, or the user has no "
                f"permission on it (rabbitmqctl set_permissions -p {place.vhost} USER '.*' '.*' '.*')"
            )
        case _:
            return _closed(code, text, place)


def _closed(code: int, text: str, place: Place) -> OrdersError:
    queue = f"the queue {place.queue!r} in the vhost {place.vhost!r}"
    # A name may hold any of the words that are looked for.
    text = re.sub("'[^']*'", "", text)
    match code:
        case 404 if any(mark in text for mark in _AWAY):
            return TransientError(f"{queue} cannot be used at the moment: its node is down, or it starts")
        case 404:
            return PermanentError(
                f"{place} has no queue {place.queue!r} in the vhost {place.vhost!r}: create it, "
                "or let declare=quorum or declare=classic in ORDERS_BROKER_URL do so"
            )
        case 403 if "in exclusive use" in text:
            return TransientError(f"another consumer of {queue} is exclusive: stop it, then rerun")
        case 403:
            return PermanentError(
                f"{place} refused access to {queue}: the user needs the permissions read and, to publish, "
                "write"
            )
        case 405:
            return TransientError(f"{queue} is exclusive to another connection: close that, then rerun")
        case 406 if "delivery acknowledgement" in text:
            return TransientError(
                f"{place} waited too long for an acknowledgement from {queue} and gives its messages again: "
                "raise the server's consumer_timeout"
            )
        case 406 if "too large" in text or "max size" in text or "max_message_size" in text:
            return PermanentError(f"a message is larger than the max_message_size of {place}")
        case 406 if "inequivalent" in text:
            return PermanentError(f"{queue} is of another kind than declare= in ORDERS_BROKER_URL says")
        case 406 if "delivery tag" in text:
            return TransientError(f"{place} does not know a delivery of {queue}: its messages come again")
        case 406:
            return PermanentError(f"{place} refuses what was asked of {queue}: see its log for the reason")
        case 320:
            return TransientError(f"{place} closed the connection: it shuts down, or an operator closed it")
        case _:
            return TransientError(f"{place} closed the connection (code {code})")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what it was made from: pika nests the operating system's in several ways."""
    yield error
    nested = [*getattr(error, "exceptions", ()), getattr(error, "exception", None), *error.args]
    for inner in nested:
        if isinstance(inner, BaseException):
            yield from _causes(inner)
