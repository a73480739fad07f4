"""The command line over a real gallery, with the shipped networks.

The media are made by the tests.
"""

from __future__ import annotations

import itertools
import shutil
import unicodedata
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result

import cli
from gallery.database.open import open_database
from gallery.records.jobs import Jobs, NewItem, NewJob
from tests.support import media_sound
from tests.support.media import text_as_video, write_clip
from train.data.datasets import Item, Listing, read_listing, shared_data_dir
from train.data.sounds import decode_float
from utils.arrays import RATE_HZ

ROOT = Path(__file__).resolve().parents[2]
SPEAKERS = ("so1228", "so9610")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of people: ann and "two words" with a clip each, and zoe.

    The clip of zoe is a text file that is called a video.
    """
    made = tmp_path_factory.mktemp("clips")
    for person, name in enumerate(("ann", "two words", "zoe")):
        (made / "people" / name).mkdir(parents=True)
        if name == "zoe":
            text_as_video(made / "people" / name / "notes.mp4")
        else:
            write_clip(made / "people" / name / "clip.mp4", person=person)
    write_clip(made / "again.mp4", person=0, take=1)
    return made


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Result]:
    monkeypatch.setenv("DUET_DATA_DIR", str(tmp_path / "data"))

    def invoke(command: str, *words: object, **more: Any) -> Result:
        return CliRunner().invoke(cli.cli, [*command.split(), *map(str, words)], **more)

    return invoke


@contextmanager
def jobs_of(folder: Path) -> Iterator[Jobs]:
    """The jobs of the gallery of `run`, as another process sees them."""
    (folder / "data").mkdir()
    database = open_database(f"sqlite:///{folder / 'data/duet.db'}")
    try:
        yield Jobs(database)
    finally:
        database.close()


def test_a_folder_is_enrolled_and_what_is_refused_is_named(
    run: Callable[..., Result], folder: Path
) -> None:
    result = run("enroll", folder / "people")
    assert result.exit_code == 1
    assert "2 of 3 clips enrolled, 2 people." in result.output
    assert "zoe/notes.mp4: media_" in result.output
    again = run("enroll", folder / "people/ann", "--person", "ann")
    assert "0 of 1 clip enrolled, 0 people. Already there: 1 clip." in again.output
    job_id = run("jobs list").output.split()[0]
    assert "enrolled for ann before" in run("jobs show", job_id).output
    listed = run("people", "list")
    assert "ann\tann\t1 face, 1 voice" in listed.output
    assert "\ttwo words\t1 face, 1 voice" in listed.output
    assert "zoe" not in listed.output, "a person whose only clip was refused is not kept"


def test_a_file_beside_the_folders_is_named_and_a_linked_folder_is_read(
    run: Callable[..., Result], folder: Path, tmp_path: Path
) -> None:
    people = tmp_path / "people"
    people.mkdir()
    (people / "ann").symlink_to(folder / "people/ann")
    shutil.copy(folder / "again.mp4", people / "again.mp4")
    result = run("enroll", people)
    assert (result.exit_code, "1 of 2 clips enrolled, 1 person." in result.output) == (1, True)
    assert "again.mp4: invalid_request: The clips of each person must" in result.output


def test_a_table_is_looked_at_then_enrolled(
    run: Callable[..., Result], folder: Path, tmp_path: Path
) -> None:
    """The person of the second row is refused, as the look says before."""
    people = tmp_path / "people"
    people.mkdir()
    written_by_a_mac = unicodedata.normalize("NFD", "안나.mp4")
    shutil.copy(folder / "people/ann/clip.mp4", people / written_by_a_mac)
    table = people / "people.csv"
    rows = "person_id,name,file,consent\nann,안나,안나.mp4,=A1\nben,Ben,gone.mp4,\n"
    table.write_bytes(rows.encode("cp949"))
    looked = run("enroll --check", table)
    assert looked.exit_code == 1
    assert "1 file of 1 person would be enrolled" in looked.output
    assert "read as cp949" in looked.output
    assert "row 3, ben, gone.mp4: media_not_found" in looked.output
    assert "1 file of 1 person would be enrolled" in run("enroll --check --by-name", people).output
    assert "안나.mp4: invalid_request" in run("enroll --check", people).output
    assert "0 people" in run("people", "list").output
    written = tmp_path / "report.csv"
    done = run("enroll --existing refuse --report", written, table)
    assert (done.exit_code, "1 of 2 clips enrolled, 1 person." in done.output) == (1, True)
    assert "consent: =A1" in run("people show ann").output
    job_id = run("jobs", "list").output.split("\t")[0]
    shown = run("jobs report", job_id).output
    assert "ann,안나,enrolled,1,1,0,0," in shown
    assert "ben,,refused,1,0,1,0," in shown, "nothing that was stated of him is kept"
    named = run("jobs report", job_id, "--table", table).output
    assert written.read_text("utf-8-sig").splitlines() == named.splitlines()
    assert "ben,Ben,refused,1,0,1,0," in named
    assert run("jobs cancel", job_id).output == f"Removed: {job_id}\n"
    again = run("enroll --existing refuse", table)
    assert (again.exit_code, "person_exists" in again.output) == (1, True)


def test_the_end_of_a_job_is_waited_for_where_a_service_has_its_last_file(
    run: Callable[..., Result], folder: Path, tmp_path: Path
) -> None:
    with jobs_of(tmp_path) as jobs:
        job = jobs.create(
            NewJob(
                "enroll", [NewItem("clip.mp4", "clip.mp4", "ann")], root=str(folder / "people/ann")
            )
        )
        held = jobs.claim("a service")
        assert held
        with ThreadPoolExecutor(1) as pool:
            shown = pool.submit(run, "jobs", "run", job.job_id)
            with pytest.raises(TimeoutError):
                shown.result(5)
            jobs.finish(held, "a service", result={"templates": []})
            assert "1 done" in shown.result(120).output


def test_a_job_is_run_where_its_folder_is(
    run: Callable[..., Result], folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "people").mkdir()
    shutil.copytree(folder / "people/ann", tmp_path / "people/ann")
    assert run("enroll", tmp_path / "people").exit_code == 0
    job_id = run("jobs", "list").output.split("\t")[0]
    (tmp_path / "people").rename(tmp_path / "away")
    refused = run("jobs", "run", job_id)
    assert (refused.exit_code, "media_not_found: The folder of the job" in refused.output) == (
        1,
        True,
    )


def test_the_way_of_a_person(run: Callable[..., Result], folder: Path) -> None:
    clip = folder / "people/ann/clip.mp4"
    assert run("enroll", clip, "--person", "ann").exit_code == 0
    shown = run("people", "show", "ann")
    assert shown.output.count("quality") == 2
    answer = run("identify", folder / "again.mp4")
    assert answer.exit_code == 0
    assert answer.output.count("ann (ann)") >= 1
    verdict = run("verify", clip, clip)
    assert "face and voice     1.000" in verdict.output
    assert verdict.output.count("same") == 3
    assert "ann" in run("people", "delete", "ann", input="n\n").output
    assert run("people", "show", "ann").exit_code == 0
    assert run("people", "delete", "ann", "--yes").exit_code == 0
    assert "person_not_found" in run("people", "show", "ann").output


def verified(result: Result) -> dict[str, list[str]]:
    """What `verify` printed, by modality: score, threshold, probability, verdict."""
    assert result.exit_code == 0, result.output
    head, *rows = result.stdout.splitlines()[:4]
    assert head.split() == ["score", "threshold", "probability", "verdict"]
    return {row[:16].strip(): row[16:].split() for row in rows}


def by_voice(result: Result) -> tuple[float, str]:
    """Score and verdict of two sound files.

    There is no face, so the voice is the whole answer. What must be true of any such
    answer is checked.
    """
    rows = verified(result)
    assert rows["face alone"] == ["-", "-", "-", "nothing", "to", "compare"]
    assert rows["face and voice"] == rows["voice alone"]
    score, threshold, probability = (float(number) for number in rows["voice alone"][:3])
    assert 0 <= probability <= 1
    assert rows["voice alone"][3] == ("same" if score >= threshold else "different")
    assert "false match rate of 1.00%" in result.output
    return score, rows["voice alone"][3]


def test_two_recordings_are_verified_by_sound_alone(
    run: Callable[..., Result], tmp_path: Path
) -> None:
    """The verdict is certain only for the person who is the same.

    Synthetic voices resemble each other more than people do.
    """
    for name, person, take in (("a-1", 3, 0), ("a-2", 3, 1), ("b-1", 7, 0)):
        soundfile.write(
            tmp_path / f"{name}.wav",
            media_sound.speech(person, 4.0, take=take, rate_hz=RATE_HZ),
            RATE_HZ,
        )
    same, verdict = by_voice(run("verify", tmp_path / "a-1.wav", tmp_path / "a-2.wav"))
    other, _ = by_voice(run("verify", tmp_path / "a-1.wav", tmp_path / "b-1.wav"))
    assert verdict == "same"
    assert same > other
    words = [
        "-C",
        tmp_path / "infer.toml",
        "-S1",
        tmp_path / "a-1.wav",
        "-S2",
        tmp_path / "a-2.wav",
    ]
    (tmp_path / "infer.toml").write_text("fpir = 0.001\n", encoding="utf-8")
    answer = run("verify", *words, "--lang", "ko")
    assert answer.output.count("비교할 것 없음") == 1
    assert "오인식률은 0.10%" in answer.stdout


def files_of(listing: Listing, person: str) -> list[Item]:
    """The first eight files of a person of speechocean762."""
    return [item for item in listing.items if item.label == f"speechocean762/{person}"][:8]


@pytest.mark.skipif(
    not (shared_data_dir() / "voices.csv").is_file(),
    reason="needs the research data (DUET_SHARED_DATA)",
)
def test_two_people_are_told_apart_by_sound_alone(
    run: Callable[..., Result], tmp_path: Path
) -> None:
    """People whom no network was trained on, with four sentences in each recording.

    A verdict of "different" for one person is allowed: a threshold that holds among people
    of one room refuses some. One of "same" for two people is not.
    """
    everything = read_listing(shared_data_dir() / "voices.csv", "audio", "dev")
    for person, half in itertools.product(SPEAKERS, (0, 1)):
        items = tuple(files_of(everything, person)[half::2])
        waves = [
            decode_float(data, RATE_HZ, item.path)
            for data, item in zip(Listing(everything.root, items).read_all(), items, strict=True)
        ]
        soundfile.write(tmp_path / f"{person}-{half}.wav", np.concatenate(waves), RATE_HZ)
    first, second = SPEAKERS
    same = by_voice(run("verify", tmp_path / f"{first}-0.wav", tmp_path / f"{first}-1.wav"))
    other = by_voice(run("verify", tmp_path / f"{first}-0.wav", tmp_path / f"{second}-0.wav"))
    assert same[0] > other[0] + 0.1
    assert other[1] == "different"


def test_replace_leaves_one_clip(run: Callable[..., Result], folder: Path) -> None:
    run("enroll", folder / "people/ann/clip.mp4", "--person", "ann")
    assert run("enroll --person ann --replace", folder / "again.mp4").exit_code == 0
    assert run("people", "show", "ann").output.count("quality") == 2


def test_convert_writes_16_khz_mono(
    run: Callable[..., Result], folder: Path, tmp_path: Path
) -> None:
    result = run("convert", folder / "again.mp4", "--to", tmp_path)
    assert result.exit_code == 0
    info = soundfile.info(tmp_path / "again.wav")
    assert (info.samplerate, info.channels) == (16_000, 1)
    assert info.duration == pytest.approx(3, abs=0.2)


def test_convert_never_writes_two_videos_to_one_file(
    run: Callable[..., Result], folder: Path, tmp_path: Path
) -> None:
    same = folder / "again.mp4"
    result = run(
        "convert --force --to", tmp_path / "new", same, folder / "people/ann/../../again.mp4"
    )
    assert result.exit_code == 1
    assert "output_refused" in result.output
    assert run("convert", same, "--to", tmp_path / "new").exit_code == 1
    assert run("convert --force", same, "--to", tmp_path / "new").exit_code == 0
    (tmp_path / "new" / "again.mp4").write_bytes(same.read_bytes())
    sound = (tmp_path / "new" / "again.wav").read_bytes()
    result = run(
        "convert",
        tmp_path / "new" / "again.mp4",
        tmp_path / "new" / ".." / "new" / "again.wav",
        "--force",
    )
    assert result.output.count("must not be overwritten") == 2, "the one is the other's source"
    assert (tmp_path / "new" / "again.wav").read_bytes() == sound


def test_wrong_use(run: Callable[..., Result], folder: Path, tmp_path: Path) -> None:
    assert run("enroll", folder / "again.mp4").exit_code == 2
    assert "invalid_name" in run("enroll", folder / "again.mp4", "--person", "x" * 200).output
    assert run("enroll", tmp_path).exit_code == 2
    assert run("verify", folder / "again.mp4").exit_code == 2
    assert run("identify", tmp_path / "nothing.mp4").exit_code == 2
