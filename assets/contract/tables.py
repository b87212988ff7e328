"""The tables of the warehouse, as data: what DDL, views, metadata in the UI and docs are made from."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from assets.contract.model import FIELDS, STATUSES
from assets.contract.reasons import Reason

TEXT: Final = "VARCHAR"
WHOLE: Final = "BIGINT"
MOMENT: Final = "TIMESTAMP"
DAY: Final = "DATE"
MONEY: Final = "DECIMAL(18,4)"
BYTES: Final = "BLOB"
HASH: Final = "UBIGINT"
REJECTION_STATES: Final = ("open", "replayed", "discarded")
ANOMALIES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "version_conflict": "the same version with other data",
        "version_gap": "a version missing between 1 and the greatest",
        "backward_status": "a status before the one that came earlier",
        "id_reused": "an event id given again with other bytes",
        "missing_in_source": "gone from the source that delivered it",
    }
)


@dataclass(frozen=True, slots=True)
class Column:
    """A column; moments are UTC, money is DECIMAL(18,4) in the order's currency."""

    name: str
    sql_type: str
    description: str
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class TableSpec:
    """A table: `columns` are for everybody, `internal` ones for the loader; `key` names what is unique."""

    name: str
    description: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    internal: tuple[Column, ...] = ()

    @property
    def all_columns(self) -> tuple[Column, ...]:
        """The public columns, then the internal ones, as they stand in the stored table."""
        return self.columns + self.internal


_PURPOSES: Final = {field.column: field.description for field in FIELDS if field.column is not None}
_LOAD_NO: Final = Column("load_no", WHOLE, "Number of the load that wrote the row")
_ORDER_KEY: Final = Column("order_key", HASH, "Hash of order_id, for look-ups")
_EXTRA: Final = Column("extra", TEXT, "Fields that the contract does not know, as JSON", nullable=True)


def _field(name: str, sql_type: str = TEXT, *, nullable: bool = False) -> Column:
    """A column that holds a field of the contract and takes its description from there."""
    return Column(name, sql_type, _PURPOSES[name], nullable)


_PLACE: Final = (
    Column("feed", TEXT, "The transport that delivered the message"),
    Column("partition", TEXT, "Partition of the feed; '0' where it has none"),
)
_POSITION: Final = Column("position", WHOLE, "Position in feed and partition")
_SEGMENT: Final = Column("segment", TEXT, "The landed segment that holds the message")

ORDER_EVENTS: Final = TableSpec(
    "order_events",
    "Every accepted event, once; rows are only ever added",
    ("source", "event_id"),
    (
        _field("source"),
        _field("event_id"),
        _field("event_type"),
        _field("order_id"),
        _field("version", WHOLE),
        _field("kind"),
        _field("status"),
        _field("occurred_at", MOMENT),
        Column("received_at", MOMENT, "When the message was landed"),
        *_PLACE,
        _POSITION,
        _SEGMENT,
    ),
    (
        Column("event_key", HASH, "Hash of source and event_id, for look-ups"),
        _ORDER_KEY,
        Column("content_hash", HASH, "Hash of the whole order as the event gives it"),
        _LOAD_NO,
    ),
)
ORDERS: Final = TableSpec(
    "orders",
    "The current state of each order: the event with the greatest version, occurred_at, source, event_id",
    ("order_id",),
    (
        _field("order_id"),
        _field("version", WHOLE),
        _field("kind"),
        _field("status"),
        _field("currency"),
        _field("customer_id", nullable=True),
        _field("country", nullable=True),
        _field("placed_at", MOMENT),
        Column("updated_at", MOMENT, "When the event behind this state happened"),
        Column("line_count", WHOLE, "Number of lines"),
        Column("units", WHOLE, "Sum of the quantities"),
        Column("subtotal", MONEY, "Sum of the amounts of the lines"),
        _field("shipping", MONEY),
        _field("discount", MONEY),
        _field("tax", MONEY),
        Column("total", MONEY, "subtotal + shipping + tax - discount"),
    ),
    (
        _field("source"),
        _field("event_id"),
        _field("customer_name", nullable=True),
        _field("customer_email", nullable=True),
        _EXTRA,
        _ORDER_KEY,
        _LOAD_NO,
        Column("customer_key", HASH, "Hash of customer_id, for look-ups", nullable=True),
        Column("first_load", WHOLE, "Number of the load that brought the first event of the order"),
        Column("lines_load", WHOLE, "Number of the load that wrote the lines of this state"),
    ),
)
ORDER_LINES: Final = TableSpec(
    "order_lines",
    "The lines of the current state of each order",
    ("order_id", "line_number"),
    (
        _field("order_id"),
        _field("line_number", WHOLE),
        _field("sku"),
        _field("description", nullable=True),
        _field("quantity", WHOLE),
        _field("unit_price", MONEY),
        Column("amount", MONEY, "quantity times unit_price, with its sign"),
    ),
    (_EXTRA, _ORDER_KEY, _LOAD_NO),
)
CUSTOMERS: Final = TableSpec(
    "customers",
    "Everybody with an order that names them; name, email and country as in their latest order",
    ("customer_id",),
    (
        _field("customer_id"),
        Column("name", TEXT, _PURPOSES["customer_name"], nullable=True),
        Column("email", TEXT, _PURPOSES["customer_email"], nullable=True),
        _field("country", nullable=True),
        Column("first_order_at", MOMENT, "When the earliest order was placed"),
        Column("last_order_at", MOMENT, "When the latest order was placed"),
        Column("order_count", WHOLE, "Number of current orders"),
    ),
    (
        Column("profile_at", MOMENT, "updated_at of the order that gave name, email and country"),
        Column("profile_order_id", TEXT, "The order that gave name, email and country"),
        Column("customer_key", HASH, "Hash of customer_id, for look-ups"),
    ),
)
REJECTED_MESSAGES: Final = TableSpec(
    "rejected_messages",
    "Every copy of every message that broke the contract, with its bytes; it can be replayed",
    ("rejection_id",),
    (
        Column("rejection_id", TEXT, "feed:partition:position of the message"),
        *_PLACE,
        _POSITION,
        Column("reason", TEXT, "One of " + ", ".join(Reason)),
        Column("detail", TEXT, "The path in the message and the rule that it breaks"),
        Column("body", BYTES, "The bytes of the message as they came"),
        Column("rejected_at", MOMENT, "When the message was landed"),
        Column("state", TEXT, "One of " + ", ".join(REJECTION_STATES)),
    ),
    (_SEGMENT,),
)
MESSAGE_LEDGER: Final = TableSpec(
    "message_ledger",
    "What became of every landed message: landed = accepted + duplicates + rejected",
    ("feed", "partition"),
    (
        *_PLACE,
        Column("landed", WHOLE, "Messages in the segments, as counted when they landed"),
        Column("accepted", WHOLE, "Messages that became events"),
        Column("duplicates", WHOLE, "Messages whose event was accepted already"),
        Column("rejected", WHOLE, "Messages that broke the contract and were not replayed with success"),
    ),
)
ORDER_ANOMALIES: Final = TableSpec(
    "order_anomalies",
    "What is odd about the whole history of an order; it goes when the history is mended",
    ("order_id", "anomaly", "detail"),
    (
        _field("order_id"),
        Column("anomaly", TEXT, "; ".join(f"{name}: {meaning}" for name, meaning in ANOMALIES.items())),
        Column("detail", TEXT, "What exactly, for example the versions that are missing"),
    ),
    (_ORDER_KEY,),
)
DAILY_SALES: Final = TableSpec(
    "daily_sales",
    "Sales neither cancelled nor refunded, and returns not cancelled, by UTC day of placed_at",
    ("day", "currency", "country"),
    (
        Column("day", DAY, "UTC day of placed_at"),
        _field("currency"),
        Column("country", TEXT, "Country of the customer; `unknown` where none is given"),
        Column("orders", WHOLE, "Number of sales"),
        Column("units", WHOLE, "Units sold less units returned"),
        Column("gross", MONEY, "Subtotals of the sales, without shipping, tax and discount"),
        Column("returns", MONEY, "Subtotals of the returns, at most 0"),
        Column("net", MONEY, "gross + returns"),
    ),
)
PRODUCT_SALES: Final = TableSpec(
    "product_sales",
    "What each article sold by day, of the same orders as daily_sales",
    ("day", "sku", "currency"),
    (
        Column("day", DAY, "UTC day of placed_at"),
        _field("sku"),
        _field("currency"),
        Column("units", WHOLE, "Units sold less units returned"),
        Column("net", MONEY, "Amounts of the sales less those of the returns"),
    ),
)
CUSTOMER_VALUE: Final = TableSpec(
    "customer_value",
    "Recency, frequency and monetary value of each customer, of the same orders as daily_sales",
    ("customer_id", "currency"),
    (
        _field("customer_id"),
        _field("currency"),
        Column("recency_days", WHOLE, "Days from the customer's latest order to the latest order of all"),
        Column("frequency", WHOLE, "Number of sales"),
        Column("monetary", MONEY, "Subtotals of the sales less those of the returns"),
        Column("segment", TEXT, "Group of customers with like scores"),
    ),
)
FULFILMENT_TIMES: Final = TableSpec(
    "fulfilment_times",
    "How long orders took from one status to the next, by UTC day of placed_at",
    ("day", "from_status", "to_status"),
    (
        Column("day", DAY, "UTC day of placed_at"),
        Column("from_status", TEXT, "One of " + ", ".join(STATUSES)),
        Column("to_status", TEXT, "The status that came next"),
        Column("orders", WHOLE, "Number of orders that took this step"),
        Column("median_hours", MONEY, "Hours that half of them took at most, nearest rank"),
        Column("p95_hours", MONEY, "Hours that 95 % of them took at most, nearest rank"),
    ),
)

TABLES: Final[Mapping[str, TableSpec]] = MappingProxyType(
    {
        table.name: table
        for table in (
            ORDER_EVENTS,
            ORDERS,
            ORDER_LINES,
            CUSTOMERS,
            REJECTED_MESSAGES,
            MESSAGE_LEDGER,
            ORDER_ANOMALIES,
            DAILY_SALES,
            PRODUCT_SALES,
            CUSTOMER_VALUE,
            FULFILMENT_TIMES,
        )
    }
)
"""All tables by name, in the order in which data flows."""
