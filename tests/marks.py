"""Marks of tests that do not always run."""

import os

import pytest

IS_FULL = os.environ.get("ORDERS_FAULTS") == "full"
"""Whether faults are tested at their full size, as `make faults` does."""
in_checks = pytest.mark.skipif(
    not os.environ.get("ORDERS_FAULTS"), reason="takes minutes: `make check` runs it, `make faults` in full"
)
