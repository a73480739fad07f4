"""A folder of identities, a list file and a CSV beside a zip archive become the same listing."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from train.data.datasets import Item, read_listing, shared_data_dir
from utils.errors import DatasetError
from utils.links import leads_back


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "people"
    for name in ("bea/2.jpg", "bea/1.PNG", "ann/deep/1.webp", "ann/notes.txt", "stray.jpg"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    (root / "everybody").symlink_to("../people")
    return root


def test_folder_of_identities(folder: Path) -> None:
    listing = read_listing(folder)
    assert listing.items == (
        Item("ann/deep/1.webp", "ann"),
        Item("bea/1.PNG", "bea"),
        Item("bea/2.jpg", "bea"),
    )
    assert listing.labels == ("ann", "bea")
    assert listing.label_ids() == [0, 1, 1]
    assert list(listing.read_all()) == [b"ann/deep/1.webp", b"bea/1.PNG", b"bea/2.jpg"]


def test_links_in_a_circle_and_up_are_no_person(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = read_listing(folder)
    (folder / "one").symlink_to("other")
    (folder / "other").symlink_to("one")
    (folder / "up").symlink_to(folder.parent)
    assert not leads_back(folder, folder / "one")
    searched: list[str] = []
    search = Path.glob

    def note(root: Path, pattern: str) -> Iterator[Path]:
        searched.append(root.name)
        return iter(search(root, pattern))

    monkeypatch.setattr(Path, "glob", note)
    assert read_listing(folder) == before
    assert sorted(searched) == ["ann", "bea"]


def test_kind_decides_which_files_count(folder: Path) -> None:
    (folder / "ann/1.wav").write_bytes(b"sound")
    assert [item.path for item in read_listing(folder, "audio").items] == ["ann/1.wav"]
    with pytest.raises(DatasetError, match="kind"):
        read_listing(folder, "video")


def test_list_file(folder: Path) -> None:
    file = folder / "list.tsv"
    file.write_text(
        "# crops of two people\nbea/2.jpg\tBea\n\nann/deep/1.webp\tAnn\n", encoding="utf-8"
    )
    listing = read_listing(file)
    assert listing.items == (Item("ann/deep/1.webp", "Ann"), Item("bea/2.jpg", "Bea"))
    assert next(listing.read_all()) == b"ann/deep/1.webp"


def test_a_list_is_the_same_however_an_editor_left_it(folder: Path) -> None:
    file = folder / "list.tsv"
    file.write_bytes("\ufeffbea/2.jpg\tBea\r\n\r\nann/deep/1.webp\tAnn\r\n".encode())
    assert read_listing(file).items == (Item("ann/deep/1.webp", "Ann"), Item("bea/2.jpg", "Bea"))


@pytest.mark.parametrize("name", ["list.tsv", "set.csv"])
def test_a_list_that_is_no_utf_8_is_refused(tmp_path: Path, name: str) -> None:
    zipfile.ZipFile(tmp_path / "set.zip", "w").close()
    (tmp_path / name).write_bytes("path,label\nbea.jpg\tBéa\n".encode("latin-1"))
    with pytest.raises(DatasetError, match=f"UTF-8. Received: {name}"):
        read_listing(tmp_path / name)


def test_files_in_neither_folder_nor_archive_are_refused(tmp_path: Path) -> None:
    (tmp_path / "set.csv").write_bytes(b"\xef\xbb\xbfpath,speaker,split\r\na/1.webp,a,train\r\n")
    (tmp_path / "set.zip").write_text("no archive")
    with pytest.raises(DatasetError, match=r"zip archive\. Received: set\.zip"):
        list(read_listing(tmp_path / "set.csv").read_all())


@pytest.mark.parametrize("line", ["bea/2.jpg Bea", "bea/2.jpg\t", "\tBea"])
def test_malformed_line_is_named(folder: Path, line: str) -> None:
    file = folder / "list.tsv"
    file.write_text(f"ann/deep/1.webp\tAnn\n{line}\n", encoding="utf-8")
    with pytest.raises(DatasetError, match="line 2"):
        read_listing(file)


@pytest.mark.parametrize("column", ["identity", "speaker"])
def test_csv_beside_archive(tmp_path: Path, column: str) -> None:
    (tmp_path / "set.csv").write_text(
        f"path,{column},split\nb/1.webp,b,train\na/1.webp,a,train\nc/1.webp,c,dev\n"
    )
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr("a/1.webp", b"a")
        archive.writestr("b/1.webp", b"b")
    listing = read_listing(tmp_path / "set.csv")
    assert listing.items == (Item("a/1.webp", "a"), Item("b/1.webp", "b"))
    assert list(listing.read_all()) == [b"a", b"b"]
    with pytest.raises(DatasetError, match=r"in the archive. Received: c/1.webp"):
        list(read_listing(tmp_path / "set.csv", split="dev").read_all())


def test_csv_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "set.csv").write_text("path,label\na.jpg,a\n")
    with pytest.raises(DatasetError, match="zip archive"):
        read_listing(tmp_path / "set.csv")
    zipfile.ZipFile(tmp_path / "set.zip", "w").close()
    with pytest.raises(DatasetError, match="columns"):
        read_listing(tmp_path / "set.csv")


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="not found"):
        read_listing(tmp_path / "absent")
    with pytest.raises(DatasetError, match="at least one image"):
        read_listing(tmp_path)
    (tmp_path / "list.tsv").write_text("gone.jpg\tAnn\n")
    with pytest.raises(DatasetError, match=r"gone\.jpg"):
        list(read_listing(tmp_path / "list.tsv").read_all())


def test_research_data_folder_is_a_setting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DUET_SHARED_DATA", str(tmp_path))
    assert shared_data_dir() == tmp_path
