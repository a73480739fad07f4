"""The evaluation end to end with a small real network."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result

import cli
from scoring import metrics
from tests.support.reports import assert_intervals
from train.measure.evaluate import Options, evaluate
from utils.settings.capture import CaptureSettings

PEOPLE = 12
FILES = 3


def test_a_picture_whose_only_partner_has_no_face_is_a_stranger(
    tmp_path: Path, face_model: Path, media: Path
) -> None:
    """It is in no trial that can be used, and it is a probe of somebody all the same."""
    archive = tmp_path / "faces.zip"
    shutil.copy(media, archive)
    blank = cv2.imencode(".png", np.full((250, 250, 3), 128, np.uint8))[1].tobytes()
    crop = cv2.imencode(".png", np.full((112, 112, 3), 90, np.uint8))[1].tobytes()
    with zipfile.ZipFile(archive, "a") as out:
        out.writestr("set/p99/0.png", crop)
        out.writestr("set/p99/1.png", blank)
    (tmp_path / "t.txt").write_text(trial_lines() + "1 set/p99/0.png set/p99/1.png\n")
    options = Options(face_model, tmp_path / "t.txt", archive, people=(6,), replicates=0)
    report = evaluate(options, CaptureSettings())
    assert report["trials"]["left_out"] == 1
    assert report["identification"][0]["strangers"] == PEOPLE + 1 - 6


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


def test_evaluation_end_to_end(tmp_path: Path, face_model: Path, media: Path) -> None:
    (tmp_path / "t.txt").write_text(trial_lines(folds=True))
    options = Options(face_model, tmp_path / "t.txt", media, people=(6,), replicates=20)
    report = evaluate(options, CaptureSettings(), tmp_path / "out")
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


def run(model: Path, folder: Path, media: Path, *words: str) -> Result:
    """Evaluate the trials t.txt of `folder` by the command."""
    options = {"model": model, "trials": folder / "t.txt", "media": media, "out": folder / "out"}
    command = ["evaluate", "trials", *words]
    for name, value in options.items():
        command += [f"--{name}", str(value)]
    return CliRunner().invoke(cli.cli, command)


def test_command_line_prints_the_table_and_clear_errors(
    tmp_path: Path, face_model: Path, media: Path
) -> None:
    (tmp_path / "t.txt").write_text(trial_lines())
    result = run(face_model, tmp_path, media, "--replicates", "0")
    assert result.exit_code == 0, result.output
    assert "eer" in result.output
    assert "min_dcf_p_target=0.01_c_miss=1_c_fa=1_normalised" in result.output
    (tmp_path / "t.txt").write_text(
        "1 set/p00/0.png set/p00/9.png\n0 set/p00/0.png set/p01/0.png\n"
    )
    result = run(face_model, tmp_path, media, "--replicates", "0")
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
            ("--norm", "as", "--cohort", "COHORT", "--cohort-size", "1"),
            "cohort_size=1",
        ),
        (trial_lines(), ("--norm", "as"), "cohort=None"),
        (trial_lines(), ("--keep-silent",), "speech_only=False"),
        (trial_lines(), ("--speech-only",), "modality='face'"),
        (trial_lines(), ("--norm", "as", "--cohort", "COHORT", "--top", "1"), "top=1"),
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
    face_model: Path,
    media: Path,
    lines: str,
    more: tuple[str, ...],
    received: str,
) -> None:
    """Through the command line: the rule, what was received, and no traceback."""
    with_plain = tmp_path / "m.zip"
    add_a_picture_without_a_face(media, with_plain)
    unpack_first_files(media, tmp_path)
    (tmp_path / "t.txt").write_text(lines)
    words = [str(tmp_path / "set") if word == "COHORT" else word for word in more]
    result = run(face_model, tmp_path, with_plain, *words)
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit)
    assert "Received" in result.output
    assert received in result.output


def add_a_picture_without_a_face(media: Path, target: Path) -> None:
    shutil.copy(media, target)
    plain = cv2.imencode(".png", np.zeros((90, 90, 3), np.uint8))[1]
    with zipfile.ZipFile(target, "a") as archive:
        archive.writestr("plain/0.png", plain.tobytes())


def unpack_first_files(media: Path, folder: Path) -> None:
    """The first file of each person: a cohort."""
    with zipfile.ZipFile(media) as archive:
        archive.extractall(folder, [name for name in archive.namelist() if name[-5:] == "0.png"])


def test_media_that_are_neither_folder_nor_archive_are_refused(
    tmp_path: Path, face_model: Path
) -> None:
    (tmp_path / "t.txt").write_text(trial_lines())
    result = run(face_model, tmp_path, tmp_path / "t.txt")
    assert (result.exit_code, isinstance(result.exception, SystemExit)) == (1, True)
    assert "folder or a zip archive" in result.output


def test_voices_are_cut_to_speech_and_silent_files_left_out_or_kept(tmp_path: Path) -> None:
    """A real network on real sound embeds what the service embeds, to the bit."""
    import soundfile

    from align.speech import analyse_speech
    from network.serving.encoder import load_voice_encoder
    from tests.support import media_sound
    from train.data.embed import embed_sounds, speech_finder
    from utils.config import ROOT
    from utils.media import Waveform

    silence = media_sound.silence(1.5, 16000)
    talk = np.concatenate([silence, media_sound.speech(1, 2.0, rate_hz=16000), silence])
    soundfile.write(tmp_path / "talk.wav", talk, 16000)
    soundfile.write(tmp_path / "silent.wav", media_sound.noise(2.0, 0.01, rate_hz=16000), 16000)
    encoder = load_voice_encoder(ROOT / "best_model" / "voice")
    files = ["talk.wav", "silent.wav"]
    whole = embed_sounds(encoder, tmp_path, files)
    served = embed_sounds(encoder, tmp_path, files, speech_finder(0.5))
    everything = embed_sounds(encoder, tmp_path, files, speech_finder(0.5, keep_silent=True))
    assert served.missing == {"silent.wav"}
    assert not everything.missing
    assert np.array_equal(everything.vectors["silent.wav"], whole.vectors["silent.wav"])
    samples, _ = soundfile.read(tmp_path / "talk.wav", dtype="float32")
    speech = analyse_speech(Waveform(samples, 16000), 0.5).speech
    assert speech is not None
    assert np.array_equal(served.vectors["talk.wav"], encoder.embed(speech).vector)
    assert float(served.vectors["talk.wav"] @ whole.vectors["talk.wav"]) < 0.999
