"""JSON by RFC 8259 exactly, keeping what other readers lose: keys given twice, numbers as written."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, NoReturn, TypeAlias

from assets.contract.model import MAX_DEPTH


class NotJsonError(ValueError):
    """The text is not one JSON value; the message says where."""


class Number:
    """A JSON number as it is written, of any size and precision."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


class JsonObject:
    """A JSON object: `pairs` as written, `members` by name (the last of each), the names given `twice`."""

    __slots__ = ("members", "pairs", "twice")

    def __init__(self, pairs: "list[tuple[str, JsonValue]]") -> None:
        self.pairs = pairs
        self.members = dict(pairs)
        self.twice = frozenset[str]() if len(self.members) == len(pairs) else _repeated(pairs)


JsonValue: TypeAlias = "bool | str | Number | JsonObject | list[JsonValue] | None"

_NOT_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
# The closing quote is optional, so that an unterminated string costs one pass and not one for each quote.
_STRING: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_STEPS: Final = tuple({91: 1, 123: 1, 93: -1, 125: -1}.get(byte, 0) for byte in range(256))
_SURROGATE_ESCAPE: Final = re.compile(r"\\u[dD][89a-fA-F]")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_NAME_SHOWN: Final = 60


def parse(body: bytes, text: str) -> JsonValue:
    """Parse one JSON value; `text` is `body`, decoded from UTF-8. Raises NotJsonError.

    Nesting is measured before parsing, so that the verdict does not depend on any parser's stack.
    """
    if depth(body) > MAX_DEPTH:
        raise NotJsonError(f"nested deeper than {MAX_DEPTH} levels")
    try:
        value: JsonValue = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise NotJsonError(f"not JSON at character {error.pos}") from None
    return value


def depth(body: bytes) -> int:
    """Return a bound of the nesting of a text, exact where the text is JSON and deep."""
    openings = body.count(b"[") + body.count(b"{")
    if openings <= MAX_DEPTH:
        return openings
    brackets = _STRING.sub(b"", body).translate(None, _NOT_BRACKETS)
    return max(accumulate(map(_STEPS.__getitem__, brackets)), default=0)


def lone_surrogate(text: str, value: JsonValue) -> str | None:
    """Return the path of the first string or name with half a surrogate pair, or None."""
    if _SURROGATE_ESCAPE.search(text) is None:
        return None
    pending = [("$", value)]
    while pending:
        path, item = pending.pop()
        if isinstance(item, str) and _SURROGATE.search(item):
            return path
        if isinstance(item, list):
            pending.extend((f"{path}[{i}]", item[i]) for i in reversed(range(len(item))))
        elif isinstance(item, JsonObject):
            named = [(f"{path}.{_shown(name)}", name, member) for name, member in item.pairs]
            broken = next((inner for inner, name, _ in named if _SURROGATE.search(name)), None)
            if broken is not None:
                return broken
            pending.extend((inner, member) for inner, _, member in reversed(named))
    return None


def compact(value: JsonValue) -> str:
    """Return the value as JSON text without blanks: keys in order, numbers as written."""
    return "".join(_tokens(value))


def _tokens(value: JsonValue) -> Iterator[str]:
    pending: list[JsonValue | _Verbatim] = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, _Verbatim):
            yield item.text
        elif isinstance(item, JsonObject):
            parts: list[JsonValue | _Verbatim] = []
            for name, member in item.pairs:
                parts += [_Verbatim(("," if parts else "{") + _ENCODER.encode(name) + ":"), member]
            pending += reversed([*parts, _Verbatim("}" if parts else "{}")])
        elif isinstance(item, list):
            parts = []
            for element in item:
                parts += [_Verbatim("," if parts else "["), element]
            pending += reversed([*parts, _Verbatim("]" if parts else "[]")])
        else:
            yield item.text if isinstance(item, Number) else _ENCODER.encode(item)


@dataclass(frozen=True, slots=True)
class _Verbatim:
    text: str


def _repeated(pairs: list[tuple[str, JsonValue]]) -> frozenset[str]:
    counts = Counter(name for name, _ in pairs)
    return frozenset(name for name, count in counts.items() if count > 1)


def _shown(name: str) -> str:
    # A detail is stored as UTF-8 and read by people: half a surrogate pair or a page of text must not get in.
    if name.isidentifier() and name.isascii() and len(name) <= _NAME_SHOWN:
        return name
    return json.dumps(name if len(name) <= _NAME_SHOWN else name[:_NAME_SHOWN] + "…")


def _refuse_constant(name: str) -> NoReturn:
    raise NotJsonError(f"{name} is not JSON")


_ENCODER: Final = json.JSONEncoder(ensure_ascii=False)
_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=JsonObject, parse_float=Number, parse_int=Number, parse_constant=_refuse_constant
)
