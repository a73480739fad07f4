"""Bring your own encoder: ONNX files that the tests make, from the command that adds
them through calibration and the service and back; the same walk with a public
third-party face model and real clips where the research data is there.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from click.testing import CliRunner, Result
from flask.testing import FlaskClient
from onnx import helper

import cli
from assembly import build_recognizer
from network.serving.card import read_card
from network.serving.encoder import load_face_encoder, load_voice_encoder
from network.serving.inputs import FaceInput
from tests.support.media import write_clip
from tests.support.shapes import assert_error, send
from tests.support.tiny import random_faces, save_onnx, tiny_models
from train.calibration import calibrate
from train.data.datasets import Listing, read_listing
from train.data.tables import select
from utils.arrays import RATE_HZ
from utils.config import ROOT, Settings
from utils.errors import ModelError
from utils.media import Waveform
from web.factory import create_app

DATA = Path(os.environ.get("DUET_SHARED_DATA", ROOT.parent / "shared" / "data"))
TEACHER = DATA / "teachers" / "mobilefacenet_ms1m.onnx"
CLIPS = DATA / "clips"
MANY = 30
IMAGENET = (
    "--scale",
    "0.00392156862745098",
    "--mean",
    "0.485,0.456,0.406",
    "--std",
    "0.229,0.224,0.225",
)


# ---- networks


def face_network(
    file: Path,
    size: int = 64,
    shape: Sequence[str | int] = ("n", 3, 112, 112),
    name: str = "pixels",
) -> Path:
    """Picture (nchw) averaged over squares of 8 × 8 px → a random projection."""
    weights = (
        np.random.default_rng(1)
        .normal(size=(int(np.prod(shape[1:])) // 64, size))
        .astype(np.float32)
    )
    nodes = [
        helper.make_node("AveragePool", [name], ["a"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("Flatten", ["a"], ["b"]),
        helper.make_node("MatMul", ["b", "w"], ["out"]),
    ]
    save_onnx(file, {name: list(shape)}, nodes, {"w": weights})
    return file


def voice_network(
    file: Path, size: int = 96, mels: int = 40, shape: Sequence[str | int] | None = None
) -> Path:
    """Features (n, mels, frames) → a random projection of their mean over time."""
    weights = np.random.default_rng(2).normal(size=(mels, size)).astype(np.float32)
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["m"], axes=[2], keepdims=0),
        helper.make_node("MatMul", ["m", "w"], ["out"]),
    ]
    save_onnx(file, {"x": list(shape or ("n", mels, "t"))}, nodes, {"w": weights})
    return file


def simple(
    file: Path,
    *nodes: Any,
    inputs: dict[str, list[str | int]] | None = None,
    weights: dict[str, np.ndarray] | None = None,
) -> Path:
    """A network of the given nodes over the picture `x`."""
    save_onnx(file, inputs or {"x": ["n", 3, 112, 112]}, list(nodes), weights or {})
    return file


def run_cli(*words: object) -> Result:
    return CliRunner().invoke(cli.cli, [str(word) for word in words])


def refused(*words: object) -> str:
    result = run_cli("models", "add", *words)
    assert result.exit_code == 1, result.output
    assert "Traceback" not in result.output
    return result.output


# ---- what is checked when a model is added


def test_card_of_an_added_face_model(tmp_path: Path) -> None:
    file = face_network(tmp_path / "My Net (v2).onnx")
    result = run_cli(
        "models", "add", "face", file, *IMAGENET, "--terms", "MIT", "--to", tmp_path / "m" / "face"
    )
    assert result.exit_code == 0, result.output
    assert "python -m train.calibration.calibrate" in result.output
    card = read_card(tmp_path / "m" / "face")
    assert card.encoder_id.startswith("my-net-v2-")
    assert (card.embedding_size, card.modality, card.runtime, card.terms, card.calibration) == (
        64,
        "face",
        "onnx",
        "MIT",
        None,
    )
    assert card.input["name"] == "pixels"
    assert card.input["template"] == "arcface-112"
    images = random_faces(3)
    scaled = ((images / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]).transpose(0, 3, 1, 2)
    pooled = scaled.reshape(3, 3, 14, 8, 14, 8).mean(axis=(3, 5)).reshape(3, -1)
    expected = pooled @ np.random.default_rng(1).normal(size=(588, 64)).astype(np.float32)
    made = load_face_encoder(tmp_path / "m" / "face").embed_each(images)
    np.testing.assert_allclose(
        made[:, :64], expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-4
    )
    assert not made[:, 64:].any()


def test_folder_of_another_model_is_not_overwritten(tmp_path: Path) -> None:
    file = face_network(tmp_path / "a.onnx")
    assert run_cli("models", "add", "face", file, "--to", tmp_path / "face").exit_code == 0
    assert "folder of its own" in refused("face", file, "--to", tmp_path / "face")


@pytest.mark.parametrize(
    ("shape", "options", "part"),
    [
        (("n", 3, 112, 112), ["--layout", "nhwc"], "That is the layout nchw"),
        (("n", 3, 112, 112), ["--size", "160"], "takes (any, 3, 112, 112)"),
        ((8, 3, 112, 112), [], "takes (8, 3, 112, 112)"),
        (("n", 3, 112, 112), ["--std", "0"], "std and scale positive"),
        (("n", 3, 112, 112), ["--output", "logits"], "no output 'logits'"),
    ],
)
def test_wrong_input(
    tmp_path: Path, shape: tuple[str | int, ...], options: list[str], part: str
) -> None:
    message = refused(
        "face", face_network(tmp_path / "a.onnx", shape=shape), *options, "--to", tmp_path / "face"
    )
    assert part in message
    assert not (tmp_path / "face").exists()


def test_wrong_numbers_by_channel(tmp_path: Path) -> None:
    for value in ("0.5,0.5", "a,b,c", ""):
        result = run_cli(
            "models",
            "add",
            "face",
            face_network(tmp_path / "a.onnx"),
            "--mean",
            value,
            "--to",
            tmp_path / "face",
        )
        assert result.exit_code == 2
        assert "One number or three" in result.output


@pytest.mark.parametrize(
    ("nodes", "weights", "part"),
    [
        (
            [
                ("Log", ["x"], ["l"]),
                ("ReduceMean", ["l"], ["out"], {"axes": [2, 3], "keepdims": 0}),
            ],
            {},
            "NaN, infinity or zeros",
        ),
        (
            [
                ("Mul", ["x", "zero"], ["z"]),
                ("ReduceMean", ["z"], ["out"], {"axes": [2, 3], "keepdims": 0}),
            ],
            {"zero": np.float32(0)},
            "zeros",
        ),
        (
            [
                ("ReduceMean", ["x"], ["m"], {"axes": [2, 3], "keepdims": 0}),
                ("Clip", ["m", "", "top"], ["out"]),
            ],
            {"top": np.float32(0.01)},
            "same embedding whatever it is fed",
        ),
        (
            [("AveragePool", ["x"], ["out"], {"kernel_shape": [8, 8], "strides": [8, 8]})],
            {},
            "(3, 3, 105, 105)|one vector for each input",
        ),
        (
            [
                ("ReduceMean", ["x"], ["m"], {"axes": [0], "keepdims": 1}),
                ("Sub", ["x", "m"], ["d"]),
                ("ReduceMean", ["d"], ["r"], {"axes": [3], "keepdims": 0}),
                ("Flatten", ["r"], ["out"]),
            ],
            {},
            "changes with the others",
        ),
        (
            [
                ("AveragePool", ["x"], ["p"], {"kernel_shape": [8, 8], "strides": [8, 8]}),
                ("Flatten", ["p"], ["out"]),
            ],
            {},
            "1 to 512 numbers",
        ),
        (
            [("Reshape", ["x", "shape"], ["out"])],
            {"shape": np.array([7, -1])},
            "fails when it is fed|one vector for each",
        ),
    ],
)
def test_wrong_output(
    tmp_path: Path, nodes: list[Any], weights: dict[str, np.ndarray], part: str
) -> None:
    made = [helper.make_node(n[0], n[1], n[2], **(n[3] if len(n) > 3 else {})) for n in nodes]
    file = simple(
        tmp_path / "a.onnx", *made, weights={k: np.asarray(v) for k, v in weights.items()}
    )
    mean = "128" if weights.keys() & {"zero"} or "Log" in {n[0] for n in nodes} else "0"
    message = refused("face", file, "--mean", mean, "--to", tmp_path / "face")
    assert any(p in message for p in part.split("|")), message
    assert not (tmp_path / "face").exists()


def test_two_inputs_and_no_network_at_all(tmp_path: Path) -> None:
    shape: list[str | int] = ["n", 3, 112, 112]
    two = simple(
        tmp_path / "a.onnx",
        helper.make_node("Add", ["x", "y"], ["out"]),
        inputs={"x": shape, "y": shape},
    )
    assert "must have one input named x. Received: x, y" in refused(
        "face", two, "--to", tmp_path / "face"
    )
    (tmp_path / "b.onnx").write_bytes(b"not a network")
    assert "onnxruntime cannot load" in refused(
        "face", tmp_path / "b.onnx", "--to", tmp_path / "face"
    )


def test_the_output_is_chosen_where_there_are_several(tmp_path: Path) -> None:
    model = onnx.load(face_network(tmp_path / "a.onnx"))
    model.graph.node.append(helper.make_node("ReduceSum", ["out"], ["logit"], keepdims=1))
    model.graph.output.insert(
        0, helper.make_tensor_value_info("logit", onnx.TensorProto.FLOAT, ["n", 1])
    )
    onnx.save(model, tmp_path / "two.onnx")
    assert "Received: a network with logit, out" in refused(
        "face", tmp_path / "two.onnx", "--to", tmp_path / "face"
    )
    assert (
        run_cli(
            "models",
            "add",
            "face",
            tmp_path / "two.onnx",
            "--output",
            "out",
            "--to",
            tmp_path / "face",
        ).exit_code
        == 0
    )
    assert (
        run_cli("models", "add", "face", tmp_path / "a.onnx", "--to", tmp_path / "one").exit_code
        == 0
    )
    images = random_faces(2)
    chosen, only = (
        load_face_encoder(tmp_path / name).embed_each(images) for name in ("face", "one")
    )
    np.testing.assert_allclose(chosen, only, atol=1e-6)


def test_a_network_for_batches_of_one_other_sizes_and_bgr(tmp_path: Path) -> None:
    for name, batch in (("one", 1), ("any", "n")):
        file = face_network(tmp_path / f"{name}.onnx", shape=(batch, 3, 160, 160))
        assert (
            run_cli(
                "models",
                "add",
                "face",
                file,
                "--size",
                160,
                "--channels",
                "bgr",
                "--to",
                tmp_path / name,
            ).exit_code
            == 0
        )
    images = random_faces(3)
    one = load_face_encoder(tmp_path / "one").embed_each(images)
    several = load_face_encoder(tmp_path / "any").embed_each(images)
    np.testing.assert_allclose(one, several, atol=1e-5)
    fed = FaceInput(layout="nchw", size_px=160, channels="bgr").prepare(images)
    assert fed.shape == (3, 3, 160, 160)
    np.testing.assert_allclose(fed.mean(axis=(2, 3)), images.mean(axis=(1, 2))[:, ::-1], atol=1.0)


def test_a_card_written_by_hand_is_checked_when_it_is_loaded(tmp_path: Path) -> None:
    assert (
        run_cli(
            "models", "add", "face", face_network(tmp_path / "a.onnx"), "--to", tmp_path / "face"
        ).exit_code
        == 0
    )
    card = json.loads((tmp_path / "face/card.json").read_text())
    fed = card["input"]
    for change, part in (
        ({"input": fed | {"layout": "nhwc"}}, "That is the layout nchw"),
        ({"embedding_size": 128}, "128 numbers"),
        ({"input": fed | {"colour": "rgb"}}, "colour"),
        ({"input": fed | {"name": "image"}}, "image"),
    ):
        (tmp_path / "face/card.json").write_text(json.dumps(card | change))
        with pytest.raises(ModelError) as caught:
            load_face_encoder(tmp_path / "face").embed_each(random_faces(1))
        assert part in f"{caught.value.message} {caught.value.hint}"


# ---- voices


def test_card_of_an_added_voice_model(tmp_path: Path) -> None:
    pytest.importorskip("kaldi_native_fbank")
    result = run_cli(
        "models",
        "add",
        "voice",
        voice_network(tmp_path / "v.onnx"),
        "--layout",
        "nct",
        "--mels",
        40,
        "--window",
        "hamming",
        "--no-mean-norm",
        "--to",
        tmp_path / "voice",
    )
    assert result.exit_code == 0, result.output
    card = read_card(tmp_path / "voice")
    assert card.input["kaldi"]["window"] == "hamming"
    encoder = load_voice_encoder(tmp_path / "voice")
    speech = Waveform(np.random.default_rng(0).normal(0, 0.1, RATE_HZ).astype(np.float32), RATE_HZ)
    made = encoder.embed(speech).vector
    from network.frontends.kaldi import KaldiSpec, kaldi_fbank

    mean = kaldi_fbank(
        speech.samples, KaldiSpec(n_mels=40, window="hamming", mean_norm=False)
    ).mean(axis=0)
    expected = mean @ np.random.default_rng(2).normal(size=(40, 96)).astype(np.float32)
    np.testing.assert_allclose(made[:96], expected / np.linalg.norm(expected), atol=1e-4)


def test_a_voice_model_that_is_the_same_backwards_may_hear_it_too(tmp_path: Path) -> None:
    pytest.importorskip("kaldi_native_fbank")
    result = run_cli(
        "models",
        "add",
        "voice",
        voice_network(tmp_path / "v.onnx"),
        "--layout",
        "nct",
        "--mels",
        40,
        "--time-reversal",
        "--no-mean-norm",
        "--to",
        tmp_path / "voice",
    )
    assert result.exit_code == 0, result.output


def test_an_added_voice_model_may_hear_speech_backwards_too(tmp_path: Path) -> None:
    pytest.importorskip("kaldi_native_fbank")
    weights = np.random.default_rng(2).normal(size=(40, 96)).astype(np.float32)
    nodes = [
        helper.make_node("Gather", ["x", "first"], ["m"], axis=2),
        helper.make_node("MatMul", ["m", "w"], ["out"]),
    ]
    save_onnx(
        tmp_path / "v.onnx", {"x": ["n", 40, "t"]}, nodes, {"first": np.array(0), "w": weights}
    )
    result = run_cli(
        "models",
        "add",
        "voice",
        tmp_path / "v.onnx",
        "--layout",
        "nct",
        "--mels",
        40,
        "--no-mean-norm",
        "--time-reversal",
        "--to",
        tmp_path / "voice",
    )
    assert result.exit_code == 0, result.output
    speech = Waveform(np.random.default_rng(0).normal(0, 0.1, RATE_HZ).astype(np.float32), RATE_HZ)
    from network.frontends.kaldi import KaldiSpec, kaldi_fbank

    frames = kaldi_fbank(speech.samples, KaldiSpec(n_mels=40, mean_norm=False))
    both = [frame @ weights / np.linalg.norm(frame @ weights) for frame in (frames[0], frames[-1])]
    expected = (both[0] + both[1]) / np.linalg.norm(both[0] + both[1])
    np.testing.assert_allclose(
        load_voice_encoder(tmp_path / "voice").embed(speech).vector[:96], expected, atol=1e-4
    )


@pytest.mark.parametrize(
    ("shape", "options", "part"),
    [
        (None, ["--layout", "ntc", "--mels", 40], "That is the layout nct"),
        (None, ["--layout", "nct"], "takes (any, 40, any)"),
        (("n", 40, 200), ["--layout", "nct", "--mels", 40], "takes (any, 40, 200)"),
        (None, ["--layout", "nct", "--mels", 40, "--fmax", "9000"], "fmax_hz"),
    ],
)
def test_wrong_voice_settings(
    tmp_path: Path, shape: tuple[str | int, ...] | None, options: list[object], part: str
) -> None:
    pytest.importorskip("kaldi_native_fbank")
    assert part in refused(
        "voice",
        voice_network(tmp_path / "v.onnx", shape=shape),
        *options,
        "--to",
        tmp_path / "voice",
    )


# ---- the whole service


@dataclass(frozen=True)
class Case:
    """Models, folders of people to calibrate on one after the other, and of everybody
    to be known a clip to enrol and one to ask about.
    """

    models: Path
    people: tuple[Path, ...]
    known: dict[str, tuple[Path, Path]]
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


def walk(case: Case, tmp_path: Path) -> dict[str, list[str]]:
    """Refusal without calibration, calibration, enrolment, identification, refusal to
    mix, and back; returns who was taken for whom.
    """
    data_dir = tmp_path / "data"
    with (
        pytest.raises(ModelError, match="no calibration") as caught,
        service(case.models, data_dir),
    ):
        pass
    assert "python -m train.calibration.calibrate --model-dir" in caught.value.hint
    for folder in case.people:
        words = ["--model-dir", case.models, "--people", folder, "--out", tmp_path / "plots"]
        made = CliRunner().invoke(calibrate.main, [str(word) for word in words])
        assert made.exit_code == 0, made.output
    answers: dict[str, list[str]] = {}
    with service(case.models, data_dir) as client:
        for who, (first, _) in case.known.items():
            client.post("/v1/people", json={"person_id": who})
            assert ask(client, first, f"/v1/people/{who}/templates").status_code == 201
        for who, clip in [
            *((who, clip) for who, (_, clip) in case.known.items()),
            *(("stranger", clip) for clip in case.strangers),
        ]:
            body = ask(client, clip).get_json()
            answers.setdefault(who, []).extend(_name(body[m]) for m in ("fused", "face"))
        ids = body["encoders"]
        assert ids == client.get("/v1/health").get_json()["encoders"]
        assert ids["face"] == read_card(case.models / "face").encoder_id
        assert ids["fused"].startswith("llr-sum-")
    _other_models(case, data_dir, tmp_path)
    with service(case.models, data_dir) as client:  # and back
        who, (_, clip) = next(iter(case.known.items()))
        body = ask(client, clip).get_json()
        assert _name(body["fused"]) == answers[who][0]
        assert body["hints"] == [] or "stale_templates" not in {h["code"] for h in body["hints"]}
    return answers


def _other_models(case: Case, data_dir: Path, tmp_path: Path) -> None:
    """With other encoders nothing of the gallery is compared, and nothing of theirs is
    stored beside it.
    """
    who, (first, clip) = next(iter(case.known.items()))
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
    pytest.importorskip("kaldi_native_fbank")
    models = tmp_path / "models"
    face = face_network(tmp_path / "f.onnx")
    voice = voice_network(tmp_path / "v.onnx")
    for words in (
        ("face", face, "--scale", "0.00784314", "--mean", 1, "--to", models / "face"),
        (
            "voice",
            voice,
            "--layout",
            "nct",
            "--mels",
            40,
            "--no-mean-norm",
            "--to",
            models / "voice",
        ),
    ):
        result = run_cli("models", "add", *words)
        assert result.exit_code == 0, result.output

    def clip(person: int, take: int, folder: str) -> Path:
        place = tmp_path / folder / f"p{person}"
        place.mkdir(parents=True, exist_ok=True)
        return write_clip(
            place / f"{take}.mp4", person, 2.0, take, size=(480, 270), face_px=220, fps=10
        )

    for person in range(14):
        for take in range(2):
            clip(person, take, "people")
    known = {f"p{person}": (clip(person, 0, "ask"), clip(person, 1, "ask")) for person in (14, 15)}
    return Case(models, (tmp_path / "people",), known, ())


def test_own_models_through_the_whole_service(drawn: Case, tmp_path: Path) -> None:
    answers = walk(drawn, tmp_path)
    assert all(answers[who][0] == who for who in drawn.known), answers


@pytest.fixture
def real(tmp_path: Path) -> Case:
    """A public face model and real clips; calibrated on pictures and sounds of `MANY`
    people, then on clips of a dozen more like those.
    """
    if not all(path.exists() for path in (TEACHER, CLIPS, DATA / "faces.zip", DATA / "voices.zip")):
        pytest.skip("no research data (DUET_SHARED_DATA)")
    pytest.importorskip("kaldi_native_fbank")
    models = tmp_path / "models"
    result = run_cli(
        "models",
        "add",
        "face",
        TEACHER,
        *IMAGENET,
        "--terms",
        "Apache-2.0",
        "--to",
        models / "face",
    )
    assert result.exit_code == 0, result.output
    if (ROOT / "best_model/voice/card.json").exists():
        shutil.copytree(ROOT / "best_model/voice", models / "voice")
    else:
        run_cli(
            "models",
            "add",
            "voice",
            voice_network(tmp_path / "v.onnx"),
            "--layout",
            "nct",
            "--mels",
            40,
            "--to",
            models / "voice",
        )
    for name, kind, part in (
        ("faces.csv", "image", "frontal"),
        ("voices.csv", "audio", "speechocean762"),
    ):
        listing = read_listing(DATA / name, kind, "dev")
        chosen = select(
            Listing(listing.root, tuple(item for item in listing.items if part in item.path)),
            2,
            MANY,
        )
        for item, data, number in zip(
            chosen.items, chosen.read_all(), chosen.label_ids(), strict=True
        ):
            file = tmp_path / "many" / f"{number:03}" / Path(item.path).name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
    for number in range(4, 16):
        folder = tmp_path / "people" / f"ar{number:02}"
        folder.mkdir(parents=True)
        for clip in ("enroll/join0.mp4", "test/join1.mp4"):
            (folder / Path(clip).name).symlink_to(CLIPS / "people" / folder.name / clip)
    known = {
        who: (
            CLIPS / "people" / who / "enroll/join0.mp4",
            CLIPS / "people" / who / "test/join1.mp4",
        )
        for who in ("ar00", "ar01", "ar02", "ar03")
    }
    return Case(
        models,
        (tmp_path / "many", tmp_path / "people"),
        known,
        tuple(sorted((CLIPS / "strangers").glob("grid_unk_*.mpg"))[:2]),
    )


def test_a_third_party_face_model_through_the_whole_service(real: Case, tmp_path: Path) -> None:
    answers = walk(real, tmp_path)
    assert set(answers.pop("stranger")) == {"unknown"}, answers
    for place in (0, 1):  # fused, face
        assert sum(names[place] == who for who, names in answers.items()) >= 3, answers
        assert all(names[place] in (who, "unknown") for who, names in answers.items()), answers
