"""Secrets as policies hold them: a text with references to variables, shown by nobody."""

import hashlib
import re
from collections.abc import Mapping

from resources.errors import PermanentError

_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Secret:
    """A secret as it is written: `{env: NAME}`, or a text in which `${NAME}` stands for a variable.

    Only `reveal` gives the value away; `repr` and `str` mask it.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        """Keep the text, in which `${NAME}` stands for a variable."""
        self._text = text

    @classmethod
    def read(cls, value: object) -> "Secret":
        """Return the secret that a file's value says; ValueError for anything but the two forms."""
        if isinstance(value, str) and value:
            return cls(value)
        if isinstance(value, Mapping) and value.keys() == {"env"} and _NAME.fullmatch(str(value["env"])):
            return cls(f"${{{value['env']}}}")
        raise ValueError("Expected a text, or {env: NAME}")

    @property
    def variables(self) -> tuple[str, ...]:
        """The names of the variables that it refers to."""
        return tuple(_REFERENCE.findall(self._text))

    @property
    def is_written_out(self) -> bool:
        """Say whether the file holds the secret itself rather than a reference."""
        return not self.variables

    @property
    def fingerprint(self) -> str:
        """Eight hexadecimal digits that stay the same as long as the text in the file does."""
        return hashlib.sha256(self._text.encode()).hexdigest()[:8]

    def reveal(self, environment: Mapping[str, str]) -> str:
        """Return the value; raises PermanentError that names the variables which are not set."""
        missing = [name for name in self.variables if not environment.get(name)]
        if missing:
            raise PermanentError(
                f"alert_policies.yaml refers to {', '.join(missing)}, which is not set: "
                "set it in the environment or in .env"
            )
        return _REFERENCE.sub(lambda found: environment[found[1]], self._text)

    def __eq__(self, other: object) -> bool:
        """Compare what is written."""
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        """Hash what is written."""
        return hash(self._text)

    def __repr__(self) -> str:
        """Show the names of variables, never a value."""
        return f"Secret({', '.join(self.variables) or '***'})"
