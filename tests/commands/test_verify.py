"""The command `verify`: its words in three languages, its options, its settings file."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

import cli
from commands.verify import read_settings
from commands.wording import WORDS
from tests.support.page_texts import read_texts
from utils.errors import ConfigError


@pytest.mark.parametrize("lang", WORDS)
def test_verdicts_are_the_words_of_the_pages(lang: str) -> None:
    texts = read_texts(lang)
    words = {
        key.removeprefix("verdict."): text
        for key, text in texts.items()
        if key.startswith("verdict.")
    }
    assert words == WORDS[lang].verdicts


def test_a_file_of_settings_comes_before_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DUET_FPIR", "0.3")
    monkeypatch.setenv("DUET_MIN_SPEECH_S", "0.9")
    file = tmp_path / "infer.toml"
    file.write_text('model_dir = "mine"\nfpir = 0.002\nDUET_KEEP_MEDIA = true\n', encoding="utf-8")
    settings = read_settings(file)
    assert settings.storage.model_dir == Path("mine").resolve()
    assert (settings.decision.fpir, settings.capture.min_speech_s) == (0.002, 0.9)
    assert settings.privacy.keep_media
    assert read_settings(None).decision.fpir == 0.3
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())  # as Notepad writes it
    assert read_settings(file).decision.fpir == 0.002


@pytest.mark.parametrize("text", ["fpir = ", "no_such = 1"])
def test_a_file_that_holds_no_settings_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "infer.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError):
        read_settings(file)


@pytest.mark.parametrize(
    "words", [[], ["a.wav"], ["-S1", "a.wav"], ["a.wav", "a.wav", "-S1", "a.wav"]]
)
def test_too_few_and_too_many_clips_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.wav").write_bytes(b"")
    assert CliRunner().invoke(cli.cli, ["verify", *words]).exit_code == 2
