"""A deterministic shop: order messages, in the order in which a real one would send them.

Every twelve seconds an order is placed; its later versions follow minutes and days behind, between the
first versions of newer orders. The n-th message is always the same bytes, so runs can be compared.
"""

import json
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache, lru_cache
from itertools import count, islice

import numpy as np
import numpy.typing as npt

SHOP_ID = "shop-1"
"""Changes whenever the messages do: caches are named by it."""

_STATUSES = ("placed", "paid", "shipped", "delivered")
# How many orders are placed before each version follows: at once, 5 minutes, 1 day, 3 days.
_LAGS = (0, 25, 7_200, 21_600)
_SECONDS_PER_ORDER = 12
_OPENED = date(2025, 1, 1)
_CHUNK = 4_000
_PRODUCTS = 4_000
_CUSTOMERS = 300_000
_MAX_LINES = 4
_CURRENCIES = ("EUR", "EUR", "EUR", "EUR", "GBP", "SEK", "PLN")
_COUNTRIES = ("DE", "FR", "GB", "NL", "ES", "IT", "PL", "SE", "AT", "United Kingdom", "EIRE")
_GIVEN = ("Anna", "Jürgen", "Zoë", "Łukasz", "Marie", "Björn", "Ines", "Søren", "Tom", "José", "Eva", "Renée")
_FAMILY = (
    "Müller",
    "Smith",
    "García",
    "Kowalski",
    "Dubois",
    "Rossi",
    "de Vries",
    "Ångström",
    "O'Brien",
    "Novák",
)
_LOOKS = (
    "WHITE",
    "RED RETROSPOT",
    "VINTAGE",
    "SET OF 3",
    "MINI",
    "CAFÉ",
    "PINK POLKADOT",
    "½ PINT",
    "WOODEN",
)
_THINGS = (
    "T-LIGHT HOLDER",
    "LUNCH BAG",
    "CAKE CASES",
    "CRÈME BRÛLÉE DISH",
    "BUNTING",
    "ALARM CLOCK",
    "東京 FAN",
)
_ADDITIONS = ("", " LARGE", " SMALL", " W/ HEART", ' 12" TALL', " BLUE", " GIFT BOX", " (PACK OF 6)")


def messages(first: int, number: int) -> Iterator[bytes]:
    """Yield the messages `first` to `first + number - 1` of the shop's stream, without line feeds."""
    # The tick of a message is the number of orders that were placed before it.
    start = bisect_right(range(1 << 40), first, key=_sent_before) - 1
    skipped = first - _sent_before(start)
    yield from islice(_stream(start), skipped, skipped + number)


def finished_orders(sent: int) -> int:
    """Return how many orders, the oldest ones, have all their versions among the first `sent` messages."""
    tick = bisect_right(range(1 << 40), sent, key=_sent_before) - 1
    return max(tick - _LAGS[-1], 0)


def refunds(round_no: int, number: int, *, among: int) -> Iterator[bytes]:
    """Yield a fifth version for `number` of the oldest `among` orders, spread evenly at random.

    The rounds are disjoint while (round_no + 1) * number <= among.
    """
    drawn = np.random.default_rng(among).permutation(among)[round_no * number : (round_no + 1) * number]
    for order in _orders(drawn.astype(np.int64)):
        yield order.message(len(_STATUSES) + 1, "refunded")


def _sent_before(tick: int) -> int:
    return sum(max(tick - lag, 0) for lag in _LAGS)


def _stream(start: int) -> Iterator[bytes]:
    recent = _Recent()
    for tick in count(start):
        for version, (lag, status) in enumerate(zip(_LAGS, _STATUSES, strict=True), start=1):
            if tick >= lag:
                yield recent.order(tick - lag).message(version, status)


@dataclass(slots=True)
class _Recent:
    """Orders by number; those that are needed again are kept, a chunk at a time."""

    _chunks: "dict[int, list[_Order]]" = field(default_factory=dict)

    def order(self, number: int) -> "_Order":
        chunk, index = divmod(number, _CHUNK)
        if chunk not in self._chunks:
            if len(self._chunks) > _LAGS[-1] // _CHUNK + 1:
                del self._chunks[min(self._chunks)]
            self._chunks[chunk] = _orders(np.arange(chunk * _CHUNK, (chunk + 1) * _CHUNK, dtype=np.int64))
        return self._chunks[chunk][index]


@dataclass(frozen=True, slots=True)
class _Order:
    """An order in the pieces between which version, status and time stand."""

    key: int
    order_id: str
    source: str
    kind: str
    rest: str
    placed_s: int

    def message(self, version: int, status: str) -> bytes:
        lag = _LAGS[version - 1] if version <= len(_LAGS) else 2 * _LAGS[-1]
        happened_s = self.placed_s + lag * _SECONDS_PER_ORDER + (self.key + version) % 7
        return (
            f'{{"specversion":"1.0","id":"{self.key:016x}-{version}","source":"{self.source}",'
            f'"type":"order.{status}","subject":"{self.order_id}","time":"{_timestamp(happened_s)}",'
            f'"data":{{"order_id":"{self.order_id}","version":{version},"kind":"{self.kind}",'
            f'"status":"{status}",{self.rest}}}}}'
        ).encode()


def _orders(numbers: npt.NDArray[np.int64]) -> "list[_Order]":
    keys = _dice(numbers, 0)
    line_dice = [_dice(numbers, salt).tolist() for salt in range(1, _MAX_LINES + 1)]
    return [
        _order(number, key, dice)
        for number, key, *dice in zip(numbers.tolist(), keys.tolist(), *line_dice, strict=True)
    ]


def _order(number: int, key: int, dice: list[int]) -> _Order:
    # One of the two shops writes non-ASCII text as escapes, as many producers do.
    is_escaped = key % 3 == 0
    is_return = key % 50 == 1
    currency = _CURRENCIES[(key >> 8) % len(_CURRENCIES)]
    placed_s = number * _SECONDS_PER_ORDER
    lines = ",".join(
        _line(k, die, -1 if is_return else 1, is_escaped)
        for k, die in enumerate(dice[: 1 + (key >> 16) % 4], 1)
    )
    shipping = "0.00" if (key >> 24) % 4 == 0 else "4.90"
    discount = f"{(key >> 28) % 300 / 100:.2f}" if (key >> 26) % 5 == 0 else "0.00"
    rest = (
        f'"currency":"{currency}","placed_at":"{_timestamp(placed_s)}",'
        f'"customer":{_customer(key >> 32, is_escaped)},"lines":[{lines}],'
        f'"shipping":"{shipping}","discount":"{discount}","tax":"{(key >> 40) % 2000 / 100:.2f}"'
    )
    shop = "us" if is_escaped else "eu"
    kind = "return" if is_return else "sale"
    return _Order(key, f"{shop.upper()}-{number:08d}", f"/shops/{shop}", kind, rest, placed_s)


def _line(line_number: int, die: int, sign: int, is_escaped: bool) -> str:
    # The square of an even die: some articles sell far more often than others.
    popularity = (die & 0xFFFFF) / (1 << 20)
    article, price = _product(int(_PRODUCTS * popularity * popularity), is_escaped)
    quantity = sign * (1 + (die >> 20) % 24)
    return f'{{"line_number":{line_number},{article},"quantity":{quantity},"unit_price":"{price}"}}'


@cache
def _product(number: int, is_escaped: bool) -> tuple[str, str]:
    name = (
        f"{_LOOKS[number % len(_LOOKS)]} {_THINGS[number // 9 % len(_THINGS)]}"
        f"{_ADDITIONS[number // 63 % len(_ADDITIONS)]}"
    )
    cents = 29 + number * 37 % 2_971
    text = json.dumps(name, ensure_ascii=is_escaped)
    return (
        f'"sku":"{20_000 + number}{"ABC"[number % 3]}","description":{text}',
        f"{cents // 100}.{cents % 100:02d}",
    )


@lru_cache(maxsize=50_000)
def _customer(die: int, is_escaped: bool) -> str:
    number = die % _CUSTOMERS
    country = _COUNTRIES[number % len(_COUNTRIES)]
    if die % 20 == 0:
        return f'{{"country":"{country}"}}'
    name = f"{_GIVEN[number % len(_GIVEN)]} {_FAMILY[number // 12 % len(_FAMILY)]}"
    return (
        f'{{"customer_id":"c-{number:06d}","name":{json.dumps(name, ensure_ascii=is_escaped)},'
        f'"email":"customer{number}@example.org","country":"{country}"}}'
    )


def _timestamp(seconds: int) -> str:
    days, rest = divmod(seconds, 86_400)
    return f"{_day(days)}T{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}Z"


@cache
def _day(days: int) -> str:
    return (_OPENED + timedelta(days=days)).isoformat()


def _dice(numbers: npt.NDArray[np.int64], salt: int) -> npt.NDArray[np.uint64]:
    """Return 64 even bits for each number (splitmix64), the same on every machine."""
    z = numbers.astype(np.uint64) + np.uint64((1 + salt * 0x632B_E59B_D9B4_E019) % (1 << 64))
    z = z * np.uint64(0x9E37_79B9_7F4A_7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58_476D_1CE4_E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D0_49BB_1331_11EB)
    return z ^ (z >> np.uint64(31))
