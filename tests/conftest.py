"""What all tests share: servers and tools that may be missing on a machine."""

import os
import shutil
from collections.abc import Callable

import pytest

_INSTALL = {
    "chromium": "apt-get install -y chromium",
    "orders": "make setup",
    "make": "apt-get install -y make",
    "git": "apt-get install -y git",
}
_OTHER_NAMES = {"chromium": ("chromium", "chromium-browser", "google-chrome")}


def find_tool(tool: str) -> str:
    """Return the path of a tool; skip the test with the command that brings it when it is missing.

    With ORDERS_REQUIRE_SERVERS=1, as in `.ci/run`, a missing tool fails the test.
    """
    for name in _OTHER_NAMES.get(tool, (tool,)):
        if path := shutil.which(name):
            return path
    reason = f"{tool} is missing: {_INSTALL.get(tool, f'install {tool}')}"
    if os.environ.get("ORDERS_REQUIRE_SERVERS") == "1":
        pytest.fail(f"{reason} (ORDERS_REQUIRE_SERVERS=1)", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def needs() -> Callable[[str], str]:
    """Return `find_tool`, for `needs("chromium")` in a test."""
    return find_tool
