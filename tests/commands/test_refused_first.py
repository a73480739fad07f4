"""What can be refused without the networks is refused before they are loaded."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import assembly
import cli
from commands.jobs import open_jobs
from gallery.records.jobs import NewItem, NewJob
from gallery.store import open_store
from speech import models
from utils.config import Settings

pytestmark = pytest.mark.usefixtures("place")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A gallery of Ann, who is not enrolled, a clip, and networks that must not be loaded."""

    def load(*_: object, **__: object) -> None:
        pytest.fail("the networks are loaded")

    monkeypatch.setattr(assembly, "build_recognizer", load)
    monkeypatch.setenv("DUET_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    store = open_store(Settings.from_env())
    store.create_person("ann")
    store.close()
    (tmp_path / "a.mp4").touch()
    (tmp_path / "people" / "ann").mkdir(parents=True)
    (tmp_path / "people" / "ann" / "a.mp4").touch()
    return tmp_path


def run(*words: str) -> Result:
    return CliRunner().invoke(cli.cli, words)


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        ("identify a.mp4 --group none", "group_not_found: "),
        ("verify a.mp4 --person bob", "person_not_found: "),
        ("jobs run none", "job_not_found: "),
        ("strangers enroll none --name Bob --consent yes", "stranger_not_found: "),
        ("plot map a.png --search bob", "There is nobody."),
        ("plot similarity a.png --search bob", "There is nobody."),
        ("transcribe a.mp4 --speaker bob", "the name of 0"),
        ("transcribe a.mp4 --speaker bob --job", "the name of 0"),
    ],
)
def test_what_the_gallery_does_not_know(words: str, refusal: str) -> None:
    done = run(*words.split())
    assert (done.exit_code, refusal in done.output) == (1, True), done.output


def test_a_folder_that_leaves_nothing_to_ask() -> None:
    split = run("evaluate", "people", "--split")
    assert (split.exit_code, "No clip is left" in split.output) == (2, True), split.output
    run("people", "delete", "ann", "--yes")
    empty = run("evaluate", "people")
    assert (empty.exit_code, "Nobody is enrolled" in empty.output) == (2, True), empty.output


@pytest.mark.parametrize(
    "words",
    [
        "enroll a.mp4 --person ann --report a.mp4/people.csv",
        "enroll people --report a.mp4/people.csv",
        "plot map a.mp4/a.png",
        "calibrate people --out a.mp4/plots",
        "evaluate clips people --out a.mp4/a.md",
        "evaluate trials --model people --media people --trials a.mp4 --out a.mp4/out",
        "speech evaluate a.mp4 --out a.mp4/a.json",
        "listen --file a.mp4 --to a.mp4/a.txt",
    ],
)
def test_a_place_that_nothing_can_be_written_to(words: str) -> None:
    done = run(*words.split())
    assert (done.exit_code, "output_refused: " in done.output) == (1, True), done.output


@pytest.mark.parametrize("words", ["", "--job", "--who"])
def test_recordings_without_the_extra(words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "_PACKAGED", ())
    done = run("transcribe", "a.mp4", *words.split())
    assert (done.exit_code, "speech_unavailable: " in done.output) == (1, True), done.output


def test_a_job_that_has_ended_is_only_shown() -> None:
    with open_jobs() as (jobs, _):
        job = jobs.create(NewJob("enroll", [NewItem("a.mp4", "a.mp4", "ann")]))
        jobs.cancel(job.job_id)
    done = run("jobs", "run", job.job_id)
    assert (done.exit_code, "cancelled" in done.output) == (0, True), done.output
