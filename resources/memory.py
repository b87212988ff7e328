"""Staying small, for a process that runs for days: freed memory goes back at once, pandas stays out.

The allocators of Arrow, of Polars and of the C library each keep what was freed for their own next use:
together more than a stream has in flight.
"""

import ctypes
import os
import platform
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from typing import Final

_POLARS: Final = "_RJEM_MALLOC_CONF"
_AT_ONCE: Final = "dirty_decay_ms:0,muzzy_decay_ms:0"
_TRIM_THRESHOLD: Final = -1
_MMAP_THRESHOLD: Final = -3
_TRIM_BYTES: Final = 1_000_000
# A column of a few thousand messages is larger: what is mapped for it goes back whole, and leaves no gap.
_MMAP_BYTES: Final = 128 * 1024


def give_back_at_once() -> None:
    """Let this process keep no freed memory; to be called before Polars is imported, which reads it then."""
    import pyarrow as pa

    # A process that uses Polars leaves its own choice to its children; of several the last one counts.
    os.environ[_POLARS] = ",".join(filter(None, (os.environ.get(_POLARS), _AT_ONCE)))
    pa.set_memory_pool(pa.system_memory_pool())
    if platform.libc_ver()[0] == "glibc":
        # Set once, they no longer grow with what was freed last: see mallopt(3).
        library = ctypes.CDLL(None)
        library.mallopt(_TRIM_THRESHOLD, _TRIM_BYTES)
        library.mallopt(_MMAP_THRESHOLD, _MMAP_BYTES)


def give_back_gaps() -> None:
    """Give back what was freed between pieces in use, which the C library else keeps: see malloc_trim(3)."""
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)


class _NoPandas(MetaPathFinder):
    def find_spec(self, fullname: str, path: Sequence[str] | None, target: object = None) -> None:
        if fullname == "pandas":
            raise ImportError("it is not wanted here")


def keep_pandas_out() -> None:
    """Let pyarrow believe that there is no pandas, which it else imports for its first array: 42 MB, 0.5 s.

    For processes of the platform alone, which needs none of it; whoever asks for pandas itself still gets it.
    """
    import pyarrow as pa

    if "pandas" in sys.modules:
        return
    finder = _NoPandas()
    sys.meta_path.insert(0, finder)
    try:
        # It looks once, and remembers.
        pa.scalar(0)
    finally:
        sys.meta_path.remove(finder)
