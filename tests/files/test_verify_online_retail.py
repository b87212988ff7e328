"""The script that compares a year of orders with its published totals."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.files.drops import DAY, NEXT, Shop, row

PROJECT = Path(__file__).parents[2]
DATA = PROJECT.parent / "shared" / "data" / "online_retail_by_day.tar.zst"


def verify(*arguments: Path | str) -> tuple[int, str]:
    """Run the script; return its exit code and what it prints."""
    command = [sys.executable, "scripts/verify_online_retail.py", *map(str, arguments)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=250, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """Two days in two months, with a rejected adjustment, and their totals beside them."""
    shop = Shop(tmp_path)
    shop.drop(DAY, row("1", quantity="2", price="1.005"), row("A2", quantity="1", price="-5"))
    shop.drop(NEXT, row("C3", quantity="-1", price="0.5", country="EIRE", at="2011-04-02 10:00:00"))
    publish(shop, "-3.490")
    return shop


def publish(shop: Shop, net: str) -> None:
    """Write the totals that the script looks for, with `net` in all."""
    march = {"n_invoices": 2, "n_rows": 2, "net": "-2.990000"}
    april = {"n_invoices": 1, "n_rows": 1, "net": "-0.500000"}
    totals = {
        "overview": {"n_invoices": 3, "n_rows": 3},
        "totals": {"net_all": net},
        "by_month": [{"m": "2011-03", **march}, {"m": "2011-04", **april}],
        "by_country": [{"country": "United Kingdom", **march}, {"country": "EIRE", **april}],
    }
    (shop.root / "online_retail_expected.json").write_text(json.dumps(totals))


def test_equal_totals_end_with_0(shop: Shop) -> None:
    code, output = verify(shop.files_dir)
    assert (code, "equal to the published totals" in output, "DIFFERS" in output) == (0, True, False), output


def test_a_difference_in_the_third_decimal_ends_with_1(shop: Shop) -> None:
    publish(shop, "-3.491")
    code, output = verify(shop.files_dir)
    assert (code, output.count("DIFFERS")) == (1, 1), output


def test_absent_data_is_skipped_with_its_reason(tmp_path: Path) -> None:
    code, output = verify(tmp_path / "none.tar.zst")
    assert (code, output.startswith("skipped: ")) == (0, True), output


@pytest.mark.slow
@pytest.mark.skipif(not DATA.exists(), reason=f"{DATA} is not there")
def test_the_real_year_equals_its_published_totals() -> None:
    code, output = verify()
    assert (code, "equal to the published totals" in output) == (0, True), output
