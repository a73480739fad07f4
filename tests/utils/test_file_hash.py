"""The hash of a file, against that of its bytes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from utils.file_hash import hash_file


@pytest.mark.parametrize("content", [b"", b"duet", bytes(range(256)) * 5000])
def test_it_is_the_sha256_of_the_bytes(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    assert hash_file(tmp_path / "a") == hashlib.sha256(content).hexdigest()
