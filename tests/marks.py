"""Marks of tests that do not always run."""

import os

import pytest

in_checks = pytest.mark.skipif(
    not os.environ.get("ORDERS_FAULTS"), reason="takes minutes: `make check` runs it, `make faults` in full"
)
