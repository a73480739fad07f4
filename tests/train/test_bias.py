"""False matches within classes of faces: which class each face is of, and what is counted."""

from __future__ import annotations

import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from network.serving.encoder import load_face_encoder
from scoring.calibration import Calibration
from scoring.impostor_table import ImpostorTable
from tests.support.face_crops import crop
from train.measure.bias import ENTRIES, FEWEST, Faces, as_markdown, measure_bias, read_faces
from utils.arrays import FACE_SIZE_PX, Float32Array, ImageArray, unit
from utils.errors import DatasetError

RATES = (0.5, 0.1, 0.01, 0.001)
HEAD = "path,dataset,identity,split,age,gender,group\n"


def bare(threshold: float) -> Calibration:
    """Strengths are cosines, of which one in a hundred impostors reaches `threshold`."""
    scores = tuple(threshold + step for step in (-0.4, -0.2, 0.0, 0.2))
    return Calibration(slope=10.0, intercept=-3.0, impostors=ImpostorTable(RATES, scores))


def people(count: int, shared: float) -> Float32Array:
    """Embeddings whose cosines are about `shared`."""
    rng = np.random.default_rng(count)
    own = unit(rng.normal(size=(count, 64)).astype(np.float32))
    common = unit(rng.normal(size=(1, 64)).astype(np.float32))
    return unit(shared**0.5 * common + (1 - shared) ** 0.5 * own)


def test_people_who_resemble_each_other_are_matched_more_often() -> None:
    count = 2 * ENTRIES
    faces = Faces(
        vectors=np.concatenate([people(count, 0.0), people(count + 1, 0.4)]),
        detected=np.arange(2 * count + 1) < count + 1,
        classes={"group": ["apart"] * count + ["alike"] * (count + 1)},
    )
    everybody, alike, apart = measure_bias(faces, bare(0.3), 0.01)
    assert [row.name for row in (everybody, alike, apart)] == ["everybody", "alike", "apart"]
    assert (alike.faces, apart.faces) == (count + 1, count)
    vectors = faces.vectors[:count]
    cosines = (vectors @ vectors.T)[np.triu_indices(count, 1)]
    assert apart.served[0] == pytest.approx(np.mean(cosines >= 0.3))
    assert apart.mean == pytest.approx(cosines.mean(), abs=1e-6)
    assert alike.served[0] > 0.5 > everybody.served[0] > apart.served[0]
    assert alike.by_cosine == alike.served, "without a cohort both rules are one"
    for row in (everybody, alike, apart):
        value, low, high = row.served
        assert low <= value <= high
    assert (apart.not_found, alike.not_found) == (0.0, count / (count + 1))
    assert alike.fpir > apart.fpir
    table = as_markdown([everybody, alike, apart], 0.01)
    assert f"| alike | {count + 1} | 99.0 |" in table
    assert "Stated: 1 %" in table


def test_classes_of_few_faces_have_no_line() -> None:
    faces = Faces(
        vectors=people(FEWEST, 0.0),
        detected=np.ones(FEWEST, bool),
        classes={"gender": ["female"] * (FEWEST - 1) + ["male"]},
    )
    (everybody,) = measure_bias(faces, bare(0.3), 0.01)
    assert np.isnan(everybody.fpir), "too few for a gallery and strangers"


def test_labels_are_those_of_the_file(tmp_path: Path, face_model: Path) -> None:
    rows = ["b.png,x,,train,12,male,black", "a.png,x,,train,60,female,asian"]
    (tmp_path / "faces.csv").write_text(HEAD + "\n".join(rows), encoding="utf-8")
    with zipfile.ZipFile(tmp_path / "faces.zip", "w") as archive:
        for number, name in enumerate(("a.png", "b.png")):
            archive.writestr(name, cv2.imencode(".png", crop(number)[..., ::-1])[1].tobytes())

    def align(photo: ImageArray) -> ImageArray | None:
        middle = photo[56:-56, 56:-56]
        assert middle.shape == (FACE_SIZE_PX, FACE_SIZE_PX, 3)
        return middle if np.array_equal(middle, crop(1)) else None

    encoder = load_face_encoder(face_model)
    faces = read_faces(tmp_path / "faces.csv", encoder, align)
    assert faces.detected.tolist() == [True, False], "in the order of the file"
    assert np.allclose(faces.vectors, encoder.embed_each(np.stack([crop(1), crop(0)])), atol=1e-6)
    assert faces.classes == {
        "group": ["black", "asian"],
        "age": ["under 13", "60 and over"],
        "gender": ["male", "female"],
        "group and gender": ["black, male", "asian, female"],
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,age\na.png,3\n", r"columns path, age, gender, group\. Received: path, age"),
        (HEAD, "Received: no rows"),
        (HEAD + "a.png,x,,train,old,male,black\n", "whole numbers. Received: 'old'"),
    ],
)
def test_labels_that_cannot_be_used(
    tmp_path: Path, face_model: Path, text: str, message: str
) -> None:
    (tmp_path / "faces.csv").write_text(text, encoding="utf-8")
    with pytest.raises(DatasetError, match=message):
        read_faces(tmp_path / "faces.csv", load_face_encoder(face_model), lambda photo: photo)
