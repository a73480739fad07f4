"""Bring your own encoder: what is checked when a model is added."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from network.frontends.features import features_of
from network.frontends.kaldi import KaldiSpec
from network.serving.card import read_card
from network.serving.encoder import load_face_encoder, load_voice_encoder
from network.serving.inputs import FaceInput
from tests.network.own_networks import (
    IMAGENET,
    add_model,
    face_network,
    picture_network,
    refuse_model,
    voice_network,
)
from tests.support.tiny import random_faces, save_onnx
from utils.arrays import RATE_HZ, unit
from utils.errors import ModelError
from utils.file_hash import hash_file
from utils.media import Waveform


def random_speech() -> Waveform:
    samples = np.random.default_rng(0).normal(0, 0.1, RATE_HZ).astype(np.float32)
    return Waveform(samples, RATE_HZ)


def test_card_of_an_added_face_model(tmp_path: Path) -> None:
    file = face_network(tmp_path / "My Net (v2).onnx")
    result = add_model("face", file, tmp_path / "m" / "face", f"{IMAGENET} --terms MIT")
    assert result.exit_code == 0, result.output
    assert "cli.py calibrate FOLDER --model-dir" in result.output
    card = read_card(tmp_path / "m" / "face")
    assert card.encoder_id.startswith("my-net-v2-")
    assert (card.embedding_size, card.modality, card.runtime) == (64, "face", "onnx")
    assert (card.terms, card.calibration) == ("MIT", None)
    assert card.input["name"] == "pixels"
    assert card.input["template"] == "arcface-112"
    images = random_faces(3)
    scaled = ((images / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]).transpose(0, 3, 1, 2)
    pooled = scaled.reshape((3, 3, 14, 8, 14, 8)).mean(axis=(3, 5)).reshape(3, -1)
    expected = pooled @ np.random.default_rng(1).normal(size=(588, 64)).astype(np.float32)
    made = load_face_encoder(tmp_path / "m" / "face").embed_each(images)
    np.testing.assert_allclose(made[:, :64], unit(expected), atol=1e-4)
    assert not made[:, 64:].any()


def test_only_a_file_with_the_stated_hash_is_added(tmp_path: Path) -> None:
    file = face_network(tmp_path / "a.onnx")
    refused = refuse_model("face", file, tmp_path / "face", f"--sha256 {'0' * 64}")
    assert "must have the hash 000000000000…" in refused
    result = add_model("face", file, tmp_path / "face", f"--sha256 {hash_file(file).upper()}")
    assert result.exit_code == 0, result.output


def test_folder_of_another_model_is_not_overwritten(tmp_path: Path) -> None:
    file = face_network(tmp_path / "a.onnx")
    assert add_model("face", file, tmp_path / "face").exit_code == 0
    assert "holds a model already" in refuse_model("face", file, tmp_path / "face")


@pytest.mark.parametrize(
    ("shape", "options", "part"),
    [
        (("n", 3, 112, 112), "--layout nhwc", "That is the layout nchw"),
        (("n", 3, 112, 112), "--size 160", "takes (any, 3, 112, 112)"),
        ((8, 3, 112, 112), "", "takes (8, 3, 112, 112)"),
        (("n", 3, 112, 112), "--std 0", "std and scale positive"),
        (("n", 3, 112, 112), "--output logits", "no output 'logits'"),
    ],
)
def test_wrong_input(tmp_path: Path, shape: tuple[str | int, ...], options: str, part: str) -> None:
    file = face_network(tmp_path / "a.onnx", shape=shape)
    message = refuse_model("face", file, tmp_path / "face", options)
    assert part in message
    assert not (tmp_path / "face").exists()


def test_wrong_numbers_by_channel(tmp_path: Path) -> None:
    for value in ("0.5,0.5", "a,b,c", ""):
        file = face_network(tmp_path / "a.onnx")
        result = add_model("face", file, tmp_path / "face", f"--mean={value}")
        assert result.exit_code == 2
        assert "One number, or three" in result.output


@pytest.mark.parametrize(
    ("nodes", "weights", "part"),
    [
        (
            [
                ("Log", ["x"], ["l"]),
                ("ReduceMean", ["l"], ["out"], {"axes": [2, 3], "keepdims": 0}),
            ],
            {},
            "NaN, infinity or nothing but zeros",
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
    file = picture_network(
        tmp_path / "a.onnx", *made, weights={k: np.asarray(v) for k, v in weights.items()}
    )
    mean = "128" if weights.keys() & {"zero"} or "Log" in {n[0] for n in nodes} else "0"
    message = refuse_model("face", file, tmp_path / "face", f"--mean {mean}")
    assert any(p in message for p in part.split("|")), message
    assert not (tmp_path / "face").exists()


def test_two_inputs_and_no_network_at_all(tmp_path: Path) -> None:
    shape: list[str | int] = ["n", 3, 112, 112]
    two = picture_network(
        tmp_path / "a.onnx",
        helper.make_node("Add", ["x", "y"], ["out"]),
        inputs={"x": shape, "y": shape},
    )
    message = refuse_model("face", two, tmp_path / "face")
    assert "must have one input named x. Received: x, y" in message
    (tmp_path / "b.onnx").write_bytes(b"not a network")
    message = refuse_model("face", tmp_path / "b.onnx", tmp_path / "face")
    assert "onnxruntime cannot load" in message
    assert "Fetch the file again" in message
    assert "cli.py doctor" not in message, "which looks at the models in use"


def test_many_inputs_are_not_all_named(tmp_path: Path) -> None:
    """Some files list all their weights as inputs."""
    shape: list[str | int] = ["n", 3, 112, 112]
    names = ["x", *(f"weight{number}" for number in range(300))]
    many = picture_network(
        tmp_path / "a.onnx",
        helper.make_node("Sum", names, ["out"]),
        inputs=dict.fromkeys(names, shape),
    )
    message = refuse_model("face", many, tmp_path / "face")
    assert "Received: x, weight0, weight1, weight2, weight3 and 296 more" in message
    assert "cli.py models fold" in message


def test_the_output_is_chosen_where_there_are_several(tmp_path: Path) -> None:
    model = onnx.load(face_network(tmp_path / "a.onnx"))
    model.graph.node.append(helper.make_node("ReduceSum", ["out"], ["logit"], keepdims=1))
    model.graph.output.insert(
        0, helper.make_tensor_value_info("logit", onnx.TensorProto.FLOAT, ["n", 1])
    )
    onnx.save(model, tmp_path / "two.onnx")
    message = refuse_model("face", tmp_path / "two.onnx", tmp_path / "face")
    assert "Received: logit, out" in message
    for file, folder, options in (("two", "face", "--output out"), ("a", "one", "")):
        result = add_model("face", tmp_path / f"{file}.onnx", tmp_path / folder, options)
        assert result.exit_code == 0, result.output
    images = random_faces(2)
    chosen, only = (
        load_face_encoder(tmp_path / name).embed_each(images) for name in ("face", "one")
    )
    np.testing.assert_allclose(chosen, only, atol=1e-6)


def test_a_network_for_batches_of_one_other_sizes_and_bgr(tmp_path: Path) -> None:
    for name, batch in (("one", 1), ("any", "n")):
        file = face_network(tmp_path / f"{name}.onnx", shape=(batch, 3, 160, 160))
        result = add_model("face", file, tmp_path / name, "--size 160 --channels bgr")
        assert result.exit_code == 0, result.output
    images = random_faces(3)
    one = load_face_encoder(tmp_path / "one").embed_each(images)
    several = load_face_encoder(tmp_path / "any").embed_each(images)
    np.testing.assert_allclose(one, several, atol=1e-5)
    prepared = FaceInput(layout="nchw", size_px=160, channels="bgr").prepare(images)
    assert prepared.shape == (3, 3, 160, 160)
    np.testing.assert_allclose(
        prepared.mean(axis=(2, 3)), images.mean(axis=(1, 2))[:, ::-1], atol=1.0
    )


def test_colours_are_scaled_then_centred_each_by_its_own_numbers() -> None:
    images = random_faces(2)
    as_they_are = FaceInput().prepare(images)
    np.testing.assert_array_equal(as_they_are, images)
    mean = (0.5, 0.4, 0.3)
    std = (0.25, 0.5, 2.0)
    prepared = FaceInput(scale=1 / 255, mean=mean, std=std).prepare(images)
    np.testing.assert_allclose(prepared, (images / 255 - mean) / std, atol=1e-5)


def test_a_card_written_by_hand_is_checked_when_it_is_loaded(tmp_path: Path) -> None:
    result = add_model("face", face_network(tmp_path / "a.onnx"), tmp_path / "face")
    assert result.exit_code == 0, result.output
    card = json.loads((tmp_path / "face/card.json").read_text())
    inputs = card["input"]
    for change, part in (
        ({"input": inputs | {"layout": "nhwc"}}, "That is the layout nchw"),
        ({"embedding_size": 128}, "128 numbers"),
        ({"input": inputs | {"colour": "rgb"}}, "colour"),
        ({"input": inputs | {"name": "image"}}, "image"),
    ):
        (tmp_path / "face/card.json").write_text(json.dumps(card | change))
        with pytest.raises(ModelError) as caught:
            load_face_encoder(tmp_path / "face").embed_each(random_faces(1))
        assert part in f"{caught.value.message} {caught.value.hint}"


# ---- voices


def test_card_of_an_added_voice_model(tmp_path: Path) -> None:
    file = voice_network(tmp_path / "v.onnx")
    options = "--layout nct --mels 40 --window hamming --no-mean-norm"
    result = add_model("voice", file, tmp_path / "voice", options)
    assert result.exit_code == 0, result.output
    card = read_card(tmp_path / "voice")
    assert card.input["kaldi"]["window"] == "hamming"
    encoder = load_voice_encoder(tmp_path / "voice")
    speech = random_speech()
    made = encoder.embed(speech).vector
    spec = KaldiSpec(n_mels=40, window="hamming", mean_norm=False)
    mean = features_of(speech.samples, spec).mean(axis=0)
    expected = mean @ np.random.default_rng(2).normal(size=(40, 96)).astype(np.float32)
    np.testing.assert_allclose(made[:96], unit(expected), atol=1e-4)


def test_a_voice_model_that_is_the_same_backwards_may_hear_it_too(tmp_path: Path) -> None:
    file = voice_network(tmp_path / "v.onnx")
    options = "--layout nct --mels 40 --time-reversal --no-mean-norm"
    result = add_model("voice", file, tmp_path / "voice", options)
    assert result.exit_code == 0, result.output


def test_an_added_voice_model_may_hear_speech_backwards_too(tmp_path: Path) -> None:
    weights = np.random.default_rng(2).normal(size=(40, 96)).astype(np.float32)
    nodes = [
        helper.make_node("Gather", ["x", "first"], ["m"], axis=2),
        helper.make_node("MatMul", ["m", "w"], ["out"]),
    ]
    file = tmp_path / "v.onnx"
    save_onnx(file, {"x": ["n", 40, "t"]}, nodes, {"first": np.array(0), "w": weights})
    options = "--layout nct --mels 40 --no-mean-norm --time-reversal"
    result = add_model("voice", file, tmp_path / "voice", options)
    assert result.exit_code == 0, result.output
    speech = random_speech()
    frames = features_of(speech.samples, KaldiSpec(n_mels=40, mean_norm=False))
    expected = unit(unit(frames[0] @ weights) + unit(frames[-1] @ weights))
    made = load_voice_encoder(tmp_path / "voice").embed(speech).vector
    np.testing.assert_allclose(made[:96], expected, atol=1e-4)


@pytest.mark.parametrize(
    ("shape", "options", "part"),
    [
        (None, "--layout ntc --mels 40", "That is the layout nct"),
        (None, "--layout nct", "takes (any, 40, any)"),
        (("n", 40, 200), "--layout nct --mels 40", "takes (any, 40, 200)"),
        (None, "--layout nct --mels 40 --fmax 9000", "fmax_hz"),
    ],
)
def test_wrong_voice_settings(
    tmp_path: Path, shape: tuple[str | int, ...] | None, options: str, part: str
) -> None:
    file = voice_network(tmp_path / "v.onnx", shape=shape)
    assert part in refuse_model("voice", file, tmp_path / "voice", options)
