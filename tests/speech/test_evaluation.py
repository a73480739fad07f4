"""Error rates of an engine on a manifest."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
import soundfile
from click.testing import CliRunner

import cli
from speech.evaluation import evaluate, read_manifest, summarise, write_directly
from speech.scribe import Scribe
from tests.support.recordings import WordyEngine, syllables
from utils.arrays import RATE_HZ
from utils.errors import DatasetError


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Two utterances of two speakers, and one with a digit."""
    for name in ("a", "b"):
        soundfile.write(tmp_path / f"{name}.wav", syllables(1.6), RATE_HZ)
    file = tmp_path / "manifest.csv"
    file.write_text(
        "path,text,speaker\na.wav,W0 w1 w2,ann\nb.wav,w0 x w2 w3,ben\na.wav,room 7,ann\n",
        encoding="utf-8",
    )
    return file


def test_texts_with_digits_are_left_out(tmp_path: Path) -> None:
    file = tmp_path / "m.csv"
    file.write_text("path,text\na.wav,one\nb.wav,room 7\n", encoding="utf-8")
    utterances, left_out = read_manifest(file)
    assert [u.path for u in utterances] == ["a.wav"]
    assert left_out == 1
    for text in ("", "name\nx\n", "path,text\na.wav,7\n"):
        file.write_text(text, encoding="utf-8")
        with pytest.raises(DatasetError):
            read_manifest(file)


def test_a_report_sums_up(manifest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest.write_text("path,text,speaker\na.wav,one two,ann\nb.wav,one,ben\n", encoding="utf-8")
    texts = iter(("one too", "one"))
    utterances, _ = read_manifest(manifest)
    results = list(evaluate(utterances, manifest.parent, lambda _: next(texts)))
    report = summarise(results)
    assert report["wer"]["rate"] == pytest.approx(1 / 3, abs=1e-4)
    assert report["wer"]["interval_95"] == [0.0, 0.5]
    assert report["by_speaker"]["ben"]["wer"] == 0.0
    assert report["by_duration"]["below 2 s"]["utterances"] == 2
    assert report["worst"][0]["reference"] == "one two"


def test_media_may_be_an_archive(manifest: Path) -> None:
    archive = manifest.with_suffix(".zip")
    with zipfile.ZipFile(archive, "w") as made:
        made.write(manifest.parent / "b.wav", "b.wav")
    manifest.write_text("path,text\nb.wav,one\n", encoding="utf-8")
    utterances, _ = read_manifest(manifest)
    write = write_directly(WordyEngine(), None)
    assert next(evaluate(utterances, archive, write)).written == "w0 w1 w2"
    manifest.write_text("path,text\nc.wav,one\n", encoding="utf-8")
    utterances, _ = read_manifest(manifest)
    with pytest.raises(DatasetError, match=r"c\.wav"):
        next(evaluate(utterances, archive, write))


def test_the_command_prints_rates(manifest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Scribe, "_load", lambda _: WordyEngine())
    manifest.write_text(
        "path,text,speaker\na.wav,one two,ann\nb.wav,three four,ben\na.wav,room 7,ann\n",
        encoding="utf-8",
    )
    out = manifest.parent / "report.json"
    words = ["speech", "evaluate", str(manifest), "--direct", "--conditions", "--out", str(out)]
    result = CliRunner().invoke(cli.cli, words)
    assert result.exit_code == 0, result.output
    assert "wer: 150.0% (95 %: 150.0% to 150.0%)" in result.output
    assert "2 utterances, 1 left out for their digits" in result.output
    assert "\n0 dB: cer_without_spaces" in result.output
    report = json.loads(out.read_text(encoding="utf-8"))
    assert (report["normaliser"], report["condition"], report["left_out"]) == ("plain", "clean", 1)
    assert list(report["conditions"]) == ["clean", "room", "hall", "20 dB", "10 dB", "5 dB", "0 dB"]
    assert report["conditions"]["room"]["wer_95"] == [1.5, 1.5]
    assert out.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    refused = CliRunner().invoke(cli.cli, [*words, "--snr", "3"])
    assert "Leave out --snr" in refused.output
    unwritten = CliRunner().invoke(cli.cli, [*words[:4], "--out", str(out / "r.json")])
    assert (
        f"output_refused: The output needs a folder. A file is in its place. Received: {out}"
        in (unwritten.output)
    )
    other = CliRunner().invoke(cli.cli, [*words[:4], "--language", "qq"])
    assert "does not write this language. Received: 'qq'" in other.output
