"""What a person sees in the Dagster UI after `orders demo`, in a headless Chromium."""

import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.conftest import find_tool

PROJECT = Path(__file__).resolve().parents[2]
SCRIPTS = Path(sys.executable).parent
# Without these Chromium tries to reach update services at every start.
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DEADLINE_S = 120
pytestmark = [pytest.mark.ui, pytest.mark.slow]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    subprocess.run([SCRIPTS / "orders", "demo"], env=_environment(home), check=True, capture_output=True)
    return home


@pytest.fixture(scope="module")
def address(home: Path) -> Iterator[str]:
    find_tool("chromium")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    workspace = PROJECT / "workspace.yaml"
    command = [SCRIPTS / "dagster-webserver", "-w", workspace, "-h", "127.0.0.1", "-p", str(port)]
    with (home / "webserver.log").open("wb") as log:
        server = subprocess.Popen(command, cwd=home, env=_environment(home), stdout=log, stderr=log)
    try:
        _wait_until_served(f"http://127.0.0.1:{port}/server_info", server)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(30)


@pytest.fixture(scope="module")
def page(address: str) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_tool("chromium"), args=[*QUIET])
        page = browser.new_page(viewport={"width": 1700, "height": 1000})
        page.set_default_timeout(60_000)
        expect.set_options(timeout=60_000)
        # The first visit asks for an e-mail address.
        page.add_locator_handler(
            page.get_by_role("button", name="Skip"), lambda: page.get_by_role("button", name="Skip").click()
        )
        yield page
        browser.close()


def test_the_asset_graph_shows_every_table_materialized(page: Page, address: str, home: Path) -> None:
    page.goto(f"{address}/locations/orders/asset-groups/orders/lineage")
    for table in ("order_events", "orders", "order_lines", "customers"):
        expect(page.get_by_text(table, exact=True).first).to_be_visible()
    expect(page.get_by_text("Materialized", exact=True).first).to_be_visible()
    for neighbour in ("order_messages", "daily_sales", "published_copy"):
        expect(page.get_by_text(neighbour, exact=True).first).to_be_attached()
    page.screenshot(path=home / "graph.png")


def test_the_runs_of_batch_mode_are_shown_as_succeeded(page: Page, address: str, home: Path) -> None:
    page.goto(f"{address}/runs")
    for job in ("ingest", "reports"):
        expect(page.get_by_text(job, exact=True).first).to_be_visible()
    expect(page.get_by_text("Success", exact=True)).to_have_count(2)
    expect(page.get_by_text("Failure", exact=True)).to_have_count(0)
    page.screenshot(path=home / "runs.png")


def test_the_checks_of_the_orders_are_shown_as_passed(page: Page, address: str, home: Path) -> None:
    page.goto(f"{address}/assets/orders?view=checks")
    expect(page.get_by_text(re.compile(r"^Checks \(\d+\)$"))).to_be_visible()
    for check in ("key_is_unique", "totals_equal_the_sum_of_lines", "every_order_has_an_event"):
        expect(page.get_by_text(check, exact=True).first).to_be_visible()
    expect(page.get_by_text("Succeeded", exact=True)).to_have_count(3)
    page.screenshot(path=home / "checks.png")


def _environment(home: Path) -> dict[str, str]:
    return {**os.environ, "ORDERS_HOME": str(home), "DAGSTER_HOME": str(home / "dagster")}


def _wait_until_served(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            assert server.poll() is None, "the web server ended; see webserver.log"
            assert time.monotonic() < deadline, f"no answer from {url} in {DEADLINE_S} s"
            time.sleep(0.2)
