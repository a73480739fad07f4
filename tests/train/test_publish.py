"""Publishing of models.

Which may replace which, what a kill leaves, and what a card says of data and paths.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from network.serving.card import read_card
from tests.train.test_loop import Line
from train.data.datasets import read_listing

pytestmark = pytest.mark.tf
LISTS = {"train": "a.csv", "dev": "a.csv", "dev_pairs": {"one": "one.txt"}}


def training(data: dict[str, Any], seed: int = 1, **more: str) -> dict[str, Any]:
    """A card's field `training`."""
    return {"training": {"samples": 1, "seed": seed, "configuration": {"data": data}, **more}}


def put(folder: Path, score: float, about: dict[str, Any], **changes: Any) -> tuple[bool, str]:
    """Publish to `folder`: whether it was put there, and the reason why not."""
    from train.loop.publish import Result, publish

    result = Result(Line(), changes.pop("metrics", {"score": score}), about)
    published = publish(result, folder / "best", folder / "aside", **{"force": False} | changes)
    return published.folder == folder / "best", published.refused


def test_a_better_model_is_never_replaced(tmp_path: Path) -> None:
    others = {"Other": {"parameters": 1000}}
    about = training(LISTS) | {"terms": "free", "yardsticks": others}
    assert put(tmp_path, 0.9, about) == (True, "")
    card = read_card(tmp_path / "best")
    assert (card.modality, card.parameters, card.multiply_adds, card.terms) == (
        "line",
        10,
        8,
        "free",
    )
    assert card.metrics["yardsticks"] == others
    placed, why = put(tmp_path, 0.8, about)
    assert not placed
    assert "0.9000" in why
    assert read_card(tmp_path / "best").metrics["dev"] == {"score": 0.9}
    assert read_card(tmp_path / "aside").metrics["dev"] == {"score": 0.8}
    assert not put(tmp_path, float("nan"), about)[0]
    assert put(tmp_path, 0.95, training({**LISTS, "train": "more.csv"}, seed=2))[0], (
        "trained otherwise, measured on the same"
    )
    assert put(tmp_path, 0.1, about, force=True)[0]
    assert read_card(tmp_path / "best").metrics["dev"] == {"score": 0.1}


OWN = {"train": "own", "dev": "a.csv", "held_out": 0.1}


@pytest.mark.parametrize(
    ("present", "new"),
    [
        (training(LISTS), training(OWN, files_sha256="1")),
        (training(LISTS), training({**LISTS, "dev_pairs": {"one": "easy.txt"}})),
        (training(LISTS), training({**LISTS, "dev": "b.csv"})),
        (training(OWN, files_sha256="1"), training(OWN, files_sha256="2")),
        (training(OWN, files_sha256="1"), training(OWN, files_sha256="1", seed=2)),
        (training(OWN), training(OWN)),
    ],
    ids=[
        "own data",
        "other lists",
        "other files",
        "two own folders",
        "others held out",
        "not known",
    ],
)
def test_models_measured_on_other_data_are_not_compared(
    tmp_path: Path, present: dict[str, Any], new: dict[str, Any]
) -> None:
    put(tmp_path, 0.5, present)
    placed, why = put(tmp_path, 0.9, new)
    assert not placed
    assert "cannot be compared" in why
    assert put(tmp_path, 0.4, new, force=True)[0]


def test_the_same_own_data_are_compared_wherever_they_lie(tmp_path: Path) -> None:
    put(tmp_path, 0.5, training(OWN, files_sha256="1"))
    assert put(tmp_path, 0.6, training({**OWN, "train": "moved"}, files_sha256="1")) == (True, "")


@pytest.mark.parametrize("metrics", [{"other": 1.0}, {"score": 1.0, "other": 1.0}, {}])
def test_models_of_other_metrics_are_not_compared(
    tmp_path: Path, metrics: dict[str, float]
) -> None:
    """A mean over other lists has the same name, but not the same lists beside it."""
    put(tmp_path, 0.5, training(LISTS))
    placed, why = put(tmp_path, 0.0, training(LISTS), metrics=metrics)
    assert not placed
    assert "cannot be compared" in why


def test_a_broken_model_is_no_reason_to_keep_it(tmp_path: Path) -> None:
    put(tmp_path, 0.9, training(LISTS))
    (tmp_path / "best" / "model.onnx").write_bytes(b"cut")
    assert put(tmp_path, 0.5, training(OWN)) == (True, "")


@pytest.mark.parametrize("failing", ["export_onnx", "format_card"])
def test_an_end_while_writing_leaves_the_model_that_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    from train.loop import publish

    put(tmp_path, 0.5, training(LISTS))
    before = {file.name: file.read_bytes() for file in (tmp_path / "best").iterdir()}

    def fail(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(publish, failing, fail)
        with pytest.raises(KeyboardInterrupt):
            put(tmp_path, 0.9, training(LISTS), force=True)
    assert {
        file.name: file.read_bytes() for file in (tmp_path / "best").iterdir() if file.is_file()
    } == before
    assert put(tmp_path, 0.9, training(LISTS))[0]
    assert {file.name for file in (tmp_path / "best").iterdir()} == {
        "model.keras",
        "model.onnx",
        "card.json",
    }


def test_the_card_takes_its_place_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moved = []
    replace = Path.replace

    def noted(self: Path, target: Path) -> Path:
        if Path(target).parent == tmp_path / "best" and ".partial" not in Path(target).name:
            moved.append(Path(target).name)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", noted)
    put(tmp_path, 0.5, training(LISTS))
    assert moved == ["model.keras", "model.onnx", "card.json"]


def test_the_hash_of_a_data_set_is_of_its_files_not_of_its_place(tmp_path: Path) -> None:
    from train.loop.publish import files_sha256

    def digest(root: Path, files: dict[str, bytes]) -> str:
        for name, data in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(data)
        return files_sha256(read_listing(root))

    files = {"ann/1.png": b"1", "bob/1.png": b"22"}
    assert digest(tmp_path / "here", files) == digest(tmp_path / "there", files)
    digests = [
        digest(tmp_path / str(number), other)
        for number, other in enumerate(
            (
                files,
                files | {"bob/2.png": b""},
                {"ann/1.png": b"1", "eve/1.png": b"22"},
                files | {"ann/1.png": b"12"},
            )
        )
    ]
    assert len(set(digests)) == 4


def test_no_absolute_path_is_in_a_card() -> None:
    from train.loop.publish import without_paths

    table = {
        "data": {
            "train": "/home/ann/own",
            "dev": "faces.csv",
            "held_out": 0.1,
            "both": ["/x/y.csv", 3, True],
        },
        "loop": {},
    }
    expected = {
        "data": {"train": "own", "dev": "faces.csv", "held_out": 0.1, "both": ["y.csv", 3, True]},
        "loop": {},
    }
    assert without_paths(table) == expected
