"""Folders and files that are named as people are."""

from __future__ import annotations

from pathlib import Path

import pytest

from gallery.records.jobs import Jobs
from jobs.clips import list_folder
from jobs.worker import Workplace, work
from recognition.recognizer import Recognizer
from tests.support.gallery_parts import write_clip
from tests.support.job_queue import new
from utils.config import Settings
from utils.errors import PersonExistsError

NAMES = ("홍길동", "José", "Anna Maria", "O'Brien", "ann@example.com")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "people"
    for face, name in enumerate(NAMES):
        (made / name).mkdir(parents=True)
        write_clip(made / name / "1.mp4", face=face, voice=face)
    return made


def enroll(folder: Path, recognizer: Recognizer, settings: Settings) -> list[str]:
    """Enrol a folder, and return the states of its files."""
    jobs = Jobs(recognizer.store.database)
    job = jobs.create(new("enroll", list_folder(folder, "enroll", None), root=str(folder)))
    work(Workplace(recognizer, jobs, settings))
    return [item.state for item in jobs.items(job.job_id)]


def test_people_have_the_names_of_their_folders(
    folder: Path, recognizer: Recognizer, settings: Settings
) -> None:
    assert enroll(folder, recognizer, settings) == ["done"] * len(NAMES)
    people = recognizer.store.list_people().people
    assert {person.name for person in people} == set(NAMES)
    assert all(person.person_id.isascii() for person in people)


def test_both_forms_of_an_accent_are_one_person(
    folder: Path, recognizer: Recognizer, settings: Settings
) -> None:
    (folder / "Jose\u0301").mkdir()
    write_clip(folder / "Jose\u0301" / "2.mp4", face=1, voice=1, sample=2)
    enroll(folder, recognizer, settings)
    same = [p for p in recognizer.store.list_people().people if p.name == "José"]
    assert [p.templates for p in same] == [{"face": 2, "voice": 2}]


def test_documents_are_left_alone_and_a_bad_folder_stops_nothing(
    folder: Path, recognizer: Recognizer, settings: Settings
) -> None:
    for name in ("Thumbs.db", "desktop.ini", "README.txt", "José/notes.md"):
        (folder / name).write_text("no clip")
    (folder / "a\u202eb").mkdir()
    write_clip(folder / "a\u202eb" / "1.mp4", face=9)
    states = enroll(folder, recognizer, settings)
    assert sorted(states) == ["done"] * len(NAMES) + ["failed"]


def test_ids_that_differ_in_case_only_are_refused(recognizer: Recognizer) -> None:
    recognizer.store.create_person("Ann")
    with pytest.raises(PersonExistsError, match="beside 'Ann'"):
        recognizer.store.create_person("ann")
