"""How many messages wait in a queue of ActiveMQ, asked over STOMP, which has no frame for it.

Artemis is asked by a message to its management address. Classic is asked by one to its statistics plugin;
where that does not answer, the queue is browsed, up to 100,000 messages or 20 s: then the number is a lower
bound, and the next look finds the rest. Artemis is never browsed: it takes no notice of `browser:true`, and
with it a browse has emptied the queue.
"""

import re
import time
from typing import Final
from uuid import uuid4

from resources.brokers.stomp_connection import Connection, Target, encoded
from resources.brokers.stomp_frames import Message
from resources.errors import PermanentError

_REPLY_TIMEOUT_S: Final = 5.0
_BROWSE_TIMEOUT_S: Final = 20.0
_BROWSE_MESSAGES: Final = 100_000
_LAG_S: Final = 0.3
_SIZE: Final = re.compile(rb'"string"\s*:\s*"size"\s*,\s*"long"\s*:\s*(\d+)')


def count_waiting(target: Target) -> int:
    """Return how many messages the queue holds, those delivered and not acknowledged among them.

    Raises TransientError when the broker cannot be reached, PermanentError when it must not be asked.
    """
    connection = Connection(target)
    try:
        if connection.is_artemis:
            return _artemis(connection, target)
        answer = _classic(connection, target)
    except PermanentError:
        if connection.is_artemis or not connection.server:
            raise
        # No permission for the plugin's queue is no reason to fail: one may still browse.
        answer = None
    finally:
        connection.close()
    return browse(target) if answer is None else answer


def _artemis(connection: Connection, target: Target) -> int:
    replies = f"orders.replies.{uuid4().hex}"
    headers = {"id": "0", "destination": replies, "ack": "auto", "subscription-type": "ANYCAST"}
    connection.send(encoded("SUBSCRIBE", headers))
    question = {
        "destination": "activemq.management",
        "destination-type": "ANYCAST",
        "reply-to": replies,
        "_AMQ_ResourceName": f"queue.{target.queue}",
        "_AMQ_Attribute": "messageCount",
    }
    count = _answer(_one(connection, encoded("SEND", question)), target)
    if count == 0:
        # What has just been committed is counted a moment later.
        connection.take(lambda *_: False, timeout_s=_LAG_S, linger_s=0.0)
        count = _answer(_one(connection, encoded("SEND", question)), target)
    return count


def _answer(reply: Message | None, target: Target) -> int:
    if reply is None:
        raise PermanentError(
            f"{target.label} does not say how many messages wait in the queue {target.queue!r}: "
            "give the user the permissions manage and send on activemq.management"
        )
    if reply.headers.get("_AMQ_OperationSucceeded") == "true":
        return int(reply.body.strip(b"[] \n"))
    # There is no such queue: it comes with its first message, or goes with its last.
    return 0


def _classic(connection: Connection, target: Target) -> int | None:
    replies = f"/temp-queue/{uuid4().hex}"
    connection.send(
        encoded(
            "SUBSCRIBE",
            {"id": "0", "destination": replies, "ack": "auto", "transformation": "jms-map-json"},
        )
    )
    # Without the plugin this is a message that nobody reads: it goes by itself.
    question = {
        "destination": f"/queue/ActiveMQ.Statistics.Destination.{target.queue}",
        "reply-to": replies,
        "persistent": "false",
        "expires": str(int((time.time() + 60) * 1000)),
    }
    reply = _one(connection, encoded("SEND", question))
    found = _SIZE.search(reply.body) if reply is not None else None
    return int(found[1]) if found else None


def _one(connection: Connection, question: bytes) -> Message | None:
    connection.send(question)
    replies = connection.take(lambda count, _: count == 1, timeout_s=_REPLY_TIMEOUT_S, linger_s=0.0)
    return replies[0] if replies else None


def browse(target: Target) -> int:
    """Return how many messages a queue of Classic shows, up to the bounds above."""
    connection = Connection(target)
    try:
        destination = f"/queue/{target.queue}"
        headers = {"id": "0", "destination": destination, "browser": "true", "ack": "auto"}
        connection.send(encoded("SUBSCRIBE", headers))
        return _counted(connection)
    finally:
        connection.close()


def _counted(connection: Connection) -> int:
    deadline = time.monotonic() + _BROWSE_TIMEOUT_S
    count = 0
    while count < _BROWSE_MESSAGES and time.monotonic() < deadline:
        some = connection.take(lambda n, _: n >= 1_000, timeout_s=_REPLY_TIMEOUT_S, linger_s=0.0)
        ends = sum(message.headers.get("browser") == "end" for message in some)
        count += len(some) - ends
        if ends or not some:
            break
    return count
