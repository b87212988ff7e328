"""Consumers to be killed: each takes in from a broker until it is killed, or nothing waits any more.

Imports take longer than a consumer lives, so one process has done them and forks a consumer for each line
of its input, a JSON object with `url`, `root` (the home) and `is_last` (end when nothing waits). It answers
with a line for the process id and one for the exit code, negative for a signal.
"""

import json
import os
import sys
import time
import traceback
from contextlib import closing
from pathlib import Path
from random import Random

import resources.brokers.kafka
import resources.brokers.rabbitmq
import resources.brokers.rabbitmq_stream
import resources.brokers.stomp
from assets.landing.land import land
from resources.brokers.urls import open_broker
from resources.errors import TransientError
from tests.orders.home import Home

# Imported before the fork; a client is opened after it, with threads of its own.
assert resources.brokers.kafka.Kafka
assert resources.brokers.stomp.Stomp
assert resources.brokers.rabbitmq.RabbitQueue
assert resources.brokers.rabbitmq_stream.RabbitStream
_GIVE_UP_S = 120.0
_PAUSE_S = 0.1


def consume(url: str, root: str, is_last: bool) -> None:
    """Land and load in turns; trouble with the broker is waited out."""
    home = Home(Path(root))
    random = Random(os.getpid())
    deadline = time.monotonic() + _GIVE_UP_S
    while time.monotonic() < deadline:
        try:
            with closing(open_broker(url, home.landing.root / ".origins")) as broker:
                # Small segments and batches of all sizes, so that a kill meets every moment.
                size = random.choice((30_000, 100_000, 1_000_000))
                taken = land(broker, home.landing, timeout_s=5, segment_bytes=size).messages
                home.load(batch_rows=random.choice((500, 5_000)))
                if is_last and taken == 0 and broker.backlog() == 0:
                    return
        except TransientError as error:
            sys.stderr.write(f"waiting: {error}\n")
            time.sleep(_PAUSE_S)
    raise TimeoutError(f"messages still waited after {_GIVE_UP_S:g} s")


def fork(order: str) -> None:
    """Run a consumer as the order says."""
    process = os.fork()
    if process == 0:
        code = 0
        try:
            consume(**json.loads(order))
        except BaseException:  # noqa: BLE001 - whatever it is, it must not go on as a second server
            traceback.print_exc()
            code = 1
        os._exit(code)
    tell(process)
    tell(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))


def tell(number: int) -> None:
    """Answer."""
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    for line in sys.stdin:
        fork(line)
