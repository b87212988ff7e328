"""Hypothesis strategies for messages: valid ones in any spelling, and ones broken in form or in content.

`valid_messages()` are accepted by the contract. `mutated_messages()` begin as valid ones and may still be:
about every third is. Both give bytes, for `judge` as for whatever must agree with it.
"""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from hypothesis import strategies as st

from assets.contract.model import CONTRACT_KEYS, KINDS, STATUSES
from tests.contract.cases_fields import VALUES
from tests.contract.documents import Document, Raw, twice
from tests.contract.styles import styles, write
from tests.contract.values import (
    BAD_CURRENCIES,
    BAD_KINDS,
    BAD_STATUSES,
    COUNTERS,
    MONEY_NUMBERS,
    MONEY_TEXTS,
    ODD_TEXTS,
    QUANTITIES,
    TIMES,
)

_FRAGMENTS: Final = (
    *(b'"', b"\\", b",", b":", b"{", b"}", b"[", b"]", b"0", b"-", b".", b"e5", b"null", b"NaN", b"\\u0000"),
    *(
        b"\\ud800",
        b"\\u00",
        b"\x00",
        b"\n",
        b"\x1f",
        b"\x7f",
        b"\xff",
        b"\xc3",
        b"\xed\xa0\x80",
        b"\xef\xbb\xbf",
    ),
)
_NAMES: Final = tuple(sorted({name for names in CONTRACT_KEYS.values() for name in names}))
_MONEY: Final[tuple[Document, ...]] = (*MONEY_TEXTS, *(Raw(text.encode()) for text in MONEY_NUMBERS))
_COUNTERS: Final[tuple[Document, ...]] = tuple(Raw(text.encode()) for text in COUNTERS)
_ODD: Final[tuple[Document, ...]] = (
    *VALUES.values(),
    None,
    Raw(b'"\\ud800"'),
    Raw(b"[" * 300 + b"]" * 300),
    *ODD_TEXTS[:-1],
)
# What a field may well hold, right or wrong; whatever has no entry gets one of the odd values.
_LIKELY: Final[Mapping[str, tuple[Document, ...]]] = MappingProxyType(
    {
        **dict.fromkeys(("time", "placed_at"), tuple(TIMES)),
        **dict.fromkeys(("unit_price", "shipping", "discount", "tax"), _MONEY),
        **dict.fromkeys(("version", "line_number"), _COUNTERS),
        "quantity": tuple(Raw(text.encode()) for text in QUANTITIES),
        "currency": (*BAD_CURRENCIES, "USD"),
        "status": (*BAD_STATUSES, *STATUSES),
        "kind": (*BAD_KINDS, *KINDS),
        "lines": ([], [None], [{}]),
    }
)

texts = st.sampled_from(["a", "o-1", "Zoë", "", *ODD_TEXTS[:-1]]) | st.text(
    st.characters(exclude_categories=["Cs"]), max_size=6
)
identifiers = texts.filter(bool)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | texts
    | st.sampled_from([Raw(b"1.10"), Raw(b"-0"), Raw(b"1E400")]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)


def _spell_money(size: int, spelling: int) -> Document:
    sign, digits = "-" if size < 0 else "", f"{abs(size):05d}"
    plain = f"{sign}{digits[:-4]}.{digits[-4:]}"
    short = plain.rstrip("0").rstrip(".")
    spelled = (plain, short, plain + "00", f"{size}e-4")[spelling // 2]
    return spelled if spelling % 2 and "e" not in spelled else Raw(spelled.encode())


def _spell_moment(moment: datetime, offset: int, spelling: int) -> str:
    local = moment + timedelta(minutes=offset)
    fraction = f".{local.microsecond:06d}"
    fraction = (fraction, fraction + "000", fraction.rstrip("0").rstrip("."))[spelling % 3]
    utc = ("Z", "z", "+00:00", "-00:00")[spelling % 4]
    signed = f"{'-' if offset < 0 else '+'}{abs(offset) // 60:02d}:{abs(offset) % 60:02d}"
    return local.isoformat()[:19] + fraction + (signed if offset else utc)


moneys: Final = st.builds(_spell_money, st.integers(-(10**10), 10**10), st.integers(0, 7))
"""Amounts of up to a million, as text or number, in all their spellings."""

timestamps: Final = st.builds(
    _spell_moment,
    st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29)),  # noqa: DTZ001
    st.sampled_from([0, 0, 60, -90, 345, 1439, -1439]),
    st.integers(0, 11),
)
"""Moments by RFC 3339, in any offset and with any number of decimals that keeps them exact."""


def _optional(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


def _with_unknown(fields: st.SearchStrategy[dict[str, Any]], place: str) -> st.SearchStrategy[dict[str, Any]]:
    names = texts.filter(lambda name: name not in CONTRACT_KEYS[place])
    unknown: st.SearchStrategy[dict[str, Any]] = (
        st.just({}) | st.just({}) | st.dictionaries(names, json_values, max_size=2)
    )
    return st.builds(lambda known, others: {**known, **others}, fields, unknown)


def _lines(sign: int) -> st.SearchStrategy[list[dict[str, Any]]]:
    line = st.fixed_dictionaries(
        {
            "line_number": st.integers(1, 9) | st.integers(1, 2**63 - 1),
            "sku": identifiers,
            "quantity": st.integers(1, 1000).map(lambda units: sign * units),
            "unit_price": moneys,
        },
        optional={"description": _optional(texts)},
    )
    lines = _with_unknown(line, "line")
    return st.lists(lines, min_size=1, max_size=4, unique_by=lambda each: each["line_number"])


def _orders(kind: str, sign: int) -> st.SearchStrategy[dict[str, Any]]:
    customer = st.fixed_dictionaries(
        {}, optional={name: _optional(texts) for name in sorted(CONTRACT_KEYS["customer"])}
    )
    data = st.fixed_dictionaries(
        {
            "order_id": identifiers,
            "kind": st.just(kind),
            "status": st.sampled_from(STATUSES),
            "currency": st.sampled_from(["EUR", "GBP", "XXX"]),
            "placed_at": timestamps,
            "lines": _lines(sign),
        },
        optional={
            "version": _optional(st.integers(1, 9) | st.integers(1, 2**63 - 1)),
            "customer": _optional(_with_unknown(customer, "customer")),
            **{name: _optional(moneys) for name in ("shipping", "discount", "tax")},
        },
    )
    event = st.fixed_dictionaries(
        {
            "specversion": st.just("1.0"),
            "id": identifiers,
            "source": identifiers,
            "type": texts.map(lambda text: f"order.{text}"),
            "time": timestamps,
            "data": _with_unknown(data, "data"),
        },
        optional={"subject": _optional(texts)},
    )
    return _with_unknown(event, "event")


orders: Final = _orders("sale", 1) | _orders("return", -1)
"""Valid events, as documents."""


def valid_messages() -> st.SearchStrategy[bytes]:
    """Return messages that the contract accepts."""
    return st.builds(write, orders, styles)


@st.composite
def mutated_documents(draw: st.DrawFn) -> Document:
    """Return an order with up to three fields left out, replaced, moved, added or given twice."""
    document = deepcopy(draw(orders))
    for _ in range(draw(st.integers(0, 2))):
        _mutate(draw, document)
    if not draw(st.integers(0, 7)):
        return _with_twice(draw, document)
    return document


def _mutate(draw: st.DrawFn, document: dict[str, Any]) -> None:
    containers = [*_containers(document)]
    fields = [
        (each, name) for each in containers if isinstance(each, dict) for name in each if name in _LIKELY
    ]
    takes_field = draw(st.booleans())
    if fields and takes_field:
        target, name = draw(st.sampled_from(fields))
        target[name] = draw(st.sampled_from(_LIKELY[name]))
        return
    container = draw(st.sampled_from(containers))
    keys = list(container) if isinstance(container, dict) else list(range(len(container)))
    key = draw(st.sampled_from(keys)) if keys else None
    action = draw(st.sampled_from(["replace", "remove", "copy", "wrap", "add"]))
    if action == "add" or key is None:
        name, value = draw(st.sampled_from(_NAMES)), draw(st.sampled_from(_ODD) | json_values)
        container.append(value) if isinstance(container, list) else container.update({name: value})
    elif action == "remove":
        del container[key]
    elif action == "copy":
        container[draw(st.sampled_from(keys))] = deepcopy(container[key])
    elif action == "wrap":
        container[key] = [container[key]]
    else:
        container[key] = draw(st.sampled_from(_ODD) | json_values)


def _with_twice(draw: st.DrawFn, document: dict[str, Any]) -> Document:
    """Return the event with a field given twice, in the event or one object below."""
    below = [key for key, value in document.items() if isinstance(value, dict) and value]
    place = draw(st.sampled_from([None, *below]))
    target = document if place is None else document[place]
    name = draw(st.sampled_from([*target]))
    other = draw(st.just(target[name]) | st.sampled_from(_ODD))
    doubled = twice(target, name, other)
    return doubled if place is None else {**document, place: doubled}


def _containers(value: object) -> Iterator[Any]:
    if isinstance(value, dict | list):
        yield value
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _containers(inner)


@st.composite
def mutated_messages(draw: st.DrawFn) -> bytes:
    """Return messages that are changed as documents, and now and then as bytes too."""
    body = write(draw(mutated_documents()), draw(styles))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 3]))):
        start = draw(st.integers(0, len(body)))
        length = draw(st.sampled_from([0, 1, 1, 2, 20]))
        fragment = draw(st.just(b"") | st.sampled_from(_FRAGMENTS) | st.binary(max_size=2))
        repeated = body[start : start + length] * draw(st.sampled_from([0, 0, 1, 2]))
        body = body[:start] + fragment + repeated + body[start + length :]
    return body
