"""The whole schema of the warehouse: the tables of the contract and the loader's own bookkeeping."""

from hashlib import sha256
from typing import Final

from assets.contract.ddl import ddl

_BOOKKEEPING: Final = (
    "CREATE TABLE store.loads (load_no BIGINT, messages BIGINT, loaded_at TIMESTAMP)",
    "CREATE TABLE store.loaded_segments (name VARCHAR, load_no BIGINT)",
    "CREATE TABLE store.loaded_ranges (feed VARCHAR, partition VARCHAR, first_position BIGINT, "
    "last_position BIGINT, rows BIGINT, load_no BIGINT)",
    "CREATE TABLE store.touched_days (day DATE, load_no BIGINT)",
)
DDL: Final[tuple[str, ...]] = (*_BOOKKEEPING, *ddl())
"""All statements that make an empty warehouse; the schema `store` must exist."""
SCHEMA_ID: Final = sha256("\n".join(DDL).encode()).hexdigest()[:16]
"""Names the schema: a warehouse of another one must be rebuilt."""
