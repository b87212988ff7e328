"""The blocks of a DuckDB file, each of which begins with the checksum of its content."""

import os
from typing import Final

import numpy as np
import numpy.typing as npt

HEADERS: Final = 3 * 4096
"""The bytes before the first block."""
BLOCK: Final = 256 * 1024
_BYTES: Final = 8


def checksums(descriptor: int, size: int) -> npt.NDArray[np.uint64]:
    """Return the checksum of each whole block within the first `size` bytes of a file."""
    end = HEADERS + max(size - HEADERS, 0) // BLOCK * BLOCK
    # A read for each block: a mapped file costs four times as much, most of it for pages around them.
    found = b"".join(os.pread(descriptor, _BYTES, offset) for offset in range(HEADERS, end, BLOCK))
    return np.frombuffer(found, dtype=np.uint64)
