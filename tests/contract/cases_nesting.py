"""Cases of nesting: what is too deep must not depend on the stack of any parser."""

from collections.abc import Iterator
from typing import Final

from assets.contract.model import MAX_DEPTH
from assets.contract.reasons import Reason
from tests.contract.documents import ACCEPTED, WHOLE, Case, Raw, Verdict, inside, message
from tests.contract.grammar import quoted

# Levels below the event itself.
_DEPTHS: Final[tuple[tuple[int, Verdict], ...]] = (
    (MAX_DEPTH - 2, ACCEPTED),
    (MAX_DEPTH - 1, ACCEPTED),
    (MAX_DEPTH, Reason.NOT_JSON),
    (MAX_DEPTH + 1, Reason.NOT_JSON),
)


def nesting_cases() -> Iterator[Case]:
    """Yield the cases at the limit of nesting and far beyond it."""
    yield from _at_the_limit()
    yield from _far_beyond()


def _at_the_limit() -> Iterator[Case]:
    for count, verdict in _DEPTHS:
        label = f"{count + 1} levels of"
        yield Case(f"{label} arrays", inside(Raw(b"[" * count + b"]" * count)), verdict)
        objects = Raw(b'{"a":' * count + b"1" + b"}" * count)
        yield Case(f"{label} objects", inside(objects), verdict)
        mixed = Raw(b'[{"a":' * (count // 2) + b"[" * (count % 2) + b"]" * (count % 2) + b"}]" * (count // 2))
        full = mixed if count % 2 else Raw(mixed.bytes.replace(b":}", b":1}"))
        yield Case(f"{label} arrays and objects", inside(full), verdict)
        strings = Raw(b'["]]\\"]",' * count + b'"[["' + b"]" * count)
        yield Case(f"{label} arrays with brackets in strings", inside(strings), verdict)
        beside = Raw(b"[" + b"[[]]," * 400 + b"[" * (count - 1) + b"]" * count)
        yield Case(f"{label} arrays behind many shallow ones", inside(beside), verdict)
        # A line stands three levels deeper than the event.
        inner = Raw(b"[" * (count - 3) + b"]" * (count - 3))
        yield Case(f"{label} arrays in a line", message({"data.lines.1.gift": inner}), verdict)


def _far_beyond() -> Iterator[Case]:
    for count in (1_000, 100_000):
        deep = b"[" * count
        yield Case(f"{count} levels", inside(Raw(deep + b"]" * count)), Reason.NOT_JSON)
        yield Case(f"{count} levels, never closed", deep, Reason.NOT_JSON)
        yield Case(f"{count} levels of objects, never closed", b'{"a":' * count, Reason.NOT_JSON)
        yield Case(f"{count} levels of closing", WHOLE + b"]" * count, Reason.NOT_JSON)
        yield Case(f"{count} brackets in a text", message({"subject": "[{" * count}), ACCEPTED)
        yield Case(f"{count} siblings", inside(Raw(b"[" + b"[]," * count + b"{}]")), ACCEPTED)
        quotes = message({"subject": quoted(b'\\"[' * count)})
        yield Case(f"{count} escaped quotes and brackets in a text", quotes, ACCEPTED)
        yield Case(f"{count} escaped quotes, never closed", b'{"' + b'\\"[' * count, Reason.NOT_JSON)
