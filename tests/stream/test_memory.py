"""A process that gives freed memory back at once."""

import subprocess
import sys

_PROBE = """
import psutil

from resources.memory import give_back_at_once

if {gives_back}:
    give_back_at_once()
import polars as pl
import pyarrow as pa

def fill():
    # Many pieces of middle size, which the allocators would keep for the next ones.
    frames = [pl.DataFrame({{"n": range(40_000)}}) for _ in range(200)]
    tables = [pa.array(range(40_000)) for _ in range(200)]
    return len(frames) + len(tables)

fill()
print(pa.default_memory_pool().backend_name, psutil.Process().memory_info().rss)
"""


def _run(*, gives_back: bool) -> tuple[str, int]:
    command = [sys.executable, "-c", _PROBE.format(gives_back=gives_back)]
    pool, rss = subprocess.check_output(command, text=True).split()
    return pool, int(rss)


def test_freed_memory_goes_back_to_the_system() -> None:
    _, kept = _run(gives_back=False)
    pool, given_back = _run(gives_back=True)
    assert pool == "system"
    assert given_back < kept - 20_000_000


def test_pyarrow_does_without_pandas_until_somebody_wants_it() -> None:
    probe = """
import sys
from resources.memory import keep_pandas_out

keep_pandas_out()
import pyarrow as pa
import pyarrow.compute as pc

pc.add(pa.array([1, 2]), pa.scalar(1))
assert "pandas" not in sys.modules
assert pa.table({"n": [1, 2]}).to_pandas()["n"].sum() == 3
"""
    subprocess.run([sys.executable, "-W", "error::ImportWarning", "-c", probe], check=True)
