"""Whatever happens to the files, the last landed version of an invoice is what the files say."""

import tempfile
from datetime import date
from itertools import pairwise
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from assets.files.daily_csv import DailyFile, read_daily_file
from assets.files.invoices import invoice_of
from assets.files.landed import LandedInvoices
from tests.files.drops import DAY, NEXT, Shop, row

INVOICES = ("1", "2", "C3")

# What a day's file holds: for each invoice its quantities, one for each row.
days = st.dictionaries(st.sampled_from(INVOICES), st.lists(st.integers(1, 2), min_size=1, max_size=2))
histories = st.lists(st.tuples(st.sampled_from([DAY, NEXT]), days, st.booleans()), min_size=1, max_size=7)


def content_of(shop: Shop, invoice: str) -> str | None:
    """Return the content of an invoice over all files, None if it stands in none."""
    rows = [row for file in files_of(shop) for row in file.orders.get(invoice, [])]
    return invoice_of(invoice, rows, shop.mapping).content if rows else None


def files_of(shop: Shop) -> list[DailyFile]:
    """Read all files, by day."""
    paths = {day: shop.files_dir / shop.mapping.file_name(day) for day in (DAY, NEXT)}
    return [read_daily_file(path, day, shop.mapping) for day, path in paths.items() if path.exists()]


def check(shop: Shop) -> None:
    """Compare what has landed with what the files say now."""
    landed = LandedInvoices.of(shop.landing)
    for invoice in INVOICES:
        latest, content = landed.latest(invoice), content_of(shop, invoice)
        assert landed.is_missing(invoice) == (latest is not None and content is None)
        if content is not None:
            assert latest is not None
            assert latest.content == content
    versions: dict[str, list[dict[str, object]]] = {}
    for message in shop.landed():
        versions.setdefault(message["subject"], []).append(message["data"])
    for data in versions.values():
        assert [version.pop("version") for version in data] == list(range(1, len(data) + 1))
        assert all(before != after for before, after in pairwise(data))


@settings(max_examples=60, deadline=None)
@given(histories)
def test_the_last_version_is_what_the_files_say(
    history: list[tuple[date, dict[str, list[int]], bool]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        shop = Shop(Path(folder))
        for day, invoices, is_taken_in in history:
            shop.drop(day, *(row(key, quantity=str(q)) for key, rows in invoices.items() for q in rows))
            if is_taken_in:
                shop.take_in()
                check(shop)
        shop.take_in()
        check(shop)
        settled = shop.bodies(), shop.bodies("observations")
        shop.take_in([NEXT, DAY] if (shop.files_dir / "2011-03-02.csv").exists() else [])
        assert (shop.bodies(), shop.bodies("observations")) == settled
