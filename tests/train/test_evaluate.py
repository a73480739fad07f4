"""The evaluation end to end with a small real network, and the plots."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from scoring import metrics
from train import plots
from train.data.protocols import Trials
from train.measure.evaluate import (
    Options,
    evaluate,
    identification,
    main,
    normalise,
    score,
    verification,
)
from utils.errors import DatasetError

PEOPLE = 12
FILES = 3


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A zip of crops: a random grid of colours for each person, with noise."""
    rng = np.random.default_rng(0)
    archive = tmp_path_factory.mktemp("media") / "faces.zip"
    with zipfile.ZipFile(archive, "w") as out:
        for person in range(PEOPLE):
            grid = rng.integers(0, 255, (4, 4, 3))
            for number in range(FILES):
                noisy = np.clip(grid + rng.normal(0, 60, grid.shape), 0, 255).astype(np.uint8)
                image = cv2.resize(noisy, (112, 112), interpolation=cv2.INTER_NEAREST)
                out.writestr(
                    f"set/p{person:02}/{number}.png", cv2.imencode(".png", image)[1].tobytes()
                )
    return archive


def trial_lines(folds: bool = False) -> str:
    rng = np.random.default_rng(1)
    lines = []
    for person in range(PEOPLE):
        other = (person + 1 + int(rng.integers(PEOPLE - 1))) % PEOPLE
        fold = f" {person % 3 + 1}" if folds else ""
        lines.append(f"1 set/p{person:02}/0.png set/p{person:02}/1.png{fold}")
        lines.append(f"0 set/p{person:02}/0.png set/p{other:02}/2.png{fold}")
    return "\n".join(lines) + "\n"


def assert_intervals(report: dict) -> None:
    """Every rate of a report lies within an interval of its own."""
    rates = [
        (name, one["value"], one["interval_95"]) for name, one in report["verification"].items()
    ]
    for entry in report["identification"]:
        rates += [
            (name, one["fnir"], one["fnir_interval_95"])
            for name, one in entry.items()
            if name.startswith("at_fpir_")
        ]
        rates.append(("rank1", entry["rank1"], entry["rank1_interval_95"]))
    assert len(rates) >= 8 + 3 * len(report["identification"])
    for name, value, (low, high) in rates:
        assert 0 <= low <= value + 1e-9, name
        assert value - 1e-9 <= high, name


def test_evaluation_end_to_end(tmp_path: Path, face_model: Path, media: Path) -> None:
    (tmp_path / "t.txt").write_text(trial_lines(folds=True))
    report = evaluate(
        Options(face_model, tmp_path / "t.txt", media, people=(6,), replicates=20), tmp_path / "out"
    )
    figures = report["verification"]
    assert figures["eer"]["value"] <= 0.1
    assert figures["accuracy_by_folds"]["value"] >= 0.9
    low, high = figures["eer"]["interval_95"]
    assert low <= figures["eer"]["value"] <= high
    assert report["trials"] == {
        "name": "t.txt",
        "target": 12,
        "impostor": 12,
        "left_out": 0,
        "people": 12,
    }
    assert report["identification"][0]["rank1"] >= 0.9
    assert_intervals(report)
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == json.loads(
        json.dumps(report)
    )
    rows = [line.split("\t") for line in (tmp_path / "out" / "scores.tsv").read_text().splitlines()]
    again = metrics.eer([float(row[1]) for row in rows], [int(row[0]) for row in rows])
    assert again.value == pytest.approx(figures["eer"]["value"], abs=1e-6)
    for plot in ("curves.png", "histogram.png"):
        assert cv2.imread(str(tmp_path / "out" / plot)).std() > 10


def test_command_line_prints_the_table_and_clear_errors(
    tmp_path: Path, face_model: Path, media: Path
) -> None:
    (tmp_path / "t.txt").write_text(trial_lines())
    common = [
        "--model",
        str(face_model),
        "--trials",
        str(tmp_path / "t.txt"),
        "--out",
        str(tmp_path / "out"),
        "--replicates",
        "0",
    ]
    result = CliRunner().invoke(main, [*common, "--media", str(media)])
    assert result.exit_code == 0, result.output
    assert "eer" in result.output
    assert "min_dcf_p_target=0.01_c_miss=1_c_fa=1_normalised" in result.output
    (tmp_path / "t.txt").write_text(
        "1 set/p00/0.png set/p00/9.png\n0 set/p00/0.png set/p01/0.png\n"
    )
    result = CliRunner().invoke(main, [*common, "--media", str(media)])
    assert result.exit_code == 1
    assert "set/p00/9.png" in result.output


@pytest.mark.parametrize(
    ("lines", "more", "received"),
    [
        (
            "1 set/p00/0.png set/p00/1.png\n1 set/p01/0.png set/p01/1.png\n",
            (),
            "2 target and 0 impostor trials in t.txt, 0 left out",
        ),
        (
            "0 set/p00/0.png set/p01/1.png\n",
            (),
            "0 target and 1 impostor trials in t.txt, 0 left out",
        ),
        (
            "1 plain/0.png set/p00/1.png\n0 plain/0.png set/p01/1.png\n",
            (),
            "0 target and 0 impostor trials in t.txt, 2 left out",
        ),
        (
            "1 set/p00/0.png set/p00/1.png 1\n0 set/p00/0.png set/p01/1.png 2\n",
            (),
            "Received: 0 target and 1 impostor trials",
        ),
        (trial_lines(), ("--replicates", "1"), "replicates=1"),
        (trial_lines(), ("--people", "1"), "people=(1,)"),
        (trial_lines(), ("--people", "99"), "to identify among 99"),
        (
            trial_lines(),
            ("--norm", "as", "--cohort", "people", "--cohort-size", "1"),
            "cohort_size=1",
        ),
        (trial_lines(), ("--norm", "as"), "cohort=None"),
        (trial_lines(), ("--keep-silent",), "keep_silent alone"),
        (trial_lines(), ("--speech-only",), "speech_only with a face model"),
        (trial_lines(), ("--norm", "as", "--cohort", "people", "--top", "1"), "top=1"),
    ],
    ids=[
        "targets only",
        "impostors only",
        "nothing left",
        "a fold of one class",
        "one replicate",
        "one person",
        "too many",
        "small cohort",
        "no cohort",
        "silent alone",
        "speech of faces",
        "top 1",
    ],
)
def test_what_cannot_be_measured_is_refused_in_words(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    face_model: Path,
    media: Path,
    lines: str,
    more: tuple[()] | tuple[str, str, str, str, str, str] | tuple[str, str] | tuple[str],
    received: str,
) -> None:
    """Through the command line: rule, what was received and what to do, and no
    traceback.
    """
    # A photograph without a face
    monkeypatch.setattr("train.measure.evaluate.photo_aligner", lambda: lambda photo: None)
    with zipfile.ZipFile(media) as given, zipfile.ZipFile(tmp_path / "m.zip", "w") as out:
        for name in given.namelist():
            out.writestr(name, given.read(name))
            if name.endswith("0.png"):
                (tmp_path / name).parent.mkdir(parents=True)
                (tmp_path / name).write_bytes(given.read(name))
        out.writestr(
            "plain/0.png", cv2.imencode(".png", np.zeros((90, 90, 3), np.uint8))[1].tobytes()
        )
    (tmp_path / "t.txt").write_text(lines)
    words = [
        str(tmp_path / "set") if word == "people" and "--cohort" in more else word for word in more
    ]
    result = CliRunner().invoke(
        main,
        [
            "--model",
            str(face_model),
            "--trials",
            str(tmp_path / "t.txt"),
            "--media",
            str(tmp_path / "m.zip"),
            "--out",
            str(tmp_path / "out"),
            *words,
        ],
    )
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit)
    assert "Received" in result.output
    assert received in result.output


def test_media_that_are_neither_folder_nor_archive_are_refused(
    tmp_path: Path, face_model: Path
) -> None:
    (tmp_path / "t.txt").write_text(trial_lines())
    result = CliRunner().invoke(
        main,
        [
            "--model",
            str(face_model),
            "--trials",
            str(tmp_path / "t.txt"),
            "--media",
            str(tmp_path / "t.txt"),
        ],
    )
    assert (result.exit_code, isinstance(result.exception, SystemExit)) == (1, True)
    assert "folder or a zip archive" in result.output


def test_trials_with_a_picture_without_a_face_are_left_out() -> None:
    trials = Trials(
        np.array([1, 0, 0]), ("a/1", "a/1", "b/1"), ("a/2", "b/1", "c/1"), np.array([1, 1, 2])
    )
    kept = trials.without({"c/1"})
    assert kept.labels.tolist() == [1, 0]
    assert kept.folds.tolist() == [1, 1]


def embeddings(people: int, files: int, offset: float, seed: int = 0) -> dict[str, np.ndarray]:
    """Unit vectors; people differ by direction and by how near they are to everybody
    (`offset`).
    """
    rng = np.random.default_rng(seed)
    common = rng.normal(size=64)
    result = {}
    for person in range(people):
        centre = rng.normal(size=64) + offset * rng.random() * common
        for file in range(files):
            vector = centre + rng.normal(size=64)
            result[f"p{person}/{file}"] = (vector / np.linalg.norm(vector)).astype(np.float32)
    return result


def all_trials(vectors: dict[str, np.ndarray]) -> Trials:
    names = sorted(vectors)
    pairs = [(a, b) for i, a in enumerate(names) for b in names[:i]]
    labels = np.array([int(a.split("/")[0] == b.split("/")[0]) for a, b in pairs])
    return Trials(labels, tuple(a for a, _ in pairs), tuple(b for _, b in pairs))


def test_normalisation_helps_where_some_people_are_near_to_everybody() -> None:
    vectors = embeddings(30, 3, offset=3.0)
    # The same seed: the same common direction
    cohort = np.stack(list(embeddings(100, 1, offset=3.0).values()))
    trials = all_trials(vectors)
    raw = score(trials, vectors)
    plain = metrics.eer(raw, trials.labels).value
    for kind in ("z", "as"):
        scores = normalise(trials, vectors, raw, cohort, kind, top=50)
        assert metrics.eer(scores, trials.labels).value < plain
    by_as = normalise(trials, vectors, raw, cohort, "as", top=50)
    swapped = Trials(trials.labels, trials.right, trials.left)
    np.testing.assert_allclose(by_as, normalise(swapped, vectors, raw, cohort, "as", top=50))


def test_normalisations_are_compared_in_one_table() -> None:
    from train.measure.norms import compare

    vectors = embeddings(30, 3, offset=3.0)
    cohort = np.stack(list(embeddings(100, 1, offset=3.0).values()))
    rows = [
        line.split("|")
        for line in compare({"list": all_trials(vectors)}, vectors, cohort, top=50).splitlines()
        if "|" in line
    ]
    plain, z, adaptive = (float(cell) for cell in rows[2][2:5])
    assert max(z, adaptive) < plain


def test_identification_counts_people_without_second_file_as_strangers() -> None:
    vectors = embeddings(20, 3, offset=0.0) | {
        f"q{i}/0": v for i, v in enumerate(embeddings(5, 1, 0.0, seed=9).values())
    }
    result = identification(vectors, {name: name.split("/")[0] for name in vectors}, size=15)
    assert (result["people"], result["strangers"], result["probes"], result["stranger_probes"]) == (
        15,
        10,
        30,
        20,
    )
    assert result["rank1"] > 0.9
    with pytest.raises(DatasetError, match="21"):
        identification(vectors, {name: name.split("/")[0] for name in vectors}, size=21)


def test_every_figure_has_value_threshold_and_interval() -> None:
    vectors = embeddings(15, 3, offset=0.0)
    trials = all_trials(vectors)
    figures = verification(score(trials, vectors), trials, replicates=40)
    for figure in figures.values():
        assert {"value", "threshold", "interval_95"} <= set(figure)
    found = identification(
        vectors, {name: name.split("/")[0] for name in vectors}, size=10, replicates=40
    )
    assert_intervals({"verification": figures, "identification": [found]})
    low, high = found["rank1_interval_95"]
    assert found["rank1"] == 1.0 or low < high


def test_the_interval_of_rank_1_is_over_people_and_narrower_with_more_of_them() -> None:
    """Half the people are never found: over few of them the rate is uncertain however
    many files each has.
    """

    def width(people: int) -> float:
        vectors = embeddings(people + 1, 6, offset=0.0)
        for person in range(0, people, 2):  # all but the enrolled file are those of the next person
            vectors |= {
                f"p{person}/{file}": vectors[f"p{person + 1}/{file}"] for file in range(1, 6)
            }
        low, high = identification(
            vectors, {name: name.split("/")[0] for name in vectors}, people, 100
        )["rank1_interval_95"]
        return high - low

    assert width(8) > 1.5 * width(60) > 0


def test_reliability_is_exact_for_true_ratios() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 200_000)
    # Of two normal distributions: ratio = mean / variance · x
    llr = rng.normal(np.where(labels == 1, 2.0, -2.0), 2.0)
    stated, measured = plots.reliability(llr, labels)
    np.testing.assert_allclose(stated, measured, atol=0.02)


def test_voices_are_cut_to_speech_and_silent_files_left_out_or_kept(tmp_path: Path) -> None:
    """A real voice network on real sound: what is embedded is what serving embeds, to
    the bit.
    """
    import soundfile

    from align.speech import analyse_speech
    from network.serving.encoder import load_voice_encoder
    from tests.support import media_sound
    from train.data.embed import embed_sounds, speech_finder
    from utils.config import ROOT, Settings
    from utils.media import Waveform

    talk = np.concatenate(
        [
            media_sound.silence(1.5, 16000),
            media_sound.speech(1, 2.0, rate_hz=16000),
            media_sound.silence(1.5, 16000),
        ]
    )
    soundfile.write(tmp_path / "talk.wav", talk, 16000)
    soundfile.write(tmp_path / "silent.wav", media_sound.noise(2.0, 0.01, rate_hz=16000), 16000)
    encoder = load_voice_encoder(ROOT / "best_model" / "voice")
    files = ["talk.wav", "silent.wav"]
    whole = embed_sounds(encoder, tmp_path, files)
    served = embed_sounds(encoder, tmp_path, files, speech_finder())
    kept = embed_sounds(encoder, tmp_path, files, speech_finder(keep_silent=True))
    assert served.missing == {"silent.wav"}
    assert not kept.missing
    assert np.array_equal(kept.vectors["silent.wav"], whole.vectors["silent.wav"])
    samples, _ = soundfile.read(tmp_path / "talk.wav", dtype="float32")
    speech = analyse_speech(Waveform(samples, 16000), Settings().capture.min_speech_s).speech
    assert speech is not None
    assert np.array_equal(served.vectors["talk.wav"], encoder.embed(speech).vector)
    assert float(served.vectors["talk.wav"] @ whole.vectors["talk.wav"]) < 0.999
