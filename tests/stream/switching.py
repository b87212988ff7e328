"""Changing between stream and batch mode while messages keep coming, over any broker."""

import threading
from contextlib import closing
from itertools import chain

from assets.landing.land import land_feeds
from assets.orders.load import load
from orchestration.settings import Settings
from resources.brokers.port import Outgoing
from resources.brokers.urls import open_brokers
from tests.faults.scene import event_ids
from tests.orders.samples import busy_shop, with_noise
from tests.stream.running import Running, soon

_COUNT = "SELECT coalesce(sum(landed), 0) FROM message_ledger"
_EVENTS = "SELECT count(*), count(DISTINCT (source, event_id)) FROM order_events"


def switching_modes_takes_in_everything_once(settings: Settings) -> bool:
    """Let stream, batch and stream mode take in what a producer goes on publishing; compare what came out."""
    files = [with_noise(busy_shop(number, 6), number) for number in range(30)]
    url = settings.broker_address().get_secret_value()
    gone = threading.Event()

    def publish() -> None:
        with closing(open_brokers(url, settings.broker_memory_dir)[0]) as broker:
            for messages in files:
                broker.publish([Outgoing(body) for body in messages])
                gone.wait(0.02)

    first = Running(settings)
    producer = threading.Thread(target=publish)
    producer.start()
    with first:
        assert first.has_loaded(20)
    home = first.home
    brokers = open_brokers(url, settings.broker_memory_dir)
    assert land_feeds(brokers, home.landing).failures == ()
    for broker in brokers:
        broker.close()
    load(home.warehouse, home.landing)
    with Running(settings) as second:
        producer.join(60.0)
        total = sum(len(messages) for messages in files)
        assert soon(lambda: home.query(_COUNT) == [(total,)])
    assert (first.error, second.error) == (None, None)
    [(events, ids)] = home.query(_EVENTS)
    assert events == ids == len(event_ids(list(chain.from_iterable(files))))
    return home.verify().is_clean
