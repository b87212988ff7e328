"""A shop for demos and load: whole lives of orders, as producers really send them.

An order is placed, paid, processed, shipped and delivered, or cancelled or refunded on the way; some are
returned. Some messages come twice, some late, some broken. The same seed gives the same messages.
"""

import json
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final

from resources.brokers.port import Outgoing

_WAY: Final = ("placed", "paid", "processing", "shipped", "delivered")
_COUNTRIES: Final = (("DE", "EUR"), ("FR", "EUR"), ("NL", "EUR"), ("GB", "GBP"), ("US", "USD"), (None, "EUR"))
_GOODS: Final = (
    ("85123A", "White hanging heart T-light holder", 255),
    ("22423", "Regency cakestand 3 tier", 1275),
    ("47566", "Party bunting", 495),
    ("20725", "Lunch bag red retrospot", 165),
    ("22720", "Set of 3 cake tins, Küche", 495),
    ("21212", "Pack of 72 retrospot cake cases", 55),
)
_NAMES: Final = ("Ada", "Bruno", "Chloé", "Dario", "Elif", "Fatou", "Grete", "Hiro")
_OPEN_ORDERS: Final = 40
_BATCH_S: Final = 0.5
_DEMO_START: Final = datetime(2026, 5, 1, tzinfo=UTC)
_DEMO_MESSAGES: Final = 1_500

Event = dict[str, object]


@dataclass(frozen=True, slots=True)
class Shop:
    """Gives messages of orders placed in the 30 days before `started_at` (aware UTC).

    `broken_share` of them break the contract; a fiftieth comes twice, and as many come late.
    """

    seed: int
    started_at: datetime
    broken_share: float = 0.01
    repeated_share: float = 0.02
    late_share: float = 0.02

    def messages(self) -> Iterator[Outgoing]:
        """Yield messages without end, in the order in which they arrive."""
        rng = random.Random(self.seed)
        held_back: list[Outgoing] = []
        for message in self._in_order(rng):
            if rng.random() < self.late_share:
                held_back.append(message)
                continue
            yield _spoilt(message, rng) if rng.random() < self.broken_share else message
            if rng.random() < self.repeated_share:
                yield message
            if held_back and rng.random() < self.late_share:
                yield held_back.pop(0)

    def _in_order(self, rng: random.Random) -> Iterator[Outgoing]:
        """Yield the lives of many orders, interleaved, each in its own order."""
        number = 0
        lives: list[Iterator[Event]] = []
        while True:
            if len(lives) < _OPEN_ORDERS:
                number += 1
                lives.append(_life(f"{self.seed}-{number}", rng, self.started_at))
            life = rng.choice(lives)
            event = next(life, None)
            if event is None:
                lives.remove(life)
            else:
                yield Outgoing(_as_bytes(event), key=str(event["subject"]))


def demo_messages() -> list[Outgoing]:
    """Return the orders of `orders demo`, always the same: late, repeated and broken ones among them."""
    shop = Shop(seed=1, started_at=_DEMO_START, broken_share=0.01)
    return list(islice(shop.messages(), _DEMO_MESSAGES))


def keep_pace(
    messages: Iterator[Outgoing],
    *,
    rate: float,
    total: int,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[list[Outgoing]]:
    """Yield `total` messages in batches, each when it is due at `rate` messages a second."""
    started, sent = now(), 0
    while sent < total:
        size = min(total - sent, max(1, round(rate * _BATCH_S)))
        sleep(max(0.0, started + (sent + size) / rate - now()))
        yield list(islice(messages, size))
        sent += size


def _life(name: str, rng: random.Random, until: datetime) -> Iterator[Event]:
    """Yield the events of one order, and of its return if it comes back."""
    placed_at = until - timedelta(days=rng.uniform(8, 30))
    order = _order(f"sim-{name}", rng, placed_at)
    moment = placed_at
    for version, status in enumerate(_statuses(rng), 1):
        yield _event(order | {"version": version, "status": status}, f"{name}-{version}", moment)
        moment += timedelta(hours=rng.uniform(0.2, 30))
    if rng.random() < 0.06:
        lines = [line | {"quantity": -int(str(line["quantity"]))} for line in _lines_of(order)[:1]]
        returned = order | {
            "order_id": f"sim-{name}-return",
            "kind": "return",
            "lines": lines,
            "shipping": "0.00",
            "placed_at": _moment(moment),
            "version": 1,
            "status": "refunded",
        }
        yield _event(returned, f"{name}-return", moment)


def _statuses(rng: random.Random) -> tuple[str, ...]:
    chance = rng.random()
    if chance < 0.07:
        return (*_WAY[: rng.randint(1, 3)], "cancelled")
    if chance < 0.12:
        return (*_WAY, "refunded")
    return _WAY


def _order(order_id: str, rng: random.Random, placed_at: datetime) -> Event:
    country, currency = rng.choice(_COUNTRIES)
    person = rng.randint(1, 300)
    name = _NAMES[person % len(_NAMES)]
    customer: Event = {"country": country}
    if rng.random() < 0.9:
        customer |= {
            "customer_id": f"c-{person}",
            "name": f"{name} No. {person}",
            "email": f"c{person}@shop.example",
        }
    goods = rng.sample(_GOODS, rng.randint(1, 4))
    lines = [
        {
            "line_number": number,
            "sku": sku,
            "description": description,
            "quantity": rng.randint(1, 12),
            "unit_price": _money(cents),
        }
        for number, (sku, description, cents) in enumerate(goods, 1)
    ]
    return {
        "order_id": order_id,
        "kind": "sale",
        "currency": currency,
        "placed_at": _moment(placed_at),
        "customer": customer,
        "lines": lines,
        "shipping": _money(rng.choice((0, 490, 790))),
        "discount": _money(rng.choice((0, 0, 100))),
        "tax": "0.00",
    }


def _event(order: Event, event_id: str, moment: datetime) -> Event:
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": "/shops/simulated",
        "type": f"order.{order['status']}",
        "subject": order["order_id"],
        "time": _moment(moment),
        "data": order,
    }


def _spoilt(message: Outgoing, rng: random.Random) -> Outgoing:
    """Return the message as a broken producer would send it; each way breaks the contract."""
    ways: tuple[Callable[[bytes], bytes], ...] = (
        lambda body: body[: len(body) // 2],
        lambda body: body.replace(b'"description":"', b'"description":"\xff', 1),
        lambda body: body.replace(b'"currency":', b'"curency":', 1),
        lambda body: body.replace(b'"status":"', b'"status":"un', 1),
        lambda body: body.replace(b'"unit_price":"', b'"unit_price":"EUR ', 1),
        lambda body: body.replace(b'"placed_at":"20', b'"placed_at":"', 1),
    )
    return Outgoing(rng.choice(ways)(message.body), message.key)


def _lines_of(order: Event) -> list[Event]:
    lines = order["lines"]
    assert isinstance(lines, list)
    return lines


def _as_bytes(event: Event) -> bytes:
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()


def _money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
