"""What of settling needs no warehouse: which events win their orders, what follows, whose history is odd.

Done in memory, because a query costs more than folding a small batch, and beside the warehouse, which
meanwhile settles the batch before.
"""

from dataclasses import dataclass
from typing import Final

import narwhals as nw
import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from assets.contract.model import STATUSES
from assets.frames import collected, in_memory
from assets.orders.rules import EVENTS_SCHEMA
from assets.transforms.frames import FOLD_ORDER
from assets.transforms.orders import current_events, order_lines, order_rows

PLACE: Final = ("feed", "partition", "position")
"""Where a message lies: columns of an event, and of a repeat."""
_NO_REPEATS: Final = pl.DataFrame(
    schema={
        "event_seq": pl.Int64,
        **dict.fromkeys(("source", "event_id", "own_order_id", "feed", "partition"), pl.String),
        "position": pl.Int64,
        **dict.fromkeys(("order_id", "first_feed", "first_partition"), pl.String),
        "first_position": pl.Int64,
    }
)
_CONTENDING: Final = ("order_id", "event_seq", *FOLD_ORDER)
_PLACES: Final = {status: place for place, status in enumerate(STATUSES)}


def winners_of(events: pa.Table) -> pl.Series:
    """Return the `event_seq` of the event that wins each order among `events`, ascending.

    An event that stands there twice counts as its first copy.
    """
    orders = in_memory(events, _CONTENDING)
    # Most orders of a small batch are in it once.
    is_contested = pl.col("order_id").is_duplicated()
    alone = orders.filter(~is_contested)["event_seq"]
    if len(alone) == len(orders):
        return alone
    contested = nw.from_native(orders.filter(is_contested).lazy())
    return pl.concat([alone, collected(current_events(contested))["event_seq"]]).sort()


def repeats_among(suspects: pl.DataFrame, seen: pl.DataFrame) -> pl.DataFrame:
    """Return the events of a batch that came before: in the batch, or among the accepted ones in `seen`.

    Both have source, event_id, order_id and `PLACE`, `suspects` also event_seq. The result has these of the
    repeats, but for their order, which is own_order_id; and of the first message with that id the order_id,
    and its place as first_feed, first_partition, first_position.
    """
    if len(suspects) == 0:
        return _NO_REPEATS
    places = [pl.col("feed").cast(pl.String), pl.col("partition").cast(pl.String)]
    suspects = suspects.with_columns(places)
    accepted = seen.select(pl.lit(-1, pl.Int64).alias("event_seq"), *suspects.columns[1:])
    firsts = pl.concat([accepted, suspects]).sort("event_seq").unique(("source", "event_id"), keep="first")
    names = {"event_seq": "first_seq", **{name: f"first_{name}" for name in PLACE}}
    beside = suspects.rename({"order_id": "own_order_id"}).join(
        firsts.rename(names), on=("source", "event_id"), maintain_order="left"
    )
    return beside.filter(pl.col("event_seq") > pl.col("first_seq")).drop("first_seq")


def winners_without(winners: pl.Series, events: pa.Table, repeats: pl.DataFrame) -> pl.Series:
    """Return the winners among `events` less `repeats`, given those among all.

    `repeats` has event_seq and own_order_id, the order that the repeated message names.
    """
    orders = in_memory(events, ("event_seq", "order_id"))
    touched = orders.filter(pl.col("order_id").is_in(repeats["own_order_id"].implode()))
    left = touched.filter(~pl.col("event_seq").is_in(repeats["event_seq"].implode()))
    again = winners_of(rows_of(events, left["event_seq"]))
    kept = winners.filter(~winners.is_in(touched["event_seq"].implode()))
    return pl.concat([kept, again]).sort()


def rows_of(events: pa.Table, sequence: pl.Series) -> pa.Table:
    """Return the rows of some `event_seq`; both ascend."""
    if len(sequence) == len(events):
        return events
    return events.take(pa.array(np.searchsorted(events["event_seq"].to_numpy(), sequence.to_numpy())))


@dataclass(frozen=True, slots=True)
class NewStates:
    """The orders that get a new state: rows of `orders` and `order_lines`, and in `taking` why.

    `taking` has of each winning event event_seq, order_id, placed_at, customer_id and the columns of
    `FOLD_ORDER`; and of the state that it replaces, null where it is the first, row, first_load, lines_load
    and, with `old_` before their names, those of the event.
    """

    taking: pl.DataFrame
    lines: pl.DataFrame
    orders: pl.DataFrame


def new_states(events: pa.Table, lines: pa.Table, winners: pl.Series, stored: pl.DataFrame) -> NewStates:
    """Return what `winners` make of the present states in `stored`; `lines` may hold those of others, too."""
    taking = _taking(rows_of(events, winners), stored)
    owners = nw.from_native(taking.lazy().select("event_seq", "order_id"))
    their_lines = collected(order_lines(owners, nw.from_native(in_memory(lines).lazy())))
    taken = in_memory(rows_of(events, taking["event_seq"]), EVENTS_SCHEMA.names)
    amounts = in_memory(lines, ("event_seq", "quantity", "unit_price"))
    orders = collected(order_rows(nw.from_native(taken.lazy()), nw.from_native(amounts.lazy())))
    return NewStates(taking, their_lines, orders)


def _taking(winners: pa.Table, stored: pl.DataFrame) -> pl.DataFrame:
    """Return the winning events that make a new state, each with the state that it replaces beside it.

    The version guard: an event that arrives late must not overwrite a later state.
    """
    challengers = in_memory(winners, (*_CONTENDING, "placed_at", "customer_id"))
    is_later = pl.lit(False)
    for name in reversed(FOLD_ORDER):
        new, old = pl.col(name), pl.col(f"old_{name}")
        is_later = (new > old) | ((new == old) & is_later)
    beside = challengers.join(stored, on="order_id", how="left", maintain_order="left")
    return beside.filter(pl.col("row").is_null() | is_later)


def doubtful_orders(history: pl.DataFrame) -> pl.Series:
    """Return the orders, by id, that `anomalies` may say something of; `history` is theirs, whole.

    An order is beyond doubt when its versions are 1 to n, each once, and no status comes before a lower
    one. That is most orders, and cheaper to see than what exactly is wrong with the others.
    """
    statuses = pl.col("status").replace_strict(_PLACES, return_dtype=pl.Int64)
    order_numbers = pl.col("index").min().over("order_id").alias("order")
    told = history.with_row_index().select("order_id", order_numbers, "version", statuses)
    order, version, place = (told[name].to_numpy() for name in ("order", "version", "status"))
    by_version = np.lexsort((version, order))
    order, version, place = order[by_version], version[by_version], place[by_version]
    goes_on = np.concatenate([[False], order[1:] == order[:-1]])
    is_odd = version != _count_up(goes_on)
    is_odd[1:] |= goes_on[1:] & (place[1:] < place[:-1])
    return told["order_id"].gather(by_version[is_odd]).unique()


def _count_up(goes_on: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Number the rows from 1, anew where one does not go on."""
    rows = np.arange(len(goes_on))
    return rows - np.maximum.accumulate(np.where(goes_on, 0, rows)) + 1
