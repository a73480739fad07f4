"""Cards, runtimes and encoders with tiny ONNX networks.

No TensorFlow, no trained weights.
"""

from __future__ import annotations

import dataclasses
import json
import logging
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from network.frontends.log_mel import FrontendSpec, log_mel
from network.serving.card import read_card, write_card
from network.serving.concat_fusion import ConcatFusion
from network.serving.encoder import (
    FusionEncoder,
    load_encoders,
    load_face_encoder,
    load_voice_encoder,
)
from network.serving.inputs import FaceInput
from tests.support.tiny import make_face, make_fusion, make_voice, put_card, random_faces, save_onnx
from utils.arrays import RATE_HZ, unit
from utils.errors import ModelError
from utils.media import Waveform
from utils.modality import Modality

RNG = np.random.default_rng(7)


def test_card_round_trip_and_id(tmp_path: Path) -> None:
    card = make_face(tmp_path)
    assert read_card(tmp_path) == card
    assert card.encoder_id == f"tiny-face-{card.sha256[:12]}"


def test_changed_weights_are_refused(tmp_path: Path) -> None:
    make_face(tmp_path)
    (tmp_path / "model.onnx").write_bytes(b"something else")
    with pytest.raises(ModelError, match="not those of their card"):
        read_card(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"runtime": "torch"}, "runtime must be one of"),
        ({"embedding_size": 1024}, "1 to 512"),
        ({"file": "../model.onnx"}, "beside their card"),
    ],
)
def test_card_fields_are_checked(tmp_path: Path, change: dict[str, object], message: str) -> None:
    card = make_face(tmp_path)
    (tmp_path / "card.json").write_text(json.dumps(dataclasses.asdict(card) | change))
    with pytest.raises(ModelError, match=message):
        read_card(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"name": 1}'])
def test_broken_card(tmp_path: Path, text: str) -> None:
    (tmp_path / "card.json").write_text(text)
    with pytest.raises(ModelError, match="cannot be read"):
        read_card(tmp_path)


def test_missing_card_and_weights(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"card .* is missing"):
        read_card(tmp_path)
    make_face(tmp_path)
    (tmp_path / "model.onnx").unlink()
    with pytest.raises(ModelError, match=r"weights .* are missing"):
        read_card(tmp_path)


def test_broken_weights_name_no_path(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"not a network")
    put_card(tmp_path, "face", {})
    with pytest.raises(ModelError) as caught:
        load_face_encoder(tmp_path)
    assert str(tmp_path.parent) not in caught.value.message


def test_face_embedding_is_the_weighted_mean(tmp_path: Path) -> None:
    make_face(tmp_path)
    encoder = load_face_encoder(tmp_path)
    images = random_faces(3)
    each = encoder.embed_each(images)
    assert each.shape == (3, 512)
    np.testing.assert_allclose(np.linalg.norm(each, axis=1), 1, atol=1e-5)
    mean = encoder.embed(images, np.array([1, 2, 0.5], np.float32)).vector
    expected = each[0] + 2 * each[1] + 0.5 * each[2]
    np.testing.assert_allclose(mean, expected / np.linalg.norm(expected), atol=1e-5)


def test_alone_equals_batched(tmp_path: Path) -> None:
    make_face(tmp_path)
    encoder = load_face_encoder(tmp_path)
    images = random_faces(6)
    alone = np.concatenate([encoder.embed_each(images[i : i + 1]) for i in range(6)])
    np.testing.assert_allclose(alone, encoder.embed_each(images), atol=1e-5)


def test_mean_with_the_mirror_image(tmp_path: Path) -> None:
    make_face(tmp_path)
    plain = load_face_encoder(tmp_path)
    card = dataclasses.replace(plain.card, input={**plain.card.input, "mirror": True})
    write_card(tmp_path, card)
    both = load_face_encoder(tmp_path)
    faces = RNG.integers(0, 256, (3, 112, 112, 3), dtype=np.uint8)
    vectors = both.embed_each(faces)
    expected = plain.embed_each(faces) + plain.embed_each(faces[:, :, ::-1])
    np.testing.assert_allclose(vectors, unit(expected), atol=1e-6)
    np.testing.assert_allclose(vectors, both.embed_each(faces[:, :, ::-1]), atol=1e-6)
    assert both.encoder_id == f"{plain.encoder_id}-mirror", (
        "its vectors are others: templates of the two are never compared"
    )
    turned = np.array([False, True, True])
    views = both.embed_each(faces, turned=turned)
    np.testing.assert_allclose(views[:1], plain.embed_each(faces[:1]), atol=1e-6)
    np.testing.assert_allclose(views[1:], plain.embed_each(faces[1:, :, ::-1]), atol=1e-6)
    np.testing.assert_allclose(
        plain.embed_each(faces, turned=turned), plain.embed_each(faces), atol=1e-6
    )


def test_no_faces(tmp_path: Path) -> None:
    make_face(tmp_path)
    encoder = load_face_encoder(tmp_path)
    assert encoder.embed_each(random_faces(0)).shape == (0, 512)
    with pytest.raises(ValueError, match="At least one face"):
        encoder.embed(random_faces(0), np.zeros(0, np.float32))


def test_shorter_embeddings_are_padded_and_keep_their_cosines(tmp_path: Path) -> None:
    make_face(tmp_path, size=128)
    vectors = load_face_encoder(tmp_path).embed_each(random_faces(2))
    assert vectors.shape == (2, 512)
    assert not vectors[:, 128:].any()
    np.testing.assert_allclose(
        vectors[0] @ vectors[1], vectors[0, :128] @ vectors[1, :128], atol=1e-6
    )


def test_face_input_layout_and_normalisation() -> None:
    fed = FaceInput.from_dict(
        {"layout": "nchw", "scale": 1 / 255, "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.25, 1]}
    )
    image = np.full((1, 112, 112, 3), 255, np.uint8)
    x = fed.prepare(image)
    assert x.shape == (1, 3, 112, 112)
    np.testing.assert_allclose(x[0, :, 0, 0], [1, 2, 0.5], atol=1e-6)
    with pytest.raises(ModelError, match="layout"):
        FaceInput.from_dict({"layout": "hwc"})


def test_voice_encoder(tmp_path: Path) -> None:
    make_voice(tmp_path)
    encoder = load_voice_encoder(tmp_path)
    for seconds in (0.5, 3.0, 60.0):
        speech = Waveform(RNG.normal(0, 0.1, int(seconds * RATE_HZ)).astype(np.float32), RATE_HZ)
        made = encoder.embed(speech)
        assert made.modality is Modality.VOICE
        assert made.vector.shape == (512,)
        assert abs(np.linalg.norm(made.vector) - 1) < 1e-5
    with pytest.raises(ValueError, match="16000 Hz"):
        encoder.embed(Waveform(np.zeros(8000, np.float32), 8000))


@pytest.mark.parametrize("batch", ["n", 1])
@pytest.mark.parametrize("layout", ["ntc", "nct"])
def test_mean_with_the_speech_backwards(tmp_path: Path, layout: str, batch: str | int) -> None:
    nodes = [
        helper.make_node("Gather", ["x", "first"], ["m"], axis=layout.index("t")),
        helper.make_node("MatMul", ["m", "w"], ["out"]),
    ]
    save_onnx(
        tmp_path / "model.onnx",
        {"x": [batch, "t", 80] if layout == "ntc" else [batch, 80, "t"]},
        nodes,
        {"first": np.array(0), "w": RNG.normal(size=(80, 512)).astype(np.float32)},
    )
    fed = {"frontend": FrontendSpec(mean_norm=False).to_dict(), "layout": layout}
    put_card(tmp_path, "voice", fed)
    plain = load_voice_encoder(tmp_path)
    speech = Waveform(RNG.normal(0, 0.1, RATE_HZ).astype(np.float32), RATE_HZ)
    put_card(tmp_path, "voice", {**fed, "time_reversal": True})
    both = load_voice_encoder(tmp_path)
    assert isinstance(plain.frontend, FrontendSpec)
    frames = log_mel(speech.samples, plain.frontend)
    weights = numpy_helper.to_array(onnx.load(tmp_path / "model.onnx").graph.initializer[1])
    one, other = (
        frame @ weights / np.linalg.norm(frame @ weights) for frame in (frames[0], frames[-1])
    )
    np.testing.assert_allclose(plain.embed(speech).vector, one, atol=1e-5)
    np.testing.assert_allclose(
        both.embed(speech).vector, (one + other) / np.linalg.norm(one + other), atol=1e-5
    )
    assert one @ other < 0.999, "the network must tell the first frame from the last"
    assert both.encoder_id == f"{plain.encoder_id}-reversal", (
        "its vectors are others: templates of the two are never compared"
    )
    put_card(tmp_path, "voice", {**fed, "time_reversal": "no"})
    with pytest.raises(ModelError, match="true or false"):
        load_voice_encoder(tmp_path)


def test_load_encoders_checks_that_they_belong_together(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "duet")
    face = make_face(tmp_path / "face")
    voice = make_voice(tmp_path / "voice")
    assert isinstance(load_encoders(tmp_path).fusion, ConcatFusion)
    assert [r.message.partition(":")[0] for r in caplog.records] == ["There is no trained fusion"]
    make_fusion(tmp_path / "fusion", face.encoder_id, voice.encoder_id)
    fusion = load_encoders(tmp_path).fusion
    a = np.eye(512, dtype=np.float32)[:2]
    b = np.eye(512, dtype=np.float32)[2:4]
    np.testing.assert_allclose(fusion.fuse(a, b), (a + b) / np.sqrt(2), atol=1e-6)
    assert fusion.fuse(a[:0], b[:0]).shape == (0, 512)
    with pytest.raises(ValueError, match="pairs"):
        fusion.fuse(a, b[:1])
    make_fusion(tmp_path / "fusion", "another-face", voice.encoder_id)
    assert isinstance(load_encoders(tmp_path).fusion, ConcatFusion)
    assert caplog.records[-1].message.startswith(
        f"The trained fusion is of other encoders: face ({face.encoder_id})"
    )
    (tmp_path / "fusion" / "model.onnx").write_bytes(b"damaged")
    with pytest.raises(ModelError, match="not those of their card"):
        load_encoders(tmp_path)


def test_calibration_must_be_there_to_serve(tmp_path: Path) -> None:
    card = make_face(tmp_path)
    with pytest.raises(ModelError, match="no calibration"):
        _ = load_face_encoder(tmp_path).calibration
    table = {
        "slope": 10.0,
        "intercept": -4.0,
        "impostor_fmr": [0.1, 0.01],
        "impostor_score": [0.2, 0.4],
    }
    write_card(tmp_path, dataclasses.replace(card, calibration=table))
    assert load_face_encoder(tmp_path).calibration.threshold(0.01) == (0.4, False)


def test_a_card_of_another_modality_is_refused(tmp_path: Path) -> None:
    make_fusion(tmp_path, "a", "b")
    with pytest.raises(ModelError, match="Expected the card of a face model"):
        load_face_encoder(tmp_path)
    assert FusionEncoder.modality is Modality.FUSED
