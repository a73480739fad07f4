"""`cli.py evaluate FOLDER`, with the shipped networks and clips that the tests make."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import cli
from commands.evaluate_folder import is_good
from recognition.labelled import LabelledAnswer
from recognition.results import Decision, Match, Outcome
from tests.support.media import write_clip
from utils.modality import PerModality


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips each of two people, one of whom is named in Korean, and a list."""
    made = tmp_path_factory.mktemp("labelled")
    for person, name in enumerate(("ann", "길동")):
        (made / name).mkdir()
        for take in range(2):
            write_clip(made / name / f"{take}.mp4", person=person, take=take)
    (made / "list.txt").write_text("who is who", encoding="utf-8")
    return made


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Result]:
    monkeypatch.setenv("DUET_DATA_DIR", str(tmp_path / "data"))
    return lambda *words: CliRunner().invoke(cli.cli, [*map(str, words)])


def test_one_folder_is_split_in_a_gallery_of_its_own(
    run: Callable[..., Result], folder: Path, tmp_path: Path
) -> None:
    result = run("evaluate", folder, "--split", "--json")
    assert result.exit_code == 0, result.output
    body = json.loads(result.stdout)
    assert body["enrolled"] == ["ann/0.mp4", "길동/0.mp4"]
    assert [clip["clip"] for clip in body["clips"]] == ["ann/1.mp4", "길동/1.mp4"]
    assert body["people"]["fused"] == {
        "right": 2,
        "wrong": 0,
        "unknown": 0,
        "nothing": 0,
        "accuracy": 1.0,
    }
    assert body["strangers"]["fused"]["accuracy"] is None
    assert not (tmp_path / "data").exists()


def test_the_gallery_is_asked_about_clips_that_are_not_enrolled(
    run: Callable[..., Result], folder: Path, tmp_path: Path
) -> None:
    assert run("enroll", folder / "ann/0.mp4", "--person", "ann").exit_code == 0
    shutil.copytree(folder, tmp_path / "asked")
    (tmp_path / "asked/ann/2.mp4").write_text("no clip", encoding="utf-8")
    result = run("evaluate", tmp_path / "asked")
    assert "1 clip enrolled and not asked about." in result.output
    assert "People of the gallery: 1 clip of 1" in result.output
    assert "Strangers: 2 clips of 1" in result.output
    assert "ann/2.mp4: media_type" in result.output
    assert result.exit_code == 1, "a clip was refused"
    assert run("audit", "show").output.count("evaluate") == 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "Nobody is enrolled in"),
        (["--split"], "No clip is left to ask about"),
    ],
)
def test_what_cannot_be_asked_is_said(
    run: Callable[..., Result], folder: Path, tmp_path: Path, words: list[str], message: str
) -> None:
    (tmp_path / "one/ann").mkdir(parents=True)
    shutil.copy(folder / "ann/0.mp4", tmp_path / "one/ann")
    result = run("evaluate", tmp_path / "one", *words)
    assert (result.exit_code, message in result.output) == (2, True), result.output


def test_a_folder_without_clips_is_wrong_use(run: Callable[..., Result], tmp_path: Path) -> None:
    result = run("evaluate", "folder", tmp_path)
    assert (result.exit_code, "one folder of clips per person" in result.output) == (2, True)


@pytest.mark.parametrize(
    ("who", "at_least", "good"),
    [
        (["ann", "ann"], 1.0, True),
        (["ann", None], 0.5, True),
        (["ann", None], 0.6, False),
        (["ann", "bob"], 0.0, False),
    ],
)
def test_the_exit_status_heeds_wrong_names_and_the_accuracy(
    who: list[Any], at_least: float, good: bool
) -> None:
    decisions = [
        Decision(Outcome.ACCEPTED, "", Match(one, one, 0.8, 0.99))
        if one
        else Decision(Outcome.UNKNOWN, "")
        for one in who
    ]
    answers = [LabelledAnswer("a", "ann", "ann", PerModality(d, d, d)) for d in decisions]
    assert is_good(answers, at_least) is good
