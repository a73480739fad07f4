"""`cli.py listen`: a live session in the terminal, from a file or the microphone."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Self

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result

import assembly
import cli
from speech.scribe import Scribe
from tests.support.gallery_parts import StubEncoders, recognizer_of
from tests.support.live import PitchVoice, pcm16
from tests.support.recordings import WordyEngine, silence, syllables
from utils.arrays import RATE_HZ, Float32Array
from utils.config import Settings

TALK = np.concatenate([syllables(3, 5), silence(1), syllables(3, 2), silence(1)])


@pytest.fixture(autouse=True)
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that writes a word each half second, and voices that go by pitch."""
    monkeypatch.setattr(Scribe, "_load", lambda _: WordyEngine())

    def build(settings: Settings, *, serving: bool) -> object:
        assert not serving
        return recognizer_of(settings, StubEncoders(voice=PitchVoice()))

    monkeypatch.setattr(assembly, "build_recognizer", build)


def run(tmp_path: Path, *words: object) -> Result:
    env = {"DUET_DATA_DIR": str(tmp_path)}
    return CliRunner().invoke(cli.cli, ["listen", *map(str, words)], env=env)


def test_a_file_is_written_down_line_by_line(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "talk.wav", TALK, RATE_HZ)
    source = ("--file", tmp_path / "talk.wav", "--fast")
    result = run(tmp_path, *source, "--to", tmp_path / "talk.txt")
    assert result.exit_code == 0, result.output
    first, second = result.stdout.splitlines()
    assert first.startswith("00:00 unknown 1: w0 w1")
    assert second[5:].startswith(" unknown 2: w0 w1")
    assert (tmp_path / "talk.txt").read_text().splitlines() == [first, second]
    refused = run(tmp_path, *source, "--to", tmp_path / "no" / "t")
    assert "output_refused" in refused.stderr
    assert "Loading the networks" not in refused.stderr


def test_a_language_that_is_not_written_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "talk.wav", TALK, RATE_HZ)
    refused = run(tmp_path, "--file", tmp_path / "talk.wav", "--language", "qq")
    assert "does not write this language. Received: 'qq'" in refused.stderr
    assert "Loading the networks" not in refused.stderr


class Microphone(ModuleType):
    """What the package sounddevice does, with a recording, and Ctrl-C at its end."""

    class PortAudioError(Exception):
        pass

    def __init__(self, said: Float32Array, is_lost: bool = False) -> None:
        super().__init__("sounddevice")
        self.sound = pcm16(said)
        self.at_end = self.PortAudioError("Unplugged") if is_lost else KeyboardInterrupt()

    def RawInputStream(self, **_options: object) -> Microphone:
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def read(self, frames: int) -> tuple[bytes, bool]:
        if not self.sound:
            raise self.at_end
        block = self.sound[: 2 * frames]
        self.sound = self.sound[2 * frames :]
        return block, False


def test_the_microphone_is_written_down_until_ctrl_c(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", Microphone(syllables(3, 5)))
    result = run(tmp_path)
    assert result.exit_code == 0, result.output
    assert "unknown 1: w0 w1" in result.stdout


def test_what_was_said_before_the_microphone_was_lost_is_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", Microphone(syllables(3, 5), is_lost=True))
    result = run(tmp_path)
    assert result.exit_code == 1
    assert "The microphone was lost while it recorded: Unplugged" in result.stderr
    assert "unknown 1: w0 w1" in result.stdout


def test_a_missing_microphone_is_said_before_the_networks_are_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    result = run(tmp_path)
    assert (result.exit_code, "There is no sounddevice." in result.stderr) == (1, True)
    assert "Loading the networks" not in result.stderr
