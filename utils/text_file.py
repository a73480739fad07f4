"""Text files as people have them: in UTF-8, or in the code page of Korean Windows."""

from __future__ import annotations

from pathlib import Path

from utils.errors import DatasetError

_ENCODINGS = ("utf-8-sig", "cp949")


def read_text(file: Path) -> str:
    """Read a text in UTF-8, with or without a mark of byte order, or in cp949.

    Raises:
        DatasetError: it cannot be read, or is in another encoding.
    """
    try:
        data = file.read_bytes()
    except OSError as error:
        raise DatasetError(
            f"A text must be readable. Received: {file.name} ({error.strerror})"
        ) from error
    for encoding in _ENCODINGS:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise DatasetError(f"A text must be in UTF-8 or cp949. Received: {file.name}")
