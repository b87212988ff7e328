"""Cases below the contract: bytes that are no UTF-8, no JSON, no event, or odd but right."""

from collections.abc import Iterator
from typing import Final

from assets.contract.reasons import Reason
from tests.contract.documents import (
    ACCEPTED,
    ORDER,
    WHOLE,
    Case,
    Raw,
    Verdict,
    changed,
    inside,
    message,
    render,
)
from tests.contract.grammar import BAD, GOOD, LONE_SURROGATES, NOT_UTF8, quoted

_UNKNOWN_PLACES: Final = ("trace", "data.channel", "data.customer.vip", "data.lines.1.gift")


def json_cases() -> Iterator[Case]:
    """Yield the cases of grammar and encoding."""
    yield from _texts_alone()
    yield from _texts_inside()
    yield from _surrogates()
    yield from _control_characters()
    yield from _encodings()
    yield from _around()
    yield from _cut()
    yield from _not_events()


def _texts_alone() -> Iterator[Case]:
    for text in BAD:
        yield Case(f"alone, not JSON: {_shown(text)}", text, Reason.NOT_JSON)
    for text in (*GOOD, *LONE_SURROGATES):
        yield Case(f"alone, JSON but no event: {_shown(text)}", text, Reason.NOT_AN_EVENT)
    for sequence in NOT_UTF8:
        yield Case(f"alone, not UTF-8: {_shown(sequence)}", b'["' + sequence + b'"]', Reason.NOT_UTF8)


def _texts_inside() -> Iterator[Case]:
    for text in BAD:
        yield Case(f"unknown field, not JSON: {_shown(text)}", inside(Raw(text)), Reason.NOT_JSON)
        line = changed({"data.lines.1.description": Raw(text)})
        yield Case(f"description, not JSON: {_shown(text)}", render(line), Reason.NOT_JSON)
    for text in GOOD:
        yield Case(f"unknown field, JSON: {_shown(text)}", inside(Raw(text)), ACCEPTED)
    for index, text in enumerate(GOOD):
        place = _UNKNOWN_PLACES[index % len(_UNKNOWN_PLACES)]
        yield Case(f"unknown field {place}: {_shown(text)}", message({place: Raw(text)}), ACCEPTED)


def _surrogates() -> Iterator[Case]:
    for text in LONE_SURROGATES:
        yield Case(f"unknown field, lone surrogate: {_shown(text)}", inside(Raw(text)), Reason.WRONG_TYPE)
        if text.startswith(b'"'):
            for path in ("id", "subject", "data.order_id", "data.customer.name", "data.lines.1.description"):
                yield Case(
                    f"{path}, lone surrogate: {_shown(text)}", message({path: Raw(text)}), Reason.WRONG_TYPE
                )
    for place in ("", "data.", "data.customer.", "data.lines.0."):
        broken = changed({f"{place}NAME": 1})
        yield Case(
            f"lone surrogate in an unknown name beside {place}*",
            render(broken).replace(b'"NAME"', b'"\\ud800"'),
            Reason.WRONG_TYPE,
        )
    late = b'{"specversion":"2.0","id":"\\ud800"}'
    yield Case("lone surrogate in what is no event", late, Reason.NOT_AN_EVENT)
    missing = changed({"subject": Raw(b'"\\ud800"'), "data.currency": None})
    yield Case("lone surrogate and a missing field", render(missing), Reason.MISSING_FIELD)
    later = changed({"data.lines.1.sku": Raw(b'"\\udc00"'), "time": "x"})
    yield Case("lone surrogate and a bad timestamp", render(later), Reason.WRONG_TYPE)


def _control_characters() -> Iterator[Case]:
    for code in range(0x20):
        raw, escaped = quoted(b"a" + bytes([code]) + b"b"), quoted(b"a\\u%04xb" % code)
        yield Case(
            f"raw control character {code:02x}", message({"data.lines.0.description": raw}), Reason.NOT_JSON
        )
        yield Case(
            f"escaped control character {code:02x}", message({"data.customer.name": escaped}), ACCEPTED
        )
        if code not in (0x09, 0x0A, 0x0D):
            padded = WHOLE.replace(b'"data":', bytes([code]) + b'"data":')
            yield Case(f"control character {code:02x} as a blank", padded, Reason.NOT_JSON)
    for path in ("id", "source", "subject", "data.order_id", "data.customer.customer_id", "data.lines.0.sku"):
        yield Case(f"\\u0000 in {path}", message({path: quoted(b"a\\u0000b")}), ACCEPTED)
        yield Case(f"only \\u0000 in {path}", message({path: quoted(b"\\u0000")}), ACCEPTED)
    yield Case("\\u0000 in the event type", message({"type": quoted(b"order.\\u0000")}), ACCEPTED)
    yield Case("\\u0000 in the name of an unknown field", WHOLE.replace(b"{", b'{"\\u0000":1,', 1), ACCEPTED)
    yield Case(
        "\\u0000 behind the name of a field", WHOLE.replace(b'"id"', b'"id\\u0000"'), Reason.MISSING_FIELD
    )


def _encodings() -> Iterator[Case]:
    for sequence in NOT_UTF8:
        for path in ("id", "data.lines.1.description", "extension"):
            body = message({path: quoted(b"a" + sequence + b"b")})
            yield Case(f"not UTF-8 in {path}: {_shown(sequence)}", body, Reason.NOT_UTF8)
        yield Case(
            f"not UTF-8 in a name: {_shown(sequence)}",
            WHOLE.replace(b"{", b'{"' + sequence + b'":1,', 1),
            Reason.NOT_UTF8,
        )
        yield Case(f"not UTF-8 at the end: {_shown(sequence)}", WHOLE + sequence, Reason.NOT_UTF8)
        yield Case(f"not UTF-8 in broken JSON: {_shown(sequence)}", b"{,," + sequence + b" ", Reason.NOT_UTF8)
    text = WHOLE.decode()
    yield Case("byte order mark", b"\xef\xbb\xbf" + WHOLE, Reason.NOT_JSON)
    yield Case("two byte order marks", b"\xef\xbb\xbf" * 2 + WHOLE, Reason.NOT_JSON)
    yield Case("byte order mark behind a blank", b" \xef\xbb\xbf" + WHOLE, Reason.NOT_JSON)
    yield Case("byte order mark at the end", WHOLE + b"\xef\xbb\xbf", Reason.NOT_JSON)
    yield Case("byte order mark alone", b"\xef\xbb\xbf", Reason.NOT_JSON)
    yield Case("byte order mark, incomplete", b"\xef\xbb" + WHOLE, Reason.NOT_UTF8)
    for encoding in ("utf-16", "utf-32"):
        verdict = Reason.NOT_UTF8
        yield Case(f"{encoding} with its mark", text.encode(encoding), verdict)
    for encoding in ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"):
        plain = text.replace("Zoë", "Zoe").encode(encoding)
        yield Case(f"{encoding} without a mark", plain, Reason.NOT_JSON)
    yield Case("Latin-1", text.encode("latin-1"), Reason.NOT_UTF8)
    yield Case("escaped throughout", _all_escaped(WHOLE), ACCEPTED)


def _all_escaped(body: bytes) -> bytes:
    """Return the message with every character of every string as an escape."""
    pieces = body.decode().split('"')
    pieces[1::2] = ["".join(f"\\u{ord(character):04x}" for character in piece) for piece in pieces[1::2]]
    return '"'.join(pieces).encode()


def _around() -> Iterator[Case]:
    for blank in (b" ", b"\n", b"\r", b"\t", b"\r\n", b" \t\r\n " * 50):
        yield Case(f"{_shown(blank)} at the end", WHOLE + blank, ACCEPTED)
        yield Case(f"{_shown(blank)} before", blank + WHOLE, ACCEPTED)
        yield Case(f"{_shown(blank)} alone in place of a message", blank * 2, Reason.NOT_JSON)
        yield Case(f"{_shown(blank)} around every mark", _spread(blank), ACCEPTED)
    others = (
        b"\x00",
        b"\x0b",
        b"\x0c",
        b"\x1a",
        b"\xc2\x85",
        b"\xc2\xa0",
        b"\xe2\x80\xa8",
        b"\xe3\x80\x80",
        b"\xe2\x81\xa0",
    )
    for other in others:
        yield Case(f"{_shown(other)} at the end", WHOLE + other, Reason.NOT_JSON)
        yield Case(f"{_shown(other)} before", other + WHOLE, Reason.NOT_JSON)
    for tail in (
        b",",
        b"]",
        b"}",
        b"{}",
        b"x",
        b"null",
        b"//",
        b"/**/",
        b'"',
        WHOLE,
        b"\n" + WHOLE,
        b" 1",
        b"\x1e" + WHOLE,
    ):
        yield Case(f"followed by {_shown(tail[:20])}", WHOLE + tail, Reason.NOT_JSON)
    yield Case("empty", b"", Reason.NOT_JSON)
    yield Case("in an array", b"[" + WHOLE + b"]", Reason.NOT_AN_EVENT)
    yield Case("as a string", render(WHOLE.decode()), Reason.NOT_AN_EVENT)
    yield Case("single quotes", WHOLE.replace(b'"', b"'"), Reason.NOT_JSON)
    yield Case("a comma too many in the event", WHOLE[:-1] + b",}", Reason.NOT_JSON)
    yield Case("a comma too many in the lines", WHOLE.replace(b"}]", b"},]"), Reason.NOT_JSON)
    yield Case("a comma too many in a line", WHOLE.replace(b"}]", b",}]"), Reason.NOT_JSON)
    yield Case("a comma too few", WHOLE.replace(b'","id"', b'" "id"'), Reason.NOT_JSON)
    yield Case("names without quotes", WHOLE.replace(b'"id"', b"id"), Reason.NOT_JSON)


def _spread(blank: bytes) -> bytes:
    """Return the message with a blank on both sides of every mark outside strings."""
    pieces = WHOLE.split(b'"')
    for mark in b"{}[],:":
        one = bytes([mark])
        pieces[::2] = [piece.replace(one, blank + one + blank) for piece in pieces[::2]]
    return b'"'.join(pieces)


def _cut() -> Iterator[Case]:
    for length in range(len(WHOLE)):
        start = WHOLE[:length]
        verdict: Verdict = Reason.NOT_UTF8 if start.endswith("ë".encode()[:1]) else Reason.NOT_JSON
        yield Case(f"cut after {length} bytes", start, verdict)
    for length in range(1, len(WHOLE), 9):
        if WHOLE[length] & 0xC0 != 0x80:
            yield Case(f"begun after {length} bytes", WHOLE[length:], Reason.NOT_JSON)


def _not_events() -> Iterator[Case]:
    for value in ("1", "1.0.0", "1.1", "0.3", "2.0", "", " 1.0", "1.0 ", "1.00", "v1.0"):
        yield Case(f"specversion {value!r}", message({"specversion": value}), Reason.NOT_AN_EVENT)
    for raw in (b"1.0", b"1", b"null", b"true", b'["1.0"]', b'{"a":"1.0"}', b'"\\ud800"'):
        yield Case(f"specversion as {_shown(raw)}", message({"specversion": Raw(raw)}), Reason.NOT_AN_EVENT)
    yield Case("specversion escaped", message({"specversion": quoted(b"\\u0031\\u002e\\u0030")}), ACCEPTED)
    yield Case("the name specversion escaped", WHOLE.replace(b'"specv', b'"\\u0073pecv'), ACCEPTED)
    yield Case(
        "specversion in camel case", WHOLE.replace(b"specversion", b"SpecVersion"), Reason.NOT_AN_EVENT
    )
    yield Case("an empty object", b"{}", Reason.NOT_AN_EVENT)
    yield Case("the order alone", render(ORDER["data"]), Reason.NOT_AN_EVENT)
    yield Case("nothing but specversion", b'{"specversion":"1.0"}', Reason.MISSING_FIELD)


def _shown(text: bytes) -> str:
    return repr(text)[1:] if len(text) <= 60 else f"{text[:20]!r}… of {len(text)} bytes"
