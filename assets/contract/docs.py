"""The contract for people: Markdown tables made from the same data as the validator."""

from collections.abc import Iterator, Sequence

from assets.contract.model import FIELDS, RULES
from assets.contract.reasons import MEANINGS
from assets.contract.tables import TableSpec


def fields_table() -> str:
    """Return the fields of the message: path, required, what it holds, what it means."""
    rows = (
        (f"`{field.path}`", "yes" if field.required else "", RULES[field.type], field.description)
        for field in FIELDS
    )
    return _markdown(("Field", "Required", "Holds", "Meaning"), rows)


def reasons_table() -> str:
    """Return the reasons for rejection in the order in which they apply."""
    return _markdown(("Reason", "Meaning"), ((f"`{r}`", meaning) for r, meaning in MEANINGS.items()))


def columns_table(table: TableSpec) -> str:
    """Return the public columns of a table: name, type, meaning."""
    rows = ((f"`{c.name}`", c.sql_type, c.description) for c in table.columns)
    return _markdown(("Column", "Type", "Meaning"), rows)


def _markdown(header: Sequence[str], rows: Iterator[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"
