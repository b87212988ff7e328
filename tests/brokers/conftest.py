"""What the tests of brokers share."""

import pytest

pytest.register_assert_rewrite("tests.brokers.contract", "tests.brokers.waiting")
