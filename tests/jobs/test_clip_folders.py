"""Which files of a folder are clips of whom."""

from __future__ import annotations

from pathlib import Path

from jobs.clips import list_folder


def test_a_link_back_to_all_makes_nobody_of_everybody(tmp_path: Path) -> None:
    people = tmp_path / "all" / "people"
    for person in (people / "ann", tmp_path / "elsewhere"):
        person.mkdir(parents=True)
        (person / "clip.mp4").write_bytes(b"a clip")
    (people / "ben").symlink_to(tmp_path / "elsewhere")
    (people / "here").symlink_to(people)
    (people / "above").symlink_to("../..")
    (people / "itself").symlink_to("itself")
    items = list_folder(people, "enroll", None)
    assert [(item.name, item.person_id) for item in items] == [
        ("ann/clip.mp4", "ann"),
        ("ben/clip.mp4", "ben"),
    ]
