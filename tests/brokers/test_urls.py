"""One URL chooses a broker, and what it holds besides never shows."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from resources.brokers.address import parse
from resources.brokers.inbox import Inbox
from resources.brokers.urls import KINDS, Adapter, masked, open_broker, open_brokers
from resources.errors import PermanentError

CANARY = "c4n4ry"
UNREADABLE = [
    "",
    "orders",
    "kafka:host/orders",
    f"amqp://user:{CANARY}#x@host/vhost",
    f"amqp://user:{CANARY}/x@host/vhost?queue=orders",
    f"amqp://user:{CANARY}?x@host/vhost?queue=orders",
    f"amqp://user:{CANARY}@x@ho st:port/vhost?queue=orders",
    f"amqp://user:{CANARY}@host:70000/vhost",
    f"amqp://user:{CANARY}@[::1/vhost",
    f"amqp://user:{CANARY}@host\u2100/vhost",
    f"carrier-pigeon://coo:{CANARY}@loft/1",
    f"inbox:///orders?{CANARY}%20=1",
    f"inbox:///orders?password={CANARY}",
    f"inbox://{CANARY}/orders",
    "inbox://",
    "inbox:///orders?name=decisions",
    "inbox:///orders?name=a/b",
]


@pytest.mark.parametrize("url", UNREADABLE)
def test_a_wrong_url_is_one_line_without_a_secret(url: str) -> None:
    with pytest.raises(PermanentError) as caught:
        open_broker(url)
    assert CANARY not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_an_inbox_is_a_folder_with_a_name() -> None:
    assert open_broker("inbox:///var/in%20box@home?name=shop:eu") == Inbox(
        Path("/var/in box@home"), feed="shop:eu"
    )


def test_a_url_is_taken_apart_and_decoded() -> None:
    address = parse("kafka://us%40er:p%3Ass@one:9092,[::1]:9093,three/my%2Ftopic?a.b=1+1&c=&name=x")
    assert address.hosts == (("one", 9092), ("::1", 9093), ("three", None))
    assert (address.user, address.password, address.path) == ("us@er", "p:ss", "my/topic")
    assert address.options == {"a.b": "1+1", "c": "", "name": "x"}


def test_no_repr_shows_credentials_or_options() -> None:
    address = parse(f"kafka://{CANARY}:{CANARY}@host/topic?sasl.password={CANARY}")
    assert CANARY not in repr(address)
    assert masked(f"kafka://u:{CANARY}@host:1/topic?sasl.password={CANARY}") == "kafka://host:1/topic"


def test_a_feed_is_named_without_host_and_credentials() -> None:
    names = {
        parse(f"kafka://{login}host-{n}/orders").feed("kafka:orders") for n, login in enumerate(("", "a:b@"))
    }
    assert names == {"kafka:orders"}
    assert parse("kafka://host/a/b").feed("kafka:a/b") == "kafka:a-b"


def test_several_urls_are_several_feeds() -> None:
    brokers = open_brokers(" inbox:///a  inbox:///b?name=b\n")
    assert [broker.feed for broker in brokers] == ["inbox", "b"]


def test_two_feeds_of_one_name_are_refused() -> None:
    with pytest.raises(PermanentError, match=r"2 URLs of the feed 'inbox'.*name="):
        open_brokers("inbox:///a inbox:///b")


def has_module(adapter: Adapter) -> bool:
    return find_spec(f"resources.brokers.{adapter.module}") is not None


@pytest.mark.parametrize(
    "kind", [k for k, adapter in KINDS.items() if adapter.package and has_module(adapter)]
)
def test_a_missing_client_library_is_named_with_the_extra_that_brings_it(kind: str) -> None:
    adapter = KINDS[kind]
    program = (
        f"import sys; sys.modules[{adapter.package!r}] = None\n"
        "from resources.brokers.urls import open_broker\n"
        "from resources.errors import PermanentError\n"
        f"try: open_broker({adapter.example!r})\n"
        "except PermanentError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert f"pip install 'order-data-platform[{adapter.extra}]'" in done.stdout


def test_choosing_a_broker_loads_no_other_client_library() -> None:
    program = (
        "import sys; from resources.brokers.urls import open_broker; open_broker('inbox:///a'); "
        "print({'confluent_kafka', 'pika', 'rstream', 'stomp'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
