"""One process at a time loads librosa, as numba's cache breaks where two write it."""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from network.frontends import librosa_import
from network.frontends.librosa_import import import_librosa


class Unwritable(ModuleType):
    """Is compiled only into a folder that is named, as where nothing beside it can be written."""

    def __getattr__(self, part: str) -> object:
        if not part.startswith("_") and "NUMBA_CACHE_DIR" not in os.environ:
            raise RuntimeError("no locator available")
        return None


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


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Folder of the lock. Nothing is loaded yet."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "numba"))
    import_librosa.cache_clear()
    yield tmp_path / "numba"
    import_librosa.cache_clear()


def test_its_parts_are_loaded_by_one_process_at_a_time(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    librosa = Librosa(folder)
    monkeypatch.setitem(sys.modules, "librosa", librosa)
    assert import_librosa() is librosa
    assert import_librosa() is librosa
    assert librosa.seen == [("filters", True), ("stft", True)]
    assert not is_held(folder)


def test_it_is_loaded_where_there_can_be_no_lock(
    monkeypatch: pytest.MonkeyPatch, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder.write_text("in the place of the folder", encoding="utf-8")
    monkeypatch.setitem(sys.modules, "librosa", ModuleType("librosa"))
    monkeypatch.setattr(sys.modules["librosa"], "filters", None, raising=False)
    monkeypatch.setattr(sys.modules["librosa"], "stft", None, raising=False)
    import_librosa()
    import_librosa()
    assert [record.getMessage()[:31] for record in caplog.records] == [
        "librosa is loaded without a loc"
    ]


def test_a_lock_that_stays_held_is_not_waited_for_without_end(
    monkeypatch: pytest.MonkeyPatch, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    librosa = Librosa(folder)
    monkeypatch.setitem(sys.modules, "librosa", librosa)
    monkeypatch.setattr(librosa_import, "WAIT_S", 0.0)
    folder.mkdir()
    with (folder / f"duet-librosa-{os.getuid()}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert import_librosa() is librosa
    assert librosa.seen == [("filters", True), ("stft", True)]
    assert "which takes long" in caplog.text


@pytest.mark.parametrize("there", ["mine alone", "open to all", "a file"])
def test_it_is_compiled_where_neither_it_nor_the_home_can_be_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folder: Path, there: str
) -> None:
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    monkeypatch.setattr("numba.core.config.CACHE_DIR", "")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    usual = tmp_path / f"duet-numba-{os.getuid()}"
    if there == "a file":
        usual.touch()
    else:
        usual.mkdir()
        usual.chmod(0o700 if there == "mine alone" else 0o777)
    librosa = Unwritable("librosa")
    monkeypatch.setitem(sys.modules, "librosa", librosa)
    assert import_librosa() is librosa
    compiled = Path(vars(sys.modules["numba.core.config"])["CACHE_DIR"])
    assert (compiled == usual) == (there == "mine alone")
    assert (compiled.parent, compiled.stat().st_mode & 0o777) == (tmp_path, 0o700)
