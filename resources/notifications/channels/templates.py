"""Texts of a user's own: Jinja in a sandbox, in which a template reaches nothing but its tokens."""

import json
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from resources.errors import PermanentError

if TYPE_CHECKING:
    from jinja2 import Template

_LONGEST = 100_000


def render(template: str, tokens: Mapping[str, str], environment: Mapping[str, str], *, in_json: bool) -> str:
    """Return the filled template; `in_json` escapes every value for the inside of a JSON string.

    `{{env.NAME}}` is a variable, `{{name}}` a token. Raises PermanentError for a template that cannot be
    filled, a token that does not exist among its reasons.
    """
    from jinja2 import TemplateError

    used: dict[str, object] = {**tokens, "env": environment}
    try:
        text = "".join(_bounded(_compiled(template, in_json).generate(used)))
    except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise PermanentError(
            f"a template of alert_policies.yaml cannot be filled: {type(error).__name__}"
            f"{_told(error)}; see docs/notifications.md for its tokens"
        ) from None
    return text


def _told(error: Exception) -> str:
    """Name the token that is not there; other messages might hold a value."""
    message = str(error)
    return f" ({message})" if message.endswith("is undefined") else ""


def _bounded(pieces: Iterable[str]) -> list[str]:
    kept: list[str] = []
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > _LONGEST:
            raise ValueError("the text is too long")
        kept.append(piece)
    return kept


@lru_cache(maxsize=256)
def _compiled(template: str, in_json: bool) -> "Template":
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    finalize: Callable[[object], object] = _in_json if in_json else str
    return ImmutableSandboxedEnvironment(undefined=StrictUndefined, finalize=finalize).from_string(template)


def _in_json(value: object) -> str:
    from jinja2 import StrictUndefined

    if isinstance(value, StrictUndefined):
        return str(value)
    return json.dumps(str(value))[1:-1]
