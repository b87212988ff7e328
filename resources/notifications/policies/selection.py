"""Dagster's asset selection syntax, the part of it that an event can answer: from text to a tree.

`key:`, `key_substring:`, `group:`, `kind:`, `owner:`, `tag:`, `code_location:`, with `*` in the values,
`and`, `or`, `not`, brackets, `*` alone, a bare key; and `+x`, `2+x`, `x+`, `x+2`, `sinks(x)`, `roots(x)`,
which need the asset graph.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

_TOKEN = re.compile(
    r'\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<mark>[()+:=])|(?P<word>[^\s()+:="]+)|(?P<bad>\S))'
)
_ATTRIBUTES = ("key", "key_substring", "group", "kind", "owner", "tag", "code_location")
_ELSEWHERE = ("column", "column_tag", "table_name", "changed_in_branch", "status")
_UNSET = "<null>"
_DEEPEST = 50
UNLIMITED = -1


class SelectionError(ValueError):
    """A selection that cannot be read, or asks for what an event does not say."""


@dataclass(frozen=True, slots=True)
class Everything:
    """`*`: every asset."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """`name:value`; `pattern` stands for a value with `*`, and `value` is None for `<null>`."""

    name: str
    value: str | None
    pattern: re.Pattern[str] | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Not:
    """What is not selected by `part`."""

    part: "Selection"


@dataclass(frozen=True, slots=True)
class Both:
    """What all the parts select (`and`)."""

    parts: tuple["Selection", ...]


@dataclass(frozen=True, slots=True)
class Either:
    """What any of the parts selects (`or`)."""

    parts: tuple["Selection", ...]


@dataclass(frozen=True, slots=True)
class Walk:
    """The selected and what lies so many steps up and down in the graph; UNLIMITED steps go to the end."""

    part: "Selection"
    up: int
    down: int


@dataclass(frozen=True, slots=True)
class Ends:
    """Of the selected, those with nothing above (`roots`) or below (`sinks`) them among the selected."""

    part: "Selection"
    side: Literal["roots", "sinks"]


Selection: TypeAlias = Everything | Attribute | Not | Both | Either | Walk | Ends


def parse_selection(text: str) -> Selection:
    """Return the tree of a selection; raises SelectionError that names the place."""
    parser = _Parser(text, _tokens(text))
    tree = parser.either(0)
    if parser.peek() is not None:
        raise parser.error("an operator (and, or) is missing")
    return tree


def needs_graph(tree: Selection) -> bool:
    """Say whether the tree asks for lineage, which an event does not carry."""
    if isinstance(tree, Walk | Ends):
        return True
    if isinstance(tree, Not):
        return needs_graph(tree.part)
    return isinstance(tree, Both | Either) and any(needs_graph(part) for part in tree.parts)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: Literal["quoted", "mark", "word"]
    text: str
    at: int


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    for match in _TOKEN.finditer(text):
        if match["bad"] is not None:
            raise SelectionError(f"the selection {text!r} has an open quotation mark")
        if match["quoted"] is not None:
            found.append(_Token("quoted", re.sub(r"\\(.)", r"\1", match["quoted"]), match.start()))
        elif match["mark"]:
            found.append(_Token("mark", match["mark"], match.start()))
        else:
            found.append(_Token("word", match["word"], match.start()))
    return found


class _Parser:
    """Recursive descent: or, and, not, +traversal+, then one term."""

    def __init__(self, text: str, tokens: list[_Token]) -> None:
        self._text = text
        self._tokens = tokens
        self._next = 0

    def peek(self, ahead: int = 0) -> _Token | None:
        place = self._next + ahead
        return self._tokens[place] if place < len(self._tokens) else None

    def error(self, problem: str) -> SelectionError:
        token = self.peek()
        where = "at its end" if token is None else f"at {self._text[token.at :].strip()[:30]!r}"
        return SelectionError(f"the selection {self._text!r}: {problem}, {where}")

    def either(self, depth: int) -> Selection:
        """Read one whole selection: ands, joined by ors."""
        return self._chain("or", lambda: self._chain("and", lambda: self._negated(depth), Both), Either)

    def _chain(
        self,
        word: str,
        part: Callable[[], Selection],
        joined: Callable[[tuple[Selection, ...]], Selection],
    ) -> Selection:
        parts = [part()]
        while self._took("word", word):
            parts.append(part())
        return parts[0] if len(parts) == 1 else joined(tuple(parts))

    def _negated(self, depth: int) -> Selection:
        if depth > _DEEPEST:
            raise self.error(f"more than {_DEEPEST} levels")
        if self._took("word", "not"):
            return Not(self._negated(depth + 1))
        return self._walked(depth)

    def _walked(self, depth: int) -> Selection:
        up = self._steps_before()
        part = self._term(depth)
        down = self._steps_after()
        return part if up == 0 and down == 0 else Walk(part, up, down)

    def _steps_before(self) -> int:
        token, after = self.peek(), self.peek(1)
        if self._took("mark", "+"):
            return UNLIMITED
        if token and token.text.isdecimal() and after and (after.kind, after.text) == ("mark", "+"):
            self._next += 2
            return int(token.text)
        return 0

    def _steps_after(self) -> int:
        if not self._took("mark", "+"):
            return 0
        token = self.peek()
        if token and token.kind == "word" and token.text.isdecimal():
            self._next += 1
            return int(token.text)
        return UNLIMITED

    def _term(self, depth: int) -> Selection:
        if self._took("mark", "("):
            tree = self.either(depth + 1)
            self._demand(")")
            return tree
        token = self.peek()
        if token is None or token.kind == "mark" or token.text in ("and", "or"):
            raise self.error("a term is missing")
        self._next += 1
        if token.kind == "word":
            after = self.peek()
            if after is not None and after.kind == "mark" and after.text == ":":
                return self._attribute(token.text)
            if token.text in ("sinks", "roots") and after is not None and after.text == "(":
                return self._ends(token.text, depth)
            if token.text == "*":
                return Everything()
        return _attribute("key", token)

    def _ends(self, side: str, depth: int) -> Selection:
        self._demand("(")
        tree = self.either(depth + 1)
        self._demand(")")
        return Ends(tree, "sinks" if side == "sinks" else "roots")

    def _attribute(self, name: str) -> Selection:
        if name in _ELSEWHERE:
            raise self.error(f"{name}: is not known to events; use one of {', '.join(_ATTRIBUTES)}")
        if name not in _ATTRIBUTES:
            raise self.error(f"there is no attribute {name}: use one of {', '.join(_ATTRIBUTES)}")
        self._demand(":")
        value = self._value()
        if name == "tag" and self._took("mark", "="):
            return _attribute("tag", _Token(value.kind, f"{value.text}={self._value().text}", value.at))
        if name == "key_substring":
            return Attribute("key", value.text, re.compile(f".*{re.escape(value.text)}.*", re.DOTALL))
        return _attribute(name, value)

    def _value(self) -> _Token:
        token = self.peek()
        if token is None or token.kind == "mark":
            raise self.error("a value is missing")
        self._next += 1
        return token

    def _demand(self, mark: str) -> None:
        if not self._took("mark", mark):
            raise self.error(f"{mark!r} is missing")

    def _took(self, kind: str, text: str) -> bool:
        token = self.peek()
        if token is None or (token.kind, token.text) != (kind, text):
            return False
        self._next += 1
        return True


def _attribute(name: str, token: _Token) -> Attribute:
    if token.text == _UNSET:
        return Attribute(name, None)
    if "*" not in token.text:
        return Attribute(name, token.text)
    pattern = ".*".join(re.escape(part) for part in token.text.split("*"))
    return Attribute(name, token.text, re.compile(pattern, re.DOTALL))
