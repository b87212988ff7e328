"""The exact reference: one message, one verdict. Faster decoders must agree with it on every message."""

from dataclasses import dataclass
from datetime import datetime

from assets.contract.model import (
    CONTRACT_KEYS,
    CUSTOMER_FIELD,
    DATA_FIELD,
    LINES_FIELD,
    MAX_QUANTITY,
    MONEY_BOUND,
    RULES,
    SPECVERSION,
    SPECVERSION_FIELD,
    Field,
    FieldType,
    Place,
)
from assets.contract.reading import Findings, Row, present, read_columns, read_object
from assets.contract.reasons import Reason
from assets.contract.strict_json import JsonObject, JsonValue, NotJsonError, compact, lone_surrogate, parse


@dataclass(frozen=True, slots=True)
class AcceptedLine:
    """A line as in the lines frame: `unit_price` in ten-thousandths, `extra` the unknown fields as JSON."""

    line_number: int
    sku: str
    description: str | None
    quantity: int
    unit_price: int
    extra: str | None


@dataclass(frozen=True, slots=True)
class Accepted:
    """A message as in the events frame: money in ten-thousandths, moments naive UTC, absent money 0.

    `extra` is a JSON object of the unknown fields, as they are nested in the message:
    `{"trace":1,"data":{"channel":"web","customer":{"vip":true}}}`; None when there are none.
    """

    source: str
    event_id: str
    event_type: str
    subject: str | None
    order_id: str
    version: int
    kind: str
    status: str
    currency: str
    customer_id: str | None
    customer_name: str | None
    customer_email: str | None
    country: str | None
    placed_at: datetime
    occurred_at: datetime
    shipping: int
    discount: int
    tax: int
    extra: str | None
    lines: tuple[AcceptedLine, ...]


@dataclass(frozen=True, slots=True)
class Rejected:
    """The first reason that applies; `detail` names the path and the rule, never the value."""

    reason: Reason
    detail: str


def judge(body: bytes, *, max_bytes: int) -> Accepted | Rejected:
    """Judge one message; `max_bytes` is the size of the largest one that is not `too_large`.

    Reasons apply in their order over the whole message, so a missing field anywhere goes before a wrong
    type anywhere. Nothing beneath a field that is given twice is looked at.
    """
    if len(body) > max_bytes:
        return Rejected(Reason.TOO_LARGE, f"$: {len(body)} bytes, at most {max_bytes} are taken")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        return Rejected(Reason.NOT_UTF8, f"$: not UTF-8 at byte {error.start}")
    try:
        value = parse(body, text)
    except NotJsonError as error:
        return Rejected(Reason.NOT_JSON, f"$: {error}")
    if not isinstance(value, JsonObject):
        return Rejected(Reason.NOT_AN_EVENT, "$: must be an object")
    if not _is_event(value):
        return Rejected(
            Reason.NOT_AN_EVENT, f"{SPECVERSION_FIELD.path}: must be {RULES[FieldType.SPECVERSION]}"
        )
    findings = Findings()
    event, lines = _read_event(value, findings)
    broken = lone_surrogate(text, value)
    if broken is not None:
        findings.add(Reason.WRONG_TYPE, broken, "holds half a surrogate pair")
    _check_amounts(event, lines, findings)
    _check_lines(event.get("kind"), lines, findings)
    if findings.first is not None:
        return Rejected(findings.first.reason, findings.first.detail)
    return Accepted(**event, lines=tuple(AcceptedLine(**line) for line in lines))


def _is_event(event: JsonObject) -> bool:
    name = SPECVERSION_FIELD.name
    versions = (
        [value for key, value in event.pairs if key == name]
        if name in event.twice
        else [event.members.get(name)]
    )
    return all(version == SPECVERSION for version in versions)


def _read_event(event: JsonObject, findings: Findings) -> tuple[Row, list[Row]]:
    present(SPECVERSION_FIELD, event, "$", findings)
    row = read_columns(Place.EVENT, event, "$", findings)
    lines: list[Row] = []
    extra = _unknown(Place.EVENT, event)
    data = read_object(DATA_FIELD, event, "$", findings)
    if data is not None:
        path = DATA_FIELD.path
        row |= read_columns(Place.DATA, data, path, findings)
        lines = _read_lines(data, path, findings)
        unknown = _unknown(Place.DATA, data)
        customer = read_object(CUSTOMER_FIELD, data, path, findings) or JsonObject([])
        row |= read_columns(Place.CUSTOMER, customer, CUSTOMER_FIELD.path, findings)
        _nest(unknown, CUSTOMER_FIELD, _unknown(Place.CUSTOMER, customer))
        _nest(extra, DATA_FIELD, unknown)
    row["extra"] = _as_text(extra)
    return row, lines


def _read_lines(data: JsonObject, path: str, findings: Findings) -> list[Row]:
    value = present(LINES_FIELD, data, path, findings)
    if value is None:
        return []
    if not isinstance(value, list):
        findings.add(Reason.WRONG_TYPE, LINES_FIELD.path, f"must be {RULES[LINES_FIELD.type]}")
        return []
    if not value:
        findings.add(Reason.NO_LINES, LINES_FIELD.path, f"must be {RULES[LINES_FIELD.type]}")
    return [_read_line(item, _line_path(index), findings) for index, item in enumerate(value)]


def _read_line(item: JsonValue, path: str, findings: Findings) -> Row:
    if not isinstance(item, JsonObject):
        findings.add(Reason.WRONG_TYPE, path, "must be an object")
        return {}
    row = read_columns(Place.LINE, item, path, findings)
    row["extra"] = _as_text(_unknown(Place.LINE, item))
    return row


def _line_path(index: int) -> str:
    return f"{LINES_FIELD.path}[{index}]"


def _unknown(place: Place, container: JsonObject) -> list[tuple[str, JsonValue]]:
    known = CONTRACT_KEYS[place]
    return [pair for pair in container.pairs if pair[0] not in known]


def _nest(outer: list[tuple[str, JsonValue]], field: Field, inner: list[tuple[str, JsonValue]]) -> None:
    if inner:
        outer.append((field.name, JsonObject(inner)))


def _as_text(unknown: list[tuple[str, JsonValue]]) -> str | None:
    return compact(JsonObject(unknown)) if unknown else None


def _check_amounts(event: Row, lines: list[Row], findings: Findings) -> None:
    """Computed money keeps the bound of given money; what cannot be read is found already."""
    subtotal = 0
    for index, line in enumerate(lines):
        quantity, unit_price = line.get("quantity"), line.get("unit_price")
        if quantity is None or unit_price is None:
            return
        subtotal += quantity * unit_price
        if abs(quantity * unit_price) >= MONEY_BOUND:
            findings.add(
                Reason.BAD_MONEY, _line_path(index), "quantity times unit_price must be below 10^12 in size"
            )
    shipping, discount, tax = (event.get(name) for name in ("shipping", "discount", "tax"))
    if shipping is None or discount is None or tax is None:
        return
    if abs(subtotal) >= MONEY_BOUND:
        findings.add(Reason.BAD_MONEY, LINES_FIELD.path, "the subtotal must be below 10^12 in size")
    elif abs(subtotal + shipping + tax - discount) >= MONEY_BOUND:
        findings.add(Reason.BAD_MONEY, DATA_FIELD.path, "the total must be below 10^12 in size")


def _check_lines(kind: str | None, lines: list[Row], findings: Findings) -> None:
    seen: set[int] = set()
    for index, line in enumerate(lines):
        quantity, number = line.get("quantity"), line.get("line_number")
        if quantity is not None and not _fits(quantity, kind):
            findings.add(
                Reason.BAD_QUANTITY, f"{_line_path(index)}.quantity", f"must be {RULES[FieldType.QUANTITY]}"
            )
        if number in seen:
            findings.add(
                Reason.DUPLICATE_LINE, f"{_line_path(index)}.line_number", "stands in an earlier line"
            )
        elif number is not None:
            seen.add(number)


def _fits(quantity: int, kind: str | None) -> bool:
    return 0 < (-quantity if kind == "return" else quantity) <= MAX_QUANTITY
