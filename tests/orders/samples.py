"""Order messages to settle: one by one, or the stream of a busy shop."""

import json
from collections.abc import Iterable
from random import Random
from typing import Any

from hypothesis import strategies as st

from assets.contract.model import STATUSES

BROKEN = (b"", b"[1,]", b'{"specversion":"1.0"}', b"\xff\xfe", b'{"a":NaN}', b"null")


def order(order_id: str = "o-1", version: int | None = 1, **changes: Any) -> bytes:
    """Return a message; `changes` go to the envelope (id, source, time, type) or to the order."""
    customer = {"customer_id": "c-1", "name": "Zoë", "email": "zoe@example.org", "country": "DE"}
    data: dict[str, Any] = {
        "order_id": order_id,
        "kind": "sale",
        "status": "placed",
        "currency": "EUR",
        "placed_at": "2026-05-01T10:00:00Z",
        "customer": customer,
        "lines": [line()],
        "shipping": "4.90",
    }
    if version is not None:
        data["version"] = version
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": f"{order_id}:{version}",
        "source": "/shops/eu",
        "type": "order.changed",
        "time": f"2026-05-01T10:{version or 0:02d}:00Z",
    }
    event |= {name: changes.pop(name) for name in list(changes) if name in event}
    return json.dumps(event | {"data": data | changes}, ensure_ascii=False).encode()


def line(number: int = 1, quantity: int = 6, unit_price: str = "2.55", sku: str = "85123A") -> dict[str, Any]:
    """Return a line of an order."""
    return {"line_number": number, "sku": sku, "quantity": quantity, "unit_price": unit_price}


def customer(customer_id: str | None, name: str | None = None, country: str | None = None) -> dict[str, Any]:
    """Return a customer; nulls stay in the message."""
    return {"customer_id": customer_id, "name": name, "email": None, "country": country}


def busy_shop(seed: int, events: int) -> list[bytes]:
    """Return the messages of a shop: orders in several versions, late, moved, returned; no id twice."""
    random = Random(seed)
    return [_event(random, f"e-{seed}-{number}", orders=max(events // 3, 1)) for number in range(events)]


def with_noise(messages: Iterable[bytes], seed: int) -> list[bytes]:
    """Return the messages as a network delivers them: shuffled, some twice, broken ones between."""
    random = Random(seed)
    noisy = list(messages)
    noisy += random.choices(noisy, k=len(noisy) // 4) + random.choices(BROKEN, k=len(noisy) // 8)
    random.shuffle(noisy)
    return noisy


def _event(random: Random, event_id: str, orders: int) -> bytes:
    day, minute = random.randint(1, 5), random.randint(0, 59)
    is_return = random.random() < 0.1
    numbers = range(1, random.randint(2, 4))
    sign = -1 if is_return else 1
    return order(
        f"{'r' if is_return else 'o'}-{random.randrange(orders)}",
        random.choice((None, 1, 2, 3, 4)),
        id=event_id,
        source=random.choice(("/shops/eu", "/shops/us")),
        time=f"2026-05-{day:02d}T11:{minute:02d}:00Z",
        kind="return" if is_return else "sale",
        status=random.choice(STATUSES),
        placed_at=f"2026-05-{random.randint(1, 5):02d}T10:00:00+02:00",
        customer=customer(random.choice((None, "c-1", "c-2", "c-3")), random.choice((None, "Zoë", "Ann"))),
        lines=[line(n, sign * random.randint(1, 9), f"{random.randint(0, 99)}.{n}5") for n in numbers],
    )


@st.composite
def histories(draw: st.DrawFn, max_events: int = 14) -> list[bytes]:
    """Draw events of few orders and customers, so that everything collides; no id twice."""
    count = draw(st.integers(1, max_events))
    return [draw(_events(f"e-{number}")) for number in range(count)]


@st.composite
def _events(draw: st.DrawFn, event_id: str) -> bytes:
    return order(
        draw(st.sampled_from(("o-1", "o-2", "o-3"))),
        draw(st.sampled_from((None, 1, 2, 3, 5))),
        id=event_id,
        source=draw(st.sampled_from(("/a", "/b"))),
        time=f"2026-05-01T11:{draw(st.integers(0, 3)):02d}:00Z",
        status=draw(st.sampled_from(STATUSES)),
        placed_at=f"2026-05-{draw(st.integers(1, 3)):02d}T10:00:00Z",
        customer=customer(
            draw(st.sampled_from((None, "c-1", "c-2"))),
            draw(st.sampled_from((None, "Zoë", "Ann"))),
            draw(st.sampled_from((None, "DE"))),
        ),
        lines=[line(number, draw(st.integers(1, 3))) for number in range(1, draw(st.integers(2, 3)))],
    )
