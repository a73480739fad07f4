"""One process at a time loads librosa, as numba's cache breaks where two write it."""

from __future__ import annotations

import fcntl
import sys
from pathlib import Path
from types import ModuleType

import pytest

from network.frontends.librosa_import import import_librosa


class Librosa(ModuleType):
    """Notes whether the lock is held when a part is loaded."""

    def __init__(self, folder: Path) -> None:
        super().__init__("librosa")
        self.folder = folder
        self.seen: list[tuple[str, bool]] = []

    def __getattr__(self, part: str) -> object:
        if not part.startswith("_"):
            self.seen.append((part, is_held(self.folder)))
        return None


def is_held(folder: Path) -> bool:
    """Whether a process holds the lock. Another descriptor of this one counts as another."""
    (file,) = folder.glob("*.lock")
    with file.open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_its_parts_are_loaded_by_one_process_at_a_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "numba"
    librosa = Librosa(folder)
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(folder))
    monkeypatch.setitem(sys.modules, "librosa", librosa)
    import_librosa.cache_clear()
    try:
        assert import_librosa() is librosa
        assert import_librosa() is librosa
    finally:
        import_librosa.cache_clear()
    assert librosa.seen == [("filters", True), ("stft", True)]
    assert not is_held(folder)
