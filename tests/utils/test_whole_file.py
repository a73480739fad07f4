"""Files that appear whole or not at all: replacing, failing, two writers, order."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from utils.errors import OutputError
from utils.whole_file import check_place, whole_file, whole_files


def test_the_file_appears_when_the_block_ends(tmp_path: Path) -> None:
    file = tmp_path / "new" / "a.npy"
    with whole_file(file) as draft:
        draft.write_bytes(b"half")
        assert not file.exists()
        assert (draft.parent, draft.suffix) == (file.parent, file.suffix)
    assert file.read_bytes() == b"half"
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt])
def test_a_failing_block_leaves_the_file_as_it_was(
    tmp_path: Path, failure: type[BaseException]
) -> None:
    file = tmp_path / "a.txt"
    file.write_text("before")
    with pytest.raises(failure), whole_file(file) as draft:
        draft.write_text("after")
        raise failure
    assert file.read_text() == "before"
    assert list(tmp_path.iterdir()) == [file]


def test_two_processes_may_write_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.txt"
    with whole_file(file) as draft:
        draft.write_text("first")
        with monkeypatch.context() as other:
            other.setattr("os.getpid", lambda: 1)
            with whole_file(file) as second:
                second.write_text("second")
        assert file.read_text() == "second"
    assert file.read_text() == "first"
    assert list(tmp_path.iterdir()) == [file]


def test_several_files_appear_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [tmp_path / name for name in ("weights", "card.json")]
    moved = []
    replace = Path.replace

    def note(self: Path, target: Path) -> Path:
        moved.append(target)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", note)
    with whole_files(*files) as drafts:
        for draft in drafts:
            draft.write_text(draft.name)
    assert moved == files


def test_none_of_several_files_appears_where_one_was_not_written(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("weights", "card.json")]
    with pytest.raises(FileNotFoundError), whole_files(*files) as drafts:
        drafts[0].write_text("weights")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@pytest.mark.parametrize("end", [b"", b"\n"])
def test_an_encryption_key_is_never_overwritten(
    tmp_path: Path, encode: Callable[[bytes], bytes], end: bytes
) -> None:
    key = tmp_path / "gallery.key"
    text = encode(b"\xfb\xff" * 16) + end
    key.write_bytes(text)
    for files in ((key,), (tmp_path / "other", key)):
        with pytest.raises(OutputError, match=r"gallery\.key"), whole_files(*files):
            pytest.fail("nothing is written")
    assert key.read_bytes() == text
    assert list(tmp_path.iterdir()) == [key]


@pytest.mark.parametrize("text", [b"", b"\xff\xfe", b"k" * 44, b"{}", b"a" * 1000])
def test_what_is_no_key_is_replaced(tmp_path: Path, text: bytes) -> None:
    file = tmp_path / "report.json"
    file.write_bytes(text)
    with whole_file(file) as draft:
        draft.write_text("{}")
    assert file.read_text() == "{}"


@pytest.mark.parametrize("name", ["pipe", "folder", "/dev/duet-test"])
def test_devices_pipes_and_folders_are_not_replaced(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    place = tmp_path / name
    there = place.exists() and place.stat()
    with (
        pytest.raises(OutputError, match="replaces a file, and nothing else"),
        whole_file(place) as draft,
    ):
        draft.write_text("x")
    assert (place.exists() and place.stat()) == there


def test_a_place_for_output_is_checked_before_the_work(tmp_path: Path) -> None:
    check_place(tmp_path)
    check_place(tmp_path / "new/deep")
    assert not (tmp_path / "new").exists(), "nothing is made"
    (tmp_path / "file").touch()
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    for name in ("file", "file/model", "nowhere", "nowhere/model"):
        with pytest.raises(OutputError, match="A file is in its place"):
            check_place(tmp_path / name)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_place_that_may_not_be_written_to_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="must be writable"):
        check_place(tmp_path / "new")
