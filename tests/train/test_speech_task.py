"""A network that writes, from a user's recordings to an engine: trained, resumed, fine-tuned."""

from __future__ import annotations

import csv
import itertools
import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

import cli
from speech.ctc.vocabulary import JAMO_VOCABULARY, read_vocabulary
from tests.support.own_voices import train_with
from tests.support.own_words import SPEAKERS, TEXTS, write_words
from utils.arrays import RATE_HZ
from utils.errors import ModelError

if TYPE_CHECKING:
    from train.loop.trainer import Trainer
    from train.speech.batches import SpeechBatches
    from train.speech.sets import SpeechSets

pytestmark = [pytest.mark.tf, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


def train(folder: Path, run: str, *more: str) -> int:
    """Train in the folder `run`, to publish to `<run>_model`. Returns the exit status."""
    words = ["--config", folder / "speech.toml", "--run-dir", folder / run]
    return train_with("speech", [*map(str, [*words, "--out", folder / f"{run}_model"]), *more])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings, and a network that was trained on them in the run `first`."""
    folder = write_words(tmp_path_factory.mktemp("words"))
    assert train(folder, "first") == 0
    return folder


@pytest.fixture(scope="module")
def make_batches(folder: Path) -> Callable[..., SpeechBatches]:
    """Make batches of the recordings with these options."""
    from network.frontends.log_mel import FrontendSpec
    from train.speech.batches import BatchOptions, SpeechBatches
    from train.voice.augment import MelAugment

    spec = FrontendSpec(n_mels=16)
    sets = read_sets(folder)

    def make(stride: int = 2, **options: Any) -> SpeechBatches:
        stated = BatchOptions(**{"batch_size": 4, "buckets": 2, **options})
        return SpeechBatches(
            sets, JAMO_VOCABULARY, stated, MelAugment(), spec=spec, time_stride=stride, seed=1
        )

    return make


def read_sets(folder: Path) -> SpeechSets:
    from network.frontends.log_mel import FrontendSpec
    from train.speech import sets

    config = tomllib.loads((folder / "speech.toml").read_text(encoding="utf-8"))
    return sets.read_sets(config["data"], 1, folder, FrontendSpec(n_mels=16))


def test_speakers_are_held_out(folder: Path) -> None:
    sets = read_sets(folder)
    held_out = {one.speaker for one in sets.dev.utterances}
    assert len(held_out) == 1
    assert {one.speaker for one in sets.train.utterances}.isdisjoint(held_out)
    assert len(sets.train.utterances) == (SPEAKERS - 1) * len(TEXTS)
    assert [len(bank) for bank in sets.banks] == [15, 15]


def test_every_utterance_comes_once_an_epoch_with_its_text(
    make_batches: Callable[..., SpeechBatches],
) -> None:
    batches = make_batches(batch_size=5, buckets=3)
    assert batches.epoch_steps == 3
    for first in (0, 3):
        written = []
        for step in range(first, first + 3):
            batch = batches.batch(step)
            assert batch["features"].shape[0] == 5
            for row, length in zip(batch["labels"], batch["lengths"], strict=True):
                assert not row[length:].any()
                written.append(JAMO_VOCABULARY.decode(row))
        assert sorted(written) == sorted(list(TEXTS) * (SPEAKERS - 1))


def test_a_batch_follows_from_its_step(make_batches: Callable[..., SpeechBatches]) -> None:
    one = make_batches()
    other = make_batches()
    for step in (7, 2):
        for name, value in one.batch(step).items():
            np.testing.assert_array_equal(value, other.batch(step)[name])
    assert not np.array_equal(one.batch(2)["features"], one.batch(3)["features"])


def test_an_utterance_is_heard_alike_alone_and_beside_longer_ones() -> None:
    from network.backbones.registry import build_speech_network
    from network.backbones.together import hear_together

    network = build_speech_network(
        "deepspeech2", outputs=7, n_mels=8, filters=(3, 2), recurrent=2, units=4
    )
    rng = np.random.default_rng(0)
    lengths = np.array([37, 50, 12], np.int32)
    for spare in (0, 14):
        features = np.zeros((3, 50 + spare, 8), np.float32)
        for row, length in zip(features, lengths, strict=True):
            row[:length] = rng.normal(2.0, 1.0, (length, 8))
        hear_together(network, features, lengths, training=True)
        together, steps = hear_together(network, features, lengths, training=False)
        assert steps.numpy().tolist() == [19, 25, 6]
        for number, length in enumerate(lengths):
            alone = network(features[number : number + 1, :length], training=False).numpy()[0]
            np.testing.assert_allclose(
                together.numpy()[number, : len(alone)], alone, rtol=0, atol=1e-5
            )


def test_utterances_without_enough_steps_are_left_out(
    make_batches: Callable[..., SpeechBatches],
) -> None:
    from utils.errors import DatasetError

    assert make_batches().left_out == 0
    # A tenth of a second for each sign: the longest texts have more signs than that.
    assert 0 < make_batches(stride=12).left_out < 15
    with pytest.raises(DatasetError, match="longer than"):
        make_batches(longest_s=0.5)


def test_a_run_keeps_tables_curves_and_the_vocabulary(folder: Path) -> None:
    run = folder / "first"
    assert read_vocabulary(run / "vocabulary.csv") == JAMO_VOCABULARY
    with (run / "predictions" / "epoch_0002.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert sorted(row["target"] for row in rows) == sorted(TEXTS)
    assert {"path", "speaker", "prediction", "cer"} < set(rows[0])
    epochs = (run / "epochs.csv").read_text(encoding="utf-8").splitlines()[0].split(",")
    assert {"loss", "rate", "cer", "cer_without_spaces", "wer"} <= set(epochs)
    assert (run / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert (run / "models" / "best" / "card.json").is_file()


def test_the_card_says_what_was_trained(folder: Path) -> None:
    card = json.loads((folder / "first_model" / "card.json").read_text(encoding="utf-8"))
    assert card["modality"] == "speech"
    assert card["input"]["signs"] == JAMO_VOCABULARY.signs
    assert card["input"]["language"] == "ko"
    assert card["embedding_size"] == 0
    dev = card["metrics"]["dev"]
    assert dev["character_accuracy"] == pytest.approx(1 - dev["cer"])
    # 50 steps a second: 16 mels halved by 121 weights of 3 filters, two directions of a
    # GRU over 24 values and its own 6 units, and 70 signs.
    each = 8 * 121 * 3 + 2 * (24 * 18 + 6 * 18) + 12 * 70
    assert card["multiply_adds"] == 50 * each


def test_a_stopped_run_goes_on_to_the_same_weights(folder: Path) -> None:
    from train.loop.checkpoint import CHECKPOINT_FILE

    stopped = open_run(folder, "broken")
    for step, progress, batch in itertools.islice(stopped.batches(), 3):
        stopped.train_step(step, progress, batch)
    stopped.checkpoint()
    resumed = open_run(folder, "broken", "--resume")
    assert resumed.step == 3
    for step, progress, batch in resumed.batches():
        resumed.train_step(step, progress, batch)
    resumed.checkpoint()
    runs = [np.load(folder / run / CHECKPOINT_FILE) for run in ("first", "broken")]
    assert set(runs[0]) == set(runs[1])
    for name in set(runs[0]) - {"counter/seconds"}:
        np.testing.assert_array_equal(runs[0][name], runs[1][name], err_msg=name)


def open_run(folder: Path, run: str, *more: str) -> Trainer:
    """The trainer of a run, as the command makes it."""
    from train.run import start
    from train.train_nets import run_options, training_command

    words = ["--config", str(folder / "speech.toml"), "--run-dir", str(folder / run), *more]
    options = run_options("speech", training_command("speech").make_context("", words).params)
    return start(options, options.read_config(), 0.5)


def test_fine_tuning_keeps_the_signs_that_both_know(folder: Path) -> None:
    from train.loop.task import TaskContext
    from train.speech.task import create

    config = tomllib.loads((folder / "speech.toml").read_text(encoding="utf-8"))
    config["data"]["vocabulary"] = "signs.csv"
    signs = JAMO_VOCABULARY.signs[3] + "é" + JAMO_VOCABULARY.signs[1]
    (folder / "signs.csv").write_text("\n".join(signs), encoding="utf-8")
    task = create(config, TaskContext(seed=1, shared=folder, min_speech_s=0.5))
    first = folder / "first_model"
    saved = _weights(first / "model.keras")
    kernel = task.convert_saved(first, saved)["signs"][0]
    for place, earlier in ((0, 0), (1, 1), (2, 5), (4, 3)):
        np.testing.assert_array_equal(kernel[:, place], saved["signs"][0][:, earlier])
    own = task.network.get_layer("signs").get_weights()[0]
    np.testing.assert_array_equal(kernel[:, 3], own[:, 3])


def _weights(file: Path) -> Any:
    from network.backbones.registry import load_network

    network = load_network(file)
    return {layer.name: layer.get_weights() for layer in network.layers if layer.weights}


def test_a_trained_network_is_an_engine(folder: Path) -> None:
    from speech.transcriber_ctc import CtcTranscriber

    sound, _ = soundfile.read(folder / "1-2.wav", dtype="float32")
    served = CtcTranscriber(folder / "first_model", threads=1)
    assert served.model.languages == ("ko",)
    assert served.model.licence == "Made up."
    passage = served.transcribe(sound)
    assert passage.language == "ko"
    kept = CtcTranscriber(folder / "first" / "models" / "best", threads=1)
    assert kept.transcribe(sound).mean_log_probability <= 0
    for word in passage.words:
        assert 0 <= word.start_s < word.end_s <= len(sound) / RATE_HZ + 0.1
    with pytest.raises(ValueError, match="30 s"):
        served.transcribe(np.zeros(31 * RATE_HZ, np.float32))


def test_words_beside_a_model_guide_it(folder: Path, tmp_path: Path) -> None:
    from speech.transcriber_ctc import CtcTranscriber

    model = tmp_path / "model"
    model.mkdir()
    for name in ("card.json", "model.onnx"):
        (model / name).write_bytes((folder / "first_model" / name).read_bytes())
    (model / "words.txt").write_text("가나 다", encoding="utf-8")
    sound, _ = soundfile.read(folder / "1-2.wav", dtype="float32")
    passage = CtcTranscriber(model, threads=1).transcribe(sound)
    assert set(passage.text.split()) <= {"가나", "다"}
    (model / "words.txt").write_text("latin", encoding="utf-8")
    with pytest.raises(ModelError, match="signs of the network"):
        CtcTranscriber(model, threads=1)


def test_it_is_listed_measured_and_transcribes(folder: Path) -> None:
    model = str(folder / "first_model")
    run = CliRunner().invoke
    words = ["speech", "evaluate", str(folder / "words.csv"), "--engine", "ctc", "--direct"]
    result = run(cli.cli, [*words, "--model", model, "--beam", "4", "--limit", "3"])
    assert result.exit_code == 0, result.output
    assert "cer_without_spaces" in result.output
    environment = {"DUET_SPEECH_MODEL": model}
    listed = run(cli.cli, ["speech", "models"], env=environment)
    assert "deepspeech2: ready" in listed.output
    assert "languages: ko. Licence: Made up." in listed.output
    written = run(cli.cli, ["transcribe", str(folder / "0-0.wav")], env=environment)
    assert written.exit_code == 0, written.output
    refused = run(
        cli.cli, ["transcribe", str(folder / "0-0.wav"), "--language", "en"], env=environment
    )
    assert "does not write this language" in refused.output


def test_models_of_another_kind_are_no_engines(tmp_path: Path) -> None:
    from speech.transcriber_ctc import CtcTranscriber
    from tests.support.tiny import make_grid_face

    with pytest.raises(ModelError, match="modality face"):
        CtcTranscriber(make_grid_face(tmp_path / "face"), threads=1)
    with pytest.raises(ModelError, match="missing"):
        CtcTranscriber(tmp_path / "none", threads=1)


def test_a_card_that_does_not_fit_its_network_is_refused(folder: Path, tmp_path: Path) -> None:
    from speech.transcriber_ctc import CtcTranscriber

    card = json.loads((folder / "first_model" / "card.json").read_text(encoding="utf-8"))
    (tmp_path / "model.onnx").write_bytes((folder / "first_model" / "model.onnx").read_bytes())
    for signs, rule in (("가나", "70 outputs"), ("가가", "cannot be used")):
        card["input"]["signs"] = signs
        (tmp_path / "card.json").write_text(json.dumps(card), encoding="utf-8")
        with pytest.raises(ModelError, match=rule):
            CtcTranscriber(tmp_path, threads=1)
