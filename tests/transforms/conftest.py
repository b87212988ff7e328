"""A Spark Connect server without a JVM, started once for all tests that ask for it."""

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.fixture(scope="session")
def spark() -> Iterator["SparkSession"]:
    """Return a session on a server of its own, on a free port of 127.0.0.1, with UTC as its time zone."""
    from pysail.spark import SparkConnectServer  # type: ignore[import-untyped]
    from pyspark.sql import SparkSession

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RUST_LOG", "error")
        server = SparkConnectServer()
        server.start(background=True)
    host, port = server.listening_address
    with pytest.MonkeyPatch.context() as patch:
        # PySpark takes a main module without a file, as pytest-xdist's workers have it, for a doctest.
        patch.setattr(sys.modules["__main__"], "__file__", __file__, raising=False)
        session = SparkSession.builder.remote(f"sc://{host}:{port}").getOrCreate()
    try:
        session.conf.set("spark.sql.session.timeZone", "UTC")
        session.conf.set("spark.sql.timestampType", "TIMESTAMP_NTZ")
        yield session
    finally:
        session.stop()
        server.stop()
