"""Transcripts that are kept, on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import soundfile
from click.testing import CliRunner, Result

import cli
from gallery.results import NewTranscript, SpokenTurn
from gallery.store import open_store
from speech.scribe import Scribe
from tests.support.recordings import WordyEngine, syllables
from utils.arrays import RATE_HZ
from utils.config import Settings


@pytest.fixture
def talk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recording, an empty gallery, and an engine that writes a word each half second."""
    monkeypatch.setattr(Scribe, "_load", lambda _: WordyEngine())
    monkeypatch.setenv("DUET_DATA_DIR", str(tmp_path / "data"))
    soundfile.write(tmp_path / "talk.wav", syllables(3.0), RATE_HZ)
    return tmp_path / "talk.wav"


def run(*words: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(cli.cli, words, input=typed)


def test_nothing_is_kept_unless_it_is_asked(talk: Path) -> None:
    assert run("transcribe", str(talk)).exit_code == 0
    listed = run("transcripts", "list")
    assert (listed.stdout, listed.stderr) == ("", "No transcript is kept.\n")


def test_what_is_kept_is_listed_shown_and_deleted(
    talk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DUET_KEEP_TRANSCRIPTS", "1")
    written = run("transcribe", str(talk))
    transcript_id = written.stderr.split()[-1]
    assert run("transcripts", "list").output.split("\t")[0] == transcript_id
    assert run("transcripts", "show", transcript_id).output == written.stdout
    shown = run("transcripts", "show", transcript_id, "--format", "json").output
    assert json.loads(shown)["title"] == "talk.wav"
    assert run("transcripts", "show", transcript_id, "--format", "vtt").output.startswith("WEBVTT")
    asked = run("transcripts", "delete", transcript_id, typed="n\n")
    assert asked.exit_code == 1
    assert f"Delete the transcript {transcript_id} of talk.wav, 3.0 s?" in asked.output
    assert transcript_id in run("transcripts", "list").stdout
    assert run("transcripts", "delete", transcript_id, "--yes").exit_code == 0
    gone = run("transcripts", "show", transcript_id)
    assert gone.exit_code == 1
    assert "transcript_not_found" in gone.output
    assert "cli.py transcripts list" in gone.output


def test_those_without_a_name_are_called_as_on_the_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = ("unknown 2", "unknown", "Ann", "")
    turns = tuple(SpokenTurn(n, n + 1, "Hi.", speaker=who) for n, who in enumerate(said))
    monkeypatch.setenv("DUET_DATA_DIR", str(tmp_path))
    store = open_store(Settings.of(data_dir=tmp_path))
    transcript_id = store.keep_transcript(NewTranscript("a.wav", "en", 4.0, turns))
    store.close()
    shown = run("--lang", "ko", "transcripts", "show", transcript_id).stdout.splitlines()
    assert shown == ["모르는 사람 2: Hi.", "누군가: Hi.", "Ann: Hi.", "Hi."]
