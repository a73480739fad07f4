"""Bring your own encoder, through the whole service.

From the command that adds a model through calibration and the service, to another model
and back. The same walk with a public third-party face model and real clips runs where
the research data is there.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient

import cli
from assembly import build_recognizer
from network.serving.card import read_card
from tests.network.own_networks import IMAGENET, add_model, face_network, voice_network
from tests.support.media import write_clip
from tests.support.shapes import assert_error, send
from tests.support.tiny import tiny_models
from train.data.datasets import Listing, read_listing
from train.data.tables import select
from utils.config import ROOT, Settings
from utils.errors import ModelError
from web.factory import create_app

pytestmark = pytest.mark.slow

DATA = Path(os.environ.get("DUET_SHARED_DATA", ROOT.parent / "shared" / "data"))
TEACHER = DATA / "teachers" / "mobilefacenet_ms1m.onnx"
CLIPS = DATA / "clips"
VOICE = ROOT / "best_model" / "voice"
MANY = 30


@dataclass(frozen=True)
class Case:
    """Models, folders of people to calibrate on one after the other, and clips.

    `enrolled` holds a clip to enrol and one to ask about, by person.
    """

    models: Path
    people: tuple[Path, ...]
    enrolled: dict[str, tuple[Path, Path]]
    strangers: tuple[Path, ...]


@contextmanager
def service(models: Path, data_dir: Path) -> Iterator[FlaskClient]:
    settings = Settings.of(data_dir=data_dir, model_dir=models)
    recognizer = build_recognizer(settings)
    yield create_app({"SETTINGS": settings, "TESTING": True}, recognizer).test_client()
    recognizer.close()


def ask(client: FlaskClient, clip: Path, route: str = "/v1/identify") -> Any:
    with clip.open("rb") as file:
        return send(client, route, media=(file, clip.name))


def walk_through(case: Case, tmp_path: Path) -> dict[str, list[str]]:
    """Calibrate, enrol, identify, and change the models and back.

    Returns the names that are given to each person.
    """
    data_dir = tmp_path / "data"
    with (
        pytest.raises(ModelError, match="no calibration") as caught,
        service(case.models, data_dir),
    ):
        pass
    assert "cli.py calibrate FOLDER --model-dir" in caught.value.hint
    for folder in case.people:
        words = ["calibrate", folder, "--model-dir", case.models, "--out", tmp_path / "plots"]
        made = CliRunner().invoke(cli.cli, [*map(str, words), "--no-feedback"])
        assert made.exit_code == 0, made.output
    answers: dict[str, list[str]] = {}
    with service(case.models, data_dir) as client:
        for who, (first, _) in case.enrolled.items():
            client.post("/v1/people", json={"person_id": who})
            assert ask(client, first, f"/v1/people/{who}/templates").status_code == 201
        probes = [(who, clip) for who, (_, clip) in case.enrolled.items()]
        for who, clip in [*probes, *(("stranger", clip) for clip in case.strangers)]:
            body = ask(client, clip).get_json()
            answers.setdefault(who, []).extend(_name(body[m]) for m in ("fused", "face"))
        ids = body["encoders"]
        assert ids == client.get("/v1/health").get_json()["encoders"]
        assert ids["face"] == read_card(case.models / "face").encoder_id
        assert ids["fused"].startswith("llr-sum-")
    _other_models(case, data_dir, tmp_path)
    with service(case.models, data_dir) as client:  # and back
        who, (_, clip) = next(iter(case.enrolled.items()))
        body = ask(client, clip).get_json()
        assert _name(body["fused"]) == answers[who][0]
        assert body["hints"] == [] or "stale_templates" not in {h["code"] for h in body["hints"]}
    return answers


def _other_models(case: Case, data_dir: Path, tmp_path: Path) -> None:
    """Check that other encoders neither compare nor add to the gallery."""
    who, (first, clip) = next(iter(case.enrolled.items()))
    with service(tiny_models(tmp_path / "tiny"), data_dir) as client:
        assert_error(ask(client, clip), 409, "encoder_mismatch")
        assert_error(ask(client, first, f"/v1/people/{who}/templates"), 409, "encoder_mismatch")
        assert client.get(f"/v1/people/{who}").get_json()["templates"] == {"face": 1, "voice": 1}


def _name(decision: dict[str, Any]) -> str:
    return (
        decision["match"]["person_id"] if decision["outcome"] == "accepted" else decision["outcome"]
    )


@pytest.fixture
def drawn(tmp_path: Path) -> Case:
    """Drawn people with synthetic voices, and models with random weights."""
    models = tmp_path / "models"
    face = face_network(tmp_path / "f.onnx")
    voice = voice_network(tmp_path / "v.onnx")
    for kind, file, options in (
        ("face", face, "--scale 0.00784314 --mean 1"),
        ("voice", voice, "--layout nct --mels 40 --no-mean-norm"),
    ):
        result = add_model(kind, file, models / kind, options)
        assert result.exit_code == 0, result.output

    def clip(person: int, take: int, folder: str) -> Path:
        place = tmp_path / folder / f"p{person}"
        place.mkdir(parents=True, exist_ok=True)
        return write_clip(
            # Six frames: to random weights all people look nearly alike, so all faces count
            place / f"{take}.mp4",
            person,
            2.0,
            take=take,
            size=(480, 270),
            face_px=220,
            fps=3,
        )

    for person in range(14):
        for take in range(2):
            clip(person, take, "people")
    return Case(
        models=models,
        people=(tmp_path / "people",),
        enrolled={f"p{i}": (clip(i, 0, "ask"), clip(i, 1, "ask")) for i in (14, 15)},
        strangers=(),
    )


def test_own_models_through_the_whole_service(drawn: Case, tmp_path: Path) -> None:
    answers = walk_through(drawn, tmp_path)
    assert all(answers[who][0] == who for who in drawn.enrolled), answers


@pytest.fixture
def real(tmp_path: Path) -> Case:
    """A public face model and real clips.

    It is calibrated on pictures and sounds of `MANY` people, then on clips of a dozen
    more like those that are asked about.
    """
    needed = (TEACHER, CLIPS, DATA / "faces.zip", DATA / "voices.zip", VOICE / "card.json")
    if not all(path.exists() for path in needed):
        pytest.skip("no research data (DUET_SHARED_DATA)")
    models = tmp_path / "models"
    result = add_model("face", TEACHER, models / "face", f"{IMAGENET} --terms Apache-2.0")
    assert result.exit_code == 0, result.output
    shutil.copytree(VOICE, models / "voice")
    write_files(tmp_path / "many", "faces.csv", "image", "frontal")
    write_files(tmp_path / "many", "voices.csv", "audio", "speechocean762")
    link_clips(tmp_path / "people", [f"ar{number:02}" for number in range(4, 16)])
    return Case(
        models=models,
        people=(tmp_path / "many", tmp_path / "people"),
        enrolled={f"ar0{number}": clips_of(f"ar0{number}") for number in range(4)},
        strangers=tuple(sorted((CLIPS / "strangers").glob("grid_unk_*.mpg"))[:2]),
    )


def write_files(folder: Path, name: str, kind: str, part: str) -> None:
    """Write two files of each of `MANY` people whose paths hold `part`."""
    listing = read_listing(DATA / name, kind, "dev")
    items = tuple(item for item in listing.items if part in item.path)
    chosen = select(Listing(listing.root, items), 2, MANY)
    for item, data, number in zip(chosen.items, chosen.read_all(), chosen.label_ids(), strict=True):
        file = folder / f"{number:03}" / Path(item.path).name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)


def clips_of(who: str) -> tuple[Path, Path]:
    """Return the clip to enrol and the one to ask about."""
    person = CLIPS / "people" / who
    return person / "enroll/join0.mp4", person / "test/join1.mp4"


def link_clips(folder: Path, people: Sequence[str]) -> None:
    for who in people:
        (folder / who).mkdir(parents=True)
        for clip in clips_of(who):
            (folder / who / clip.name).symlink_to(clip)


def test_a_third_party_face_model_through_the_whole_service(real: Case, tmp_path: Path) -> None:
    answers = walk_through(real, tmp_path)
    assert set(answers.pop("stranger")) == {"unknown"}, answers
    for place in (0, 1):  # fused, face
        assert sum(names[place] == who for who, names in answers.items()) >= 3, answers
        assert all(names[place] in (who, "unknown") for who, names in answers.items()), answers
