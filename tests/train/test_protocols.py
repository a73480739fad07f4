"""Verification protocols as published, and as editors leave them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from train.data.protocols import Trials, read_trials
from utils.errors import DatasetError

PEOPLE = 12


def trial_lines(folds: bool = False) -> str:
    lines = []
    for person in range(PEOPLE):
        other = (person + 5) % PEOPLE
        fold = f" {person % 3 + 1}" if folds else ""
        lines.append(f"1 set/p{person:02}/0.png set/p{person:02}/1.png{fold}")
        lines.append(f"0 set/p{person:02}/0.png set/p{other:02}/2.png{fold}")
    return "\n".join(lines) + "\n"


def test_voxceleb_lists_with_and_without_folds(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text(trial_lines())
    trials = read_trials(tmp_path / "t.txt")
    assert len(trials) == 2 * PEOPLE
    assert trials.folds is None
    assert trials.people()["set/p03/1.png"] == "set/p03"
    (tmp_path / "t.txt").write_text(trial_lines(folds=True))
    folds = read_trials(tmp_path / "t.txt").folds
    assert folds is not None
    assert sorted(set(folds)) == [1, 2, 3]


def test_people_of_voxceleb_are_found_above_their_videos(tmp_path: Path) -> None:
    lines = [
        "1 id1/videoA/1.wav id1/videoB/1.wav",
        "1 id2/videoC/1.wav id2/videoC/2.wav",
        "0 id1/videoA/1.wav id2/videoC/1.wav",
    ]
    (tmp_path / "t.txt").write_text("\n".join(lines))
    assert set(read_trials(tmp_path / "t.txt").people().values()) == {"id1", "id2"}


def test_lfw_pairs(tmp_path: Path) -> None:
    (tmp_path / "pairs.txt").write_text(
        "2\t1\nAbel_Pacheco\t1\t4\nAbdel\t1\tZoe\t12\nAnn\t2\t3\nBob\t1\tCid\t2\n"
    )
    trials = read_trials(tmp_path / "pairs.txt")
    assert trials.labels.tolist() == [1, 0, 1, 0]
    assert trials.folds.tolist() == [0, 0, 1, 1]
    assert trials.left[0] == "Abel_Pacheco/Abel_Pacheco_0001.jpg"
    assert trials.right[1] == "Zoe/Zoe_0012.jpg"


def test_cfp_folder_as_published(tmp_path: Path) -> None:
    (tmp_path / "Pair_list_F.txt").write_text(
        "1 ../Data/Images/001/frontal/01.jpg\n2 ../Data/Images/002/frontal/01.jpg\n"
    )
    (tmp_path / "Pair_list_P.txt").write_text(
        "1 ../Data/Images/001/profile/01.jpg\n2 ../Data/Images/002/profile/01.jpg\n"
    )
    for kind in ("FF", "FP"):
        for fold in ("01", "02"):
            (tmp_path / "Split" / kind / fold).mkdir(parents=True)
            (tmp_path / "Split" / kind / fold / "same.txt").write_text("1,1\n")
            (tmp_path / "Split" / kind / fold / "diff.txt").write_text("1,2\n")
    trials = read_trials(tmp_path, "cfp-fp")
    assert trials.right == ("Data/Images/001/profile/01.jpg", "Data/Images/002/profile/01.jpg") * 2
    assert trials.folds.tolist() == [1, 1, 2, 2]
    assert set(trials.people().values()) == {"Data/Images/001", "Data/Images/002"}


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("2 a b\n", "voxceleb", "line 1"),
        ("1 a b\n1 a\n", "auto", "line 2"),
        ("1 a b\n0 a b 2\n", "auto", "others have none"),
        ("", "auto", "without any"),
        ("10\t300\nA\t1\t2\n", "auto", "6000|10 ×"),
        ("1\t1\nA\t1\t2\nB x y z\n", "lfw", "line 3"),
        ("x", "nist", "nist"),
    ],
)
def test_malformed_protocols_are_refused(
    tmp_path: Path, text: str, kind: str, message: str
) -> None:
    (tmp_path / "t.txt").write_text(text)
    with pytest.raises(DatasetError, match=message):
        read_trials(tmp_path / "t.txt", kind)


def test_lines_of_lists_of_images_that_are_malformed_are_named(tmp_path: Path) -> None:
    (tmp_path / "Pair_list_F.txt").write_text("1 ../Data/Images/001/frontal/01.jpg\n2\n")
    with pytest.raises(DatasetError, match=r"line 2 of Pair_list_F\.txt"):
        read_trials(tmp_path, "cfp-ff")


VOXCELEB = "1 a/1.wav a/2.wav\n0 a/1.wav b/1.wav\n"
LFW = "1\t1\nAnn\t1\t2\nAnn\t1\tBob\t3\n"


@pytest.mark.parametrize("kind", ["auto", "named"])
@pytest.mark.parametrize(
    "as_edited",
    [
        lambda text: "\n" + text,
        lambda text: " \t\n\n" + text + "\n\n",
        lambda text: "\ufeff" + text,
        lambda text: "\ufeff\n" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "\r\n" + text.replace("\n", "\r\n"),
        lambda text: text.replace(" ", "\t"),
        lambda text: text.replace("\n", "\n\n"),
        lambda text: text.rstrip("\n"),
    ],
    ids=[
        "blank first",
        "blank around",
        "mark",
        "mark and blank",
        "windows",
        "windows and blank",
        "tabs",
        "blank between",
        "no last end",
    ],
)
def test_a_list_is_the_same_however_an_editor_left_it(
    tmp_path: Path, as_edited: Callable[[str], str], kind: str
) -> None:
    for name, text in (("voxceleb", VOXCELEB), ("lfw", LFW)):
        (tmp_path / "t.txt").write_bytes(as_edited(text).encode())
        trials = read_trials(tmp_path / "t.txt", name if kind == "named" else "auto")
        assert trials.labels.tolist() == [1, 0]
        assert trials.left == (
            ("a/1.wav",) * 2 if name == "voxceleb" else ("Ann/Ann_0001.jpg",) * 2
        )
        assert trials.right == (
            ("a/2.wav", "b/1.wav")
            if name == "voxceleb"
            else ("Ann/Ann_0002.jpg", "Bob/Bob_0003.jpg")
        )


@pytest.mark.parametrize(
    "content", [b"", b"\n", b" \r\n\t\r\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\r\n"]
)
@pytest.mark.parametrize("kind", ["auto", "voxceleb", "lfw"])
def test_a_file_without_a_trial_is_refused(tmp_path: Path, content: bytes, kind: str) -> None:
    (tmp_path / "t.txt").write_bytes(content)
    with pytest.raises(DatasetError, match="at least one trial"):
        read_trials(tmp_path / "t.txt", kind)


def test_lines_are_counted_as_an_editor_counts_them(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("\n\n" + VOXCELEB + "\n2 a b\n")
    with pytest.raises(DatasetError, match="line 6"):
        read_trials(tmp_path / "t.txt")


@pytest.mark.parametrize(
    "content",
    [
        VOXCELEB.encode("utf-16"),
        bytes(range(256)),
        "1 a b ²\n0 a c 1\n".encode(),
        "²\t1\n".encode(),
    ],
)
def test_what_is_no_list_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t.txt").write_bytes(content)
    with pytest.raises(DatasetError, match="Received"):
        read_trials(tmp_path / "t.txt")


def test_folders_that_two_people_share_name_nobody() -> None:
    """Each of the files, all in one folder, then stands for itself.

    Otherwise there would be one person and no interval.
    """
    trials = Trials(
        np.array([1, 0]), ("clips/a1.wav", "clips/a1.wav"), ("clips/a2.wav", "clips/b1.wav")
    )
    assert set(trials.people().values()) == set(trials.files)
