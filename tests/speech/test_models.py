"""Weights are what they say, or refused."""

from __future__ import annotations

import hashlib
import resource
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from speech import models
from speech.models import is_installed, list_models, load_weights
from utils.errors import ModelError, SpeechUnavailableError


@pytest.fixture
def in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Two packages that hold the weights b"one two" of a model "half", one half each."""
    for package, content in (("weights_one", b"one "), ("weights_two", b"two")):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
        (tmp_path / package / "part").write_bytes(content)
    for name in ("config.json", "tokenizer.json", "vocabulary.txt"):
        (tmp_path / "weights_one" / name).write_text("{}", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    packaged = replace(
        models._PACKAGED[0],
        name="half",
        folder=("weights_one", ""),
        parts=(("weights_one", "part"), ("weights_two", "part")),
        sha256=hashlib.sha256(b"one two").hexdigest(),
    )
    monkeypatch.setattr(models, "_PACKAGED", (packaged,))
    yield tmp_path
    for package in ("weights_one", "weights_two"):
        sys.modules.pop(package, None)


def states() -> list[str]:
    return [entry.state for entry in list_models("")]


def test_parts_are_joined_in_order(in_parts: Path) -> None:
    weights = load_weights("half")
    assert weights.files["model.bin"] == b"one two"
    assert set(weights.files) == {"model.bin", "config.json", "tokenizer.json", "vocabulary.txt"}
    assert load_weights("").model == weights.model
    assert states() == ["ready"]


def test_joining_writes_no_file_so_a_full_disk_or_a_kill_leaves_nothing(in_parts: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with pytest.raises(OSError, match="File too large"):
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
            weights = load_weights("half")
            (in_parts / "new").write_bytes(b"x")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert weights.files["model.bin"] == b"one two"


def test_other_weights_are_refused(in_parts: Path) -> None:
    (in_parts / "weights_two" / "part").write_bytes(b"too")
    with pytest.raises(ModelError, match="must have the SHA-256"):
        load_weights("half")
    assert "must have the SHA-256" in states()[0]


def test_a_missing_part_is_named(in_parts: Path) -> None:
    (in_parts / "weights_two" / "part").unlink()
    with pytest.raises(ModelError, match="is incomplete"):
        load_weights("half")


def test_a_package_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = replace(models._PACKAGED[0], parts=(("no_such_package_here", "part"),))
    monkeypatch.setattr(models, "_PACKAGED", (absent,))
    for name in ("", "base"):
        with pytest.raises(SpeechUnavailableError, match="speech model base"):
            load_weights(name)
        assert not is_installed(name)
    assert states() == ["not installed"]


def test_a_folder_of_the_operators(tmp_path: Path) -> None:
    for name in ("model.bin", "config.json"):
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(ModelError, match=r"Missing in .*: tokenizer.json"):
        load_weights(str(tmp_path))
    (tmp_path / "tokenizer.json").write_bytes(b"{}")
    weights = load_weights(str(tmp_path))
    assert weights.folder == tmp_path
    own = list(list_models(str(tmp_path)))[-1]
    assert (own.state, own.sha256) == ("ready", hashlib.sha256(b"x").hexdigest())


def test_a_broken_folder_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("faster_whisper", reason="requirements-speech.txt is not installed")
    from speech.transcriber_whisper import WhisperTranscriber

    for name in ("model.bin", "config.json", "tokenizer.json"):
        (tmp_path / name).write_bytes(b"{}")
    with pytest.raises(ModelError, match="cannot be loaded") as error:
        WhisperTranscriber(load_weights(str(tmp_path)), threads=1)
    assert str(tmp_path) not in error.value.message


def test_a_folder_that_is_not_there() -> None:
    with pytest.raises(ModelError):
        load_weights("/no/such/folder")
    assert not is_installed("/no/such/folder")
    assert list(list_models("/no/such/folder"))[-1].state.startswith("The folder")
