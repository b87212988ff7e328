"""Cases for every field of the contract: absent, null, given twice, and of every other type."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from assets.contract.model import FIELDS, Field, FieldType, Place
from assets.contract.reasons import Reason
from tests.contract.documents import (
    ABSENT,
    ACCEPTED,
    Case,
    Document,
    Raw,
    Verdict,
    changed,
    message,
    part,
    render,
    twice,
)

PREFIXES: Final[Mapping[Place, tuple[str, ...]]] = MappingProxyType(
    {
        Place.EVENT: ("",),
        Place.DATA: ("data.",),
        Place.CUSTOMER: ("data.customer.",),
        Place.LINE: ("data.lines.0.", "data.lines.1."),
    }
)
VALUES: Final[Mapping[str, Document]] = MappingProxyType(
    {
        "true": True,
        "false": False,
        "0": 0,
        "5": 5,
        "1.5": Raw(b"1.5"),
        "5.0": Raw(b"5.0"),
        "5e0": Raw(b"5e0"),
        "-0": Raw(b"-0"),
        "a huge number": Raw(b"9" * 5000),
        "beyond 64 bits": Raw(b"9223372036854775808"),
        "beyond a double": Raw(b"1e400"),
        "''": "",
        "'x'": "x",
        "'5'": "5",
        "'null'": "null",
        "[]": [],
        "[null]": [None],
        "[5]": [5],
        "{}": {},
        "{'a': 5}": {"a": 5},
    }
)
_TEXTS: Final = ("''", "'x'", "'5'", "'null'")
_NUMBERS: Final = ("0", "5", "1.5", "5.0", "5e0", "-0", "a huge number", "beyond 64 bits", "beyond a double")


def _all(labels: tuple[str, ...], verdict: Verdict) -> dict[str, Verdict]:
    return dict.fromkeys(labels, verdict)


_OF_TEXT: Final = _all(_TEXTS, ACCEPTED)
# What a field of each type makes of VALUES; what is not named is wrong_type.
VERDICTS: Final[Mapping[FieldType, Mapping[str, Verdict]]] = MappingProxyType(
    {
        FieldType.SPECVERSION: _all(tuple(VALUES), Reason.NOT_AN_EVENT),
        FieldType.IDENTIFIER: _OF_TEXT | {"''": Reason.MISSING_FIELD},
        FieldType.TEXT: _OF_TEXT,
        FieldType.EVENT_TYPE: {},
        FieldType.TIMESTAMP: _all(_TEXTS, Reason.BAD_TIMESTAMP),
        FieldType.COUNTER: {"5": ACCEPTED},
        FieldType.QUANTITY: {"5": ACCEPTED, "0": Reason.BAD_QUANTITY, "-0": Reason.BAD_QUANTITY},
        FieldType.MONEY: {
            **_all(_NUMBERS, ACCEPTED),
            **_all(("a huge number", "beyond 64 bits", "beyond a double"), Reason.BAD_MONEY),
            **_all(_TEXTS, Reason.BAD_MONEY),
            "'5'": ACCEPTED,
        },
        FieldType.CURRENCY: _all(_TEXTS, Reason.BAD_CURRENCY),
        FieldType.STATUS: _all(_TEXTS, Reason.BAD_STATUS),
        FieldType.KIND: _all(_TEXTS, Reason.BAD_KIND),
        FieldType.OBJECT: _all(("{}", "{'a': 5}"), Reason.MISSING_FIELD),
        FieldType.LINES: {"[]": Reason.NO_LINES},
    }
)
# The empty identifier of nobody is like none at all, and the customer may be anything inside.
_EXCEPTIONS: Final[Mapping[tuple[str, str], Verdict]] = MappingProxyType(
    {
        ("customer_id", "''"): ACCEPTED,
        ("customer", "{}"): ACCEPTED,
        ("customer", "{'a': 5}"): ACCEPTED,
    }
)


def field_cases() -> Iterator[Case]:
    """Yield the cases of every field in every place."""
    for field in FIELDS:
        for prefix in PREFIXES[field.place]:
            path = prefix + field.name
            yield from _gone(field, path)
            yield from _types(field, path)
            yield from _twice(field, prefix)
    yield from _unknown_fields()
    yield from _several_at_once()


def _gone(field: Field, path: str) -> Iterator[Case]:
    verdict: Verdict = Reason.MISSING_FIELD if field.required else ACCEPTED
    if field.type is FieldType.SPECVERSION:
        verdict = Reason.NOT_AN_EVENT
    yield Case(f"{path} absent", message({path: ABSENT}), verdict)
    yield Case(f"{path} null", message({path: None}), verdict)
    name = field.name.upper()
    renamed = changed({path: ABSENT, path.removesuffix(field.name) + name: "x"})
    yield Case(f"{path} in capitals", render(renamed), verdict)
    padded = changed({path: ABSENT, f"{path} ": "x"})
    yield Case(f"{path} with a blank in its name", render(padded), verdict)


def _types(field: Field, path: str) -> Iterator[Case]:
    for label, value in VALUES.items():
        verdict = VERDICTS[field.type].get(label, Reason.WRONG_TYPE)
        verdict = _EXCEPTIONS.get((field.name, label), verdict)
        yield Case(f"{path} = {label}", message({path: value}), verdict)


def _twice(field: Field, prefix: str) -> Iterator[Case]:
    path = prefix.removesuffix(".")
    whole = part(path)
    first = whole[field.name]
    escaped = f"\\u{ord(field.name[0]):04x}{field.name[1:]}"
    # Both of two equal versions say that it is an event; of two that differ, one does not.
    is_version = field.type is FieldType.SPECVERSION
    differing: Verdict = Reason.NOT_AN_EVENT if is_version else Reason.WRONG_TYPE
    variants: tuple[tuple[str, Document, str | None, Verdict], ...] = (
        ("the same", first, None, Reason.WRONG_TYPE),
        ("another", "x", None, differing),
        ("a null", None, None, differing),
        ("an object", {"a": [1]}, None, differing),
        ("the same, escaped", first, escaped, Reason.WRONG_TYPE),
        ("a null, escaped", None, escaped, differing),
    )
    for label, value, spelled, verdict in variants:
        yield Case(
            f"{prefix}{field.name} and {label}",
            _with(path, twice(whole, field.name, value, spelled)),
            verdict,
        )
    nothing_first = twice({**whole, field.name: None}, field.name, first)
    yield Case(f"{prefix}{field.name} null and then a value", _with(path, nothing_first), differing)
    nothing_at_all = twice({**whole, field.name: None}, field.name, None)
    yield Case(f"{prefix}{field.name} null and null", _with(path, nothing_at_all), differing)
    thrice = twice({**whole, field.name: "x"}, field.name, "x")
    more = render(thrice)[:-1] + b"," + render({field.name: first})[1:]
    yield Case(f"{prefix}{field.name} three times", _with(path, Raw(more)), differing)


def _with(path: str, value: Document) -> bytes:
    return message({path: value}) if path else render(value)


def _unknown_fields() -> Iterator[Case]:
    for prefixes in PREFIXES.values():
        for prefix in prefixes:
            path = prefix.removesuffix(".")
            whole = part(path)
            for name in (
                "x",
                "",
                " ",
                "id ",
                "data.id",
                "$",
                "__proto__",
                "größe",
                "😀",
                'q"',
                "a\\b",
                "\n",
                "extra",
            ):
                document: Document = {**whole, name: {"a": [1, "ü", None]}}
                yield Case(f"unknown {prefix}{name!r}", _with(path, document), ACCEPTED)
            yield Case(f"unknown {prefix}x twice", _with(path, twice({**whole, "x": 1}, "x", 2)), ACCEPTED)
            yield Case(f"unknown {prefix}x null", _with(path, {**whole, "x": None}), ACCEPTED)
            many = {**whole, **{f"x{index}": index for index in range(300)}}
            yield Case(f"300 unknown fields in {path or 'the event'}", _with(path, many), ACCEPTED)
            first = {"x": Raw(b"1.10"), **whole}
            yield Case(f"unknown {prefix}x first", _with(path, first), ACCEPTED)
            backwards = dict(reversed(whole.items()))
            yield Case(f"fields of {path or 'the event'} backwards", _with(path, backwards), ACCEPTED)
            nested = {**whole, "x": {"specversion": 1, "id": None, "lines": [], "id ": 1}}
            yield Case(f"contract names inside unknown {prefix}x", _with(path, nested), ACCEPTED)
            doubled = Raw(b'{"id":1,"id":2,"lines":[],"lines":null}')
            yield Case(
                f"contract names twice inside unknown {prefix}x",
                _with(path, {**whole, "x": doubled}),
                ACCEPTED,
            )
    for name in ("datacontenttype", "dataschema", "data_base64", "traceparent"):
        yield Case(f"CloudEvents attribute {name}", message({name: "application/json"}), ACCEPTED)
    for name in ("line_number", "sku", "order_id", "customer", "lines", "version", "customer_id", "event_id"):
        yield Case(f"{name} at the level of the event", message({name: 7}), ACCEPTED)
    for name in ("id", "time", "specversion", "source", "customer_id", "sku", "country", "data"):
        yield Case(f"{name} at the level of the data", message({f"data.{name}": 7}), ACCEPTED)


def _several_at_once() -> Iterator[Case]:
    optional = {f"{PREFIXES[field.place][0]}{field.name}": None for field in FIELDS if not field.required}
    inner = {path: value for path, value in optional.items() if path != "data.customer"}
    yield Case("every optional field null, customer an object", message(inner), ACCEPTED)
    outer = {path: value for path, value in optional.items() if not path.startswith("data.customer.")}
    yield Case("every optional field null", message(outer), ACCEPTED)
    yield Case("every optional field absent", message(dict.fromkeys(outer, ABSENT)), ACCEPTED)
    yield Case("a country without a customer", message({"data.customer": {"country": "FR"}}), ACCEPTED)
    items: tuple[Document, ...] = (None, 5, "x", [], True, [{"line_number": 1}])
    for item in items:
        yield Case(f"a line that is {item!r}", message({"data.lines.1": item}), Reason.WRONG_TYPE)
        yield Case(f"the only line is {item!r}", message({"data.lines": [item]}), Reason.WRONG_TYPE)
    yield Case("an empty line", message({"data.lines.1": {}}), Reason.MISSING_FIELD)
    yield Case("data is null and the id is a number", message({"data": None, "id": 5}), Reason.MISSING_FIELD)
    yield Case("data is a number and the id is null", message({"data": 5, "id": None}), Reason.MISSING_FIELD)
    yield Case(
        "data is a text that holds the data",
        message({"data": render(part("data")).decode()}),
        Reason.WRONG_TYPE,
    )
    yield Case(
        "lines are an object of lines",
        message({"data.lines": {"0": part("data.lines.0")}}),
        Reason.WRONG_TYPE,
    )
    yield Case("lines are one line", message({"data.lines": part("data.lines.0")}), Reason.WRONG_TYPE)
    inside_twice = twice({**part(""), "data": {"order_id": 5}}, "data", {})
    yield Case("nothing beneath a field given twice is looked at", render(inside_twice), Reason.WRONG_TYPE)
