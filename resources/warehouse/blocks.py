"""The blocks of a DuckDB file, each of which begins with the checksum of its content."""

import mmap
from typing import Final

import numpy as np
import numpy.typing as npt

HEADERS: Final = 3 * 4096
"""The bytes before the first block."""
BLOCK: Final = 256 * 1024


def checksums(descriptor: int, size: int) -> npt.NDArray[np.uint64]:
    """Return the checksum of each whole block within the first `size` bytes of a file."""
    blocks = max(size - HEADERS, 0) // BLOCK
    if blocks == 0:
        return np.empty(0, dtype=np.uint64)
    with mmap.mmap(descriptor, HEADERS + blocks * BLOCK, access=mmap.ACCESS_READ) as view:
        words = np.frombuffer(view, dtype=np.uint64, offset=HEADERS)
        found = words[:: BLOCK // 8].copy()
        del words
    return found
