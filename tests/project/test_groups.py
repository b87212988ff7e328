"""Tests that share what is costly to make run in one worker."""

import os

import pytest


@pytest.fixture(scope="module")
def shared() -> int:
    """Something that a module makes once."""
    return os.getpid()


def test_tests_that_share_a_fixture_of_their_module_are_grouped(
    request: pytest.FixtureRequest, shared: int
) -> None:
    if not request.config.getoption("loadgroup", False):
        pytest.skip("not distributed to workers: `make test` does")
    # xdist distributes by what it appended to the name; when it does not, nothing else tells.
    assert request.node.nodeid.endswith("@test_groups shared ")
