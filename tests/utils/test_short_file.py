"""Short texts in files."""

from __future__ import annotations

from pathlib import Path

import pytest

from utils.short_file import MOST_BYTES, read_short


def test_a_short_text_is_read(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"\xef\xbb\xbf a key \r\n")
    assert read_short(tmp_path / "key") == "a key"


def test_what_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "long").write_bytes(b"a" * (MOST_BYTES + 1))
    (tmp_path / "bytes").write_bytes(b"\xff\x00")
    for file in (tmp_path / "long", tmp_path / "bytes", Path("/dev/zero")):
        with pytest.raises(ValueError, match=r"more than|decode"):
            read_short(file)
    with pytest.raises(OSError, match="directory"):
        read_short(tmp_path)
