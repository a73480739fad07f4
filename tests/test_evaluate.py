"""Protocols as published, the evaluation end to end with a small real network, and the plots."""
from __future__ import annotations

import json
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from train import plots
from train.evaluate import Options, evaluate, identification, main, normalise, score, verification
from train.protocols import Trials, read_trials
from utils import metrics
from utils.errors import DatasetError

PEOPLE, FILES = 12, 3


@pytest.fixture(scope="module")
def face_model(tmp_path_factory) -> Path:
    """A face encoder that is a real ONNX network: mean colour of a 4 × 4 grid, centred. Enough to tell coloured squares apart."""
    onnx = pytest.importorskip("onnx")
    from network.card import Card, sha256_of, write_card

    folder = tmp_path_factory.mktemp("model") / "face"
    folder.mkdir()
    helper = onnx.helper
    nodes = [helper.make_node("AveragePool", ["x"], ["p"], kernel_shape=[28, 28], strides=[28, 28]),
             helper.make_node("Flatten", ["p"], ["y"])]
    graph = helper.make_graph(nodes, "grid", [helper.make_tensor_value_info("x", 1, ["n", 3, 112, 112])],
                              [helper.make_tensor_value_info("y", 1, ["n", 48])])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), folder / "model.onnx")
    write_card(folder, Card("grid", "face", "onnx", "model.onnx", sha256_of(folder / "model.onnx"), 48,
                            {"layout": "nchw", "scale": 1 / 255, "mean": [0.5] * 3, "std": [0.5] * 3}))
    return folder


@pytest.fixture(scope="module")
def media(tmp_path_factory) -> Path:
    """A zip of crops: a random grid of colours for each person, with noise."""
    rng, archive = np.random.default_rng(0), tmp_path_factory.mktemp("media") / "faces.zip"
    with zipfile.ZipFile(archive, "w") as out:
        for person in range(PEOPLE):
            grid = rng.integers(0, 255, (4, 4, 3))
            for number in range(FILES):
                noisy = np.clip(grid + rng.normal(0, 60, grid.shape), 0, 255).astype(np.uint8)
                image = cv2.resize(noisy, (112, 112), interpolation=cv2.INTER_NEAREST)
                out.writestr(f"set/p{person:02}/{number}.png", cv2.imencode(".png", image)[1].tobytes())
    return archive


def trial_lines(folds: bool = False) -> str:
    rng, lines = np.random.default_rng(1), []
    for person in range(PEOPLE):
        other = (person + 1 + int(rng.integers(PEOPLE - 1))) % PEOPLE
        fold = f" {person % 3 + 1}" if folds else ""
        lines.append(f"1 set/p{person:02}/0.png set/p{person:02}/1.png{fold}")
        lines.append(f"0 set/p{person:02}/0.png set/p{other:02}/2.png{fold}")
    return "\n".join(lines) + "\n"


def test_voxceleb_lists_with_and_without_folds(tmp_path):
    (tmp_path / "t.txt").write_text(trial_lines())
    trials = read_trials(tmp_path / "t.txt")
    assert len(trials) == 2 * PEOPLE
    assert trials.folds is None
    assert trials.people()["set/p03/1.png"] == "set/p03"
    (tmp_path / "t.txt").write_text(trial_lines(folds=True))
    assert sorted(set(read_trials(tmp_path / "t.txt").folds)) == [1, 2, 3]


def test_people_of_voxceleb_are_found_above_their_videos(tmp_path):
    lines = ["1 id1/videoA/1.wav id1/videoB/1.wav", "1 id2/videoC/1.wav id2/videoC/2.wav", "0 id1/videoA/1.wav id2/videoC/1.wav"]
    (tmp_path / "t.txt").write_text("\n".join(lines))
    assert set(read_trials(tmp_path / "t.txt").people().values()) == {"id1", "id2"}


def test_lfw_pairs(tmp_path):
    (tmp_path / "pairs.txt").write_text("2\t1\nAbel_Pacheco\t1\t4\nAbdel\t1\tZoe\t12\nAnn\t2\t3\nBob\t1\tCid\t2\n")
    trials = read_trials(tmp_path / "pairs.txt")
    assert trials.labels.tolist() == [1, 0, 1, 0]
    assert trials.folds.tolist() == [0, 0, 1, 1]
    assert trials.left[0] == "Abel_Pacheco/Abel_Pacheco_0001.jpg"
    assert trials.right[1] == "Zoe/Zoe_0012.jpg"


def test_cfp_folder_as_published(tmp_path):
    (tmp_path / "Pair_list_F.txt").write_text("1 ../Data/Images/001/frontal/01.jpg\n2 ../Data/Images/002/frontal/01.jpg\n")
    (tmp_path / "Pair_list_P.txt").write_text("1 ../Data/Images/001/profile/01.jpg\n2 ../Data/Images/002/profile/01.jpg\n")
    for kind in ("FF", "FP"):
        for fold in ("01", "02"):
            (tmp_path / "Split" / kind / fold).mkdir(parents=True)
            (tmp_path / "Split" / kind / fold / "same.txt").write_text("1,1\n")
            (tmp_path / "Split" / kind / fold / "diff.txt").write_text("1,2\n")
    trials = read_trials(tmp_path, "cfp-fp")
    assert trials.right == ("Data/Images/001/profile/01.jpg", "Data/Images/002/profile/01.jpg") * 2
    assert trials.folds.tolist() == [1, 1, 2, 2]
    assert set(trials.people().values()) == {"Data/Images/001", "Data/Images/002"}


@pytest.mark.parametrize(("text", "kind", "message"), [
    ("2 a b\n", "voxceleb", "line 1"), ("1 a b\n1 a\n", "auto", "line 2"), ("1 a b\n0 a b 2\n", "auto", "both"),
    ("", "auto", "without any"),
    ("10\t300\nA\t1\t2\n", "auto", "6000|10 ×"), ("1\t1\nA\t1\t2\nB x y z\n", "lfw", "line 3"), ("x", "nist", "nist"),
])
def test_malformed_protocols_are_refused(tmp_path, text, kind, message):
    (tmp_path / "t.txt").write_text(text)
    with pytest.raises(DatasetError, match=message):
        read_trials(tmp_path / "t.txt", kind)


def test_evaluation_end_to_end(tmp_path, face_model, media):
    (tmp_path / "t.txt").write_text(trial_lines(folds=True))
    report = evaluate(Options(face_model, tmp_path / "t.txt", media, people=(6,), replicates=20), tmp_path / "out")
    figures = report["verification"]
    assert figures["eer"]["value"] <= 0.1
    assert figures["accuracy_by_folds"]["value"] >= 0.9
    low, high = figures["eer"]["interval_95"]
    assert low <= figures["eer"]["value"] <= high
    assert report["trials"] == {"name": "t.txt", "target": 12, "impostor": 12, "left_out": 0, "people": 12}
    assert report["identification"][0]["rank1"] >= 0.9
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == json.loads(json.dumps(report))
    rows = [line.split("\t") for line in (tmp_path / "out" / "scores.tsv").read_text().splitlines()]
    again = metrics.eer([float(row[1]) for row in rows], [int(row[0]) for row in rows])
    assert again.value == pytest.approx(figures["eer"]["value"], abs=1e-6)
    for plot in ("curves.png", "histogram.png"):
        assert cv2.imread(str(tmp_path / "out" / plot)).std() > 10


def test_command_line_prints_the_table_and_clear_errors(tmp_path, face_model, media):
    (tmp_path / "t.txt").write_text(trial_lines())
    common = ["--model", str(face_model), "--trials", str(tmp_path / "t.txt"), "--out", str(tmp_path / "out"), "--replicates", "0"]
    result = CliRunner().invoke(main, [*common, "--media", str(media)])
    assert result.exit_code == 0, result.output
    assert "eer" in result.output
    assert "min_dcf_p_target=0.01_c_miss=1_c_fa=1_normalised" in result.output
    (tmp_path / "t.txt").write_text("1 set/p00/0.png set/p00/9.png\n0 set/p00/0.png set/p01/0.png\n")
    result = CliRunner().invoke(main, [*common, "--media", str(media)])
    assert result.exit_code == 1
    assert "set/p00/9.png" in result.output


def test_trials_with_a_picture_without_a_face_are_left_out():
    trials = Trials(np.array([1, 0, 0]), ("a/1", "a/1", "b/1"), ("a/2", "b/1", "c/1"), np.array([1, 1, 2]))
    kept = trials.without({"c/1"})
    assert kept.labels.tolist() == [1, 0]
    assert kept.folds.tolist() == [1, 1]


def embeddings(people: int, files: int, offset: float, seed: int = 0) -> dict[str, np.ndarray]:
    """Unit vectors; people differ by direction and by how near they are to everybody (`offset`)."""
    rng = np.random.default_rng(seed)
    common, result = rng.normal(size=64), {}
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


def test_normalisation_helps_where_some_people_are_near_to_everybody():
    vectors = embeddings(30, 3, offset=3.0)
    cohort = np.stack(list(embeddings(100, 1, offset=3.0).values()))  # the same seed: the same common direction
    trials = all_trials(vectors)
    raw = score(trials, vectors)
    plain = metrics.eer(raw, trials.labels).value
    for kind in ("z", "as"):
        scores = normalise(trials, vectors, raw, cohort, kind, top=50)
        assert metrics.eer(scores, trials.labels).value < plain
    by_as = normalise(trials, vectors, raw, cohort, "as", top=50)
    swapped = Trials(trials.labels, trials.right, trials.left)
    np.testing.assert_allclose(by_as, normalise(swapped, vectors, raw, cohort, "as", top=50))


def test_normalisations_are_compared_in_one_table():
    from train.norms import compare

    vectors = embeddings(30, 3, offset=3.0)
    cohort = np.stack(list(embeddings(100, 1, offset=3.0).values()))
    rows = [line.split("|") for line in compare({"list": all_trials(vectors)}, vectors, cohort, top=50).splitlines() if "|" in line]
    plain, z, adaptive = (float(cell) for cell in rows[2][2:5])
    assert max(z, adaptive) < plain


def test_identification_counts_people_without_second_file_as_strangers():
    vectors = embeddings(20, 3, offset=0.0) | {f"q{i}/0": v for i, v in enumerate(embeddings(5, 1, 0.0, seed=9).values())}
    result = identification(vectors, {name: name.split("/")[0] for name in vectors}, size=15)
    assert (result["people"], result["strangers"], result["probes"], result["stranger_probes"]) == (15, 10, 30, 20)
    assert result["rank1"] > 0.9
    with pytest.raises(DatasetError, match="21"):
        identification(vectors, {name: name.split("/")[0] for name in vectors}, size=21)


def test_every_figure_has_value_threshold_and_interval():
    vectors = embeddings(15, 3, offset=0.0)
    trials = all_trials(vectors)
    for figure in verification(score(trials, vectors), trials, replicates=10).values():
        assert {"value", "threshold", "interval_95"} <= set(figure)


def test_reliability_is_exact_for_true_ratios():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 200_000)
    llr = rng.normal(np.where(labels == 1, 2.0, -2.0), 2.0)  # of two normal distributions: ratio = mean / variance · x
    stated, measured = plots.reliability(llr, labels)
    np.testing.assert_allclose(stated, measured, atol=0.02)


def test_voices_are_cut_to_speech_and_silent_files_left_out_or_kept(tmp_path):
    """A real voice network on real sound: what is embedded is what serving embeds, to the bit."""
    import soundfile

    from align.speech import analyse_speech
    from network.encoder import load_voice_encoder
    from tests import media_sound
    from train.embed import embed_sounds, speech_finder
    from utils.config import ROOT, Settings
    from utils.types import Waveform

    talk = np.concatenate([media_sound.silence(1.5, 16000), media_sound.speech(1, 2.0, rate_hz=16000), media_sound.silence(1.5, 16000)])
    soundfile.write(tmp_path / "talk.wav", talk, 16000)
    soundfile.write(tmp_path / "silent.wav", media_sound.noise(2.0, 0.01, rate_hz=16000), 16000)
    encoder, files = load_voice_encoder(ROOT / "best_model" / "voice"), ["talk.wav", "silent.wav"]
    whole = embed_sounds(encoder, tmp_path, files)
    served = embed_sounds(encoder, tmp_path, files, speech_finder())
    kept = embed_sounds(encoder, tmp_path, files, speech_finder(keep_silent=True))
    assert served.missing == {"silent.wav"}
    assert not kept.missing
    assert np.array_equal(kept.vectors["silent.wav"], whole.vectors["silent.wav"])
    samples, _ = soundfile.read(tmp_path / "talk.wav", dtype="float32")
    speech = analyse_speech(Waveform(samples, 16000), Settings().min_speech_s).speech
    assert speech is not None
    assert np.array_equal(served.vectors["talk.wav"], encoder.embed(speech).vector)
    assert float(served.vectors["talk.wav"] @ whole.vectors["talk.wav"]) < 0.999
