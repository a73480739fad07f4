"""LFW end to end.

The input is pairs.txt and a folder of photographs as published, aligned by our own aligner, and the
result is the accuracy over ten folds.

The photographs are 250 × 250 with a face in the middle: drawn ones, and, where the
research data is there, real crops put back (turned and resized) into a larger picture.
"""

from __future__ import annotations

import csv
import json
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

import cli
from demo.faces import face
from train.data.datasets import shared_data_dir

pytestmark = pytest.mark.slow

FOLDS = 10
BEST_FACE = Path(__file__).parents[2] / "best_model" / "face"
Photos = dict[str, list[np.ndarray]]


def write_lfw(folder: Path, photos: Photos) -> None:
    """`Name/Name_0001.jpg`, and pairs.txt with one matched and one mismatched pair a fold."""
    for name, shots in photos.items():
        (folder / "lfw" / name).mkdir(parents=True)
        for number, shot in enumerate(shots, start=1):
            assert cv2.imwrite(
                str(folder / "lfw" / name / f"{name}_{number:04}.jpg"), shot[..., ::-1]
            )
    names = sorted(photos)
    per_fold = len(names) // FOLDS
    lines = [f"{FOLDS}\t{per_fold}"]
    for fold in range(FOLDS):
        own = names[fold * per_fold : (fold + 1) * per_fold]
        lines += [f"{name}\t1\t2" for name in own]
        lines += [f"{name}\t1\t{names[names.index(name) - per_fold]}\t2" for name in own]
    (folder / "pairs.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def evaluate(folder: Path, model: Path) -> dict[str, dict[str, object]]:
    words = ["evaluate", "trials", "--replicates", "0", "--model", str(model)]
    words += ["--trials", str(folder / "pairs.txt"), "--media", str(folder / "lfw")]
    result = CliRunner().invoke(cli.cli, [*words, "--out", str(folder / "out")])
    assert result.exit_code == 0, result.output
    report: dict[str, dict[str, object]] = json.loads(
        (folder / "out" / "report.json").read_text(encoding="utf-8")
    )
    return report


def test_drawn_people(tmp_path: Path, face_model: Path) -> None:
    # The detector takes these for faces at this size.
    people = (0, 1, 2, 4, 5, 6, 7, 8, 9, 11)
    photos = {
        f"Drawn_Person{number:02}": [face(number, 250), face(number, 250, mouth=0.15)]
        for number in people
    }
    photos["Drawn_Person11"][1] = np.full((250, 250, 3), 128, np.uint8)  # nobody in it
    write_lfw(tmp_path, photos)
    report = evaluate(tmp_path, face_model)
    assert report["trials"] == {
        "name": "pairs.txt",
        "target": 9,
        "impostor": 9,
        "left_out": 2,
        "people": 10,
    }
    assert report["verification"]["accuracy_by_folds"]["value"] >= 0.8


@pytest.mark.skipif(
    not (shared_data_dir() / "faces.csv").is_file(),
    reason="needs the research data (DUET_SHARED_DATA)",
)
def test_real_people_with_the_shipped_network(tmp_path: Path) -> None:
    write_lfw(tmp_path, photographs(people=2 * FOLDS))
    report = evaluate(tmp_path, BEST_FACE)
    assert report["trials"]["left_out"] <= 4
    assert report["verification"]["accuracy_by_folds"]["value"] >= 0.85
    assert report["verification"]["eer"]["value"] <= 0.15


def photographs(people: int) -> Photos:
    """Two photographs each of people of the split `dev`, from the frontal list.

    They are crops, turned and resized into 250 × 250 px.
    """
    shared = shared_data_dir()
    rng = np.random.default_rng(0)
    with (shared / "faces.csv").open(encoding="utf-8", newline="") as stream:
        person_of = {
            row["path"]: row["identity"] for row in csv.DictReader(stream) if row["split"] == "dev"
        }
    pairs = [
        line.split()
        for line in (shared / "trials" / "cfp_ff_dev.txt").read_text(encoding="utf-8").splitlines()
    ]
    chosen = {person_of[a]: (a, b) for label, a, b, _ in pairs if label == "1"}
    photos: Photos = {}
    with zipfile.ZipFile(shared / "faces.zip") as archive:
        for number, person in enumerate(sorted(chosen)[:people]):
            crops = [
                cv2.imdecode(np.frombuffer(archive.read(path), np.uint8), cv2.IMREAD_COLOR)[
                    ..., ::-1
                ]
                for path in chosen[person]
            ]
            photos[f"Real_Person{number:02}"] = [_photograph(crop, rng) for crop in crops]
    return photos


def _photograph(crop: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The crop on a grey ground of 250 × 250 px.

    It is up to 10 degrees turned and 0.9 to 1.3 times as large.
    """
    matrix = cv2.getRotationMatrix2D((56, 56), rng.uniform(-10, 10), rng.uniform(0.9, 1.3))
    matrix[:, 2] = matrix[:, 2] + 125 - 56 + rng.uniform(-10, 10, 2)
    return cv2.warpAffine(
        np.ascontiguousarray(crop),
        matrix,
        (250, 250),
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(127, 127, 127),
    )
