"""Arrays that are written part by part, as files that NumPy maps into the memory.

They are written, not mapped: a process that fills a map on a full disk is killed, without
a word.
"""

from __future__ import annotations

from typing import Any, BinaryIO

import numpy as np


def write_header(out: BinaryIO, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Begin an .npy file of this shape. Its values follow in C order."""
    header = {
        "descr": np.lib.format.dtype_to_descr(dtype),
        "fortran_order": False,
        "shape": shape,
    }
    np.lib.format.write_array_header_1_0(out, header)
