"""The same document in other bytes: blanks, escapes and the order of fields change no meaning."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from hypothesis import strategies as st

from tests.contract.documents import Document, Pairs, render

_BLANKS: Final = (b"", b"", b" ", b"\n  ", b"\r\n\t")


@dataclass(frozen=True, slots=True)
class Style:
    """How a document is written: blanks around marks, escapes in strings, the order of fields."""

    blank: bytes
    escapes: str
    backwards: bool


styles = st.builds(
    Style, st.sampled_from(_BLANKS), st.sampled_from(["few", "no ASCII", "all"]), st.booleans()
)


def write(document: Document, style: Style) -> bytes:
    """Return the document in a style; what is raw stays as it is."""
    if isinstance(document, str):
        return _string(document, style.escapes)
    if isinstance(document, Pairs | Mapping):
        items = document.items if isinstance(document, Pairs) else tuple(document.items())
        members = [
            write(name, style) + style.blank + b":" + style.blank + write(value, style)
            for name, value in (reversed(items) if style.backwards else items)
        ]
        return _enclosed(b"{", members, b"}", style.blank)
    if isinstance(document, list):
        return _enclosed(b"[", [write(item, style) for item in document], b"]", style.blank)
    return render(document)


def _enclosed(first: bytes, members: list[bytes], last: bytes, blank: bytes) -> bytes:
    return first + blank + (blank + b"," + blank).join(members) + blank + last


def _string(text: str, escapes: str) -> bytes:
    if escapes == "all":
        units = text.encode("utf-16-be")
        codes = (int.from_bytes(units[i : i + 2], "big") for i in range(0, len(units), 2))
        return b'"' + b"".join(b"\\u%04x" % code for code in codes) + b'"'
    return json.dumps(text, ensure_ascii=escapes != "few").encode()
