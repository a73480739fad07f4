"""The speech training task: a network learns to write by connectionist temporal classification."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from network.backbones.registry import build_speech_network
from network.backbones.speech_deepspeech2 import SIGNS
from network.backbones.together import hear_together
from network.frontends.features import card_entry, read_spec
from network.serving.card import CARD_FILE, SPEECH, read_card
from speech.ctc.vocabulary import BLANK, Vocabulary, count_signs, format_vocabulary
from train.loop.initial import Weights
from train.loop.task import TaskContext
from train.speech.batches import BatchOptions, SpeechBatches
from train.speech.dev import Prediction, SpeechDev, error_rates, write_predictions
from train.speech.sets import SpeechSets, choose_vocabulary, read_sets
from train.voice.augment import MelAugment
from utils.arrays import Float32Array
from utils.fields import fit_fields
from utils.whole_file import whole_file

DEFAULT_NETWORK = "deepspeech2"
DEFAULT_STRIDE = 2
# In the folder of a run.
VOCABULARY_FILE = "vocabulary.csv"
PREDICTIONS = "predictions"


class SpeechTask:
    """Trains a network that writes. See `train.loop.task.Task`.

    The metrics are error rates. `character_accuracy`, 1 minus the CER, says which of two
    networks is better.
    """

    name = SPEECH
    metric = "character_accuracy"
    heads: Sequence[keras.layers.Layer] = ()

    def __init__(
        self, config: Mapping[str, Any], sets: SpeechSets, vocabulary: Vocabulary, seed: int
    ) -> None:
        """Build the network that a configuration names, for a vocabulary."""
        self.spec = read_spec(config.get("frontend", {}))
        self._language = config["data"]["language"]
        self._vocabulary = vocabulary
        self._sets = sets
        network = _with_tuples(config.get("network", {}))
        self._stride = network.get("time_stride", DEFAULT_STRIDE)
        self._batches = SpeechBatches(
            sets,
            vocabulary,
            BatchOptions(**fit_fields(BatchOptions, config.get("batches", {}))),
            MelAugment(**fit_fields(MelAugment, config.get("augment", {}))),
            spec=self.spec,
            time_stride=self._stride,
            seed=seed,
        )
        self._dev = SpeechDev(sets.dev, sets.dev_bank, vocabulary, self.spec)
        self._predictions: list[Prediction] = []
        self.epoch_steps = self._batches.epoch_steps
        self.serving_shape: tuple[int | None, ...] | None = (None, None, self.spec.n_mels)
        # Multiply-adds are counted per second of speech.
        self.example_length = round(1000 / self.spec.hop_ms)
        name = network.pop("backbone", DEFAULT_NETWORK)
        self.network = build_speech_network(
            name, outputs=vocabulary.size, n_mels=self.spec.n_mels, **network
        )
        signature = [
            tf.TensorSpec((None, None, self.spec.n_mels), tf.float32),
            tf.TensorSpec((None,), tf.int32),
        ]
        self._hear = tf.function(
            lambda features, frames: hear_together(self.network, features, frames, training=False),
            input_signature=signature,
        )

    def batch(self, step: int, progress: float) -> dict[str, NDArray[Any]]:
        """Features and signs, see `SpeechBatches.batch`."""
        del progress
        return self._batches.batch(step)

    def loss(self, batch: Mapping[str, tf.Tensor], progress: tf.Tensor) -> dict[str, tf.Tensor]:
        """CTC loss in natural logarithm for a sign, over all signs of the batch."""
        del progress
        logarithms, steps = hear_together(
            self.network, batch["features"], batch["frames"], training=True
        )
        losses = tf.nn.ctc_loss(
            tf.sparse.from_dense(batch["labels"]),
            logarithms,
            label_length=None,
            logit_length=steps,
            logits_time_major=False,
            blank_index=BLANK,
        )
        signs = tf.cast(tf.reduce_sum(batch["lengths"]), tf.float32)
        return {"loss": tf.reduce_sum(losses) / signs}

    def validate(self, full: bool, progress: float = 1.0) -> dict[str, float]:
        """Measure error rates with greedy decoding.

        `full` measures by itself what has a text that is not trained on.
        """
        del progress
        self._predictions = list(self._dev.predict(self.hear))
        metrics = error_rates(self._predictions)
        metrics[self.metric] = 1 - metrics["cer"]
        return metrics | (self._on_new_texts() if full else {})

    def hear(
        self, features: Float32Array, frames: NDArray[np.int32]
    ) -> tuple[Float32Array, NDArray[np.int32]]:
        """Run the network on several utterances, as `hear_together` has it."""
        logarithms, steps = self._hear(tf.constant(features), tf.constant(frames))
        return logarithms.numpy(), steps.numpy()

    def write_report(self, run_dir: Path, epoch: int) -> None:
        """Write the vocabulary, and what the last validation wrote, into a run's folder."""
        file = run_dir / VOCABULARY_FILE
        if not file.is_file():
            texts = [self._vocabulary.spell(one.text) for one in self._sets.train.utterances]
            content = format_vocabulary(self._vocabulary, count_signs(texts))
            with whole_file(file) as draft:
                draft.write_text(content, encoding="utf-8")
        write_predictions(run_dir / PREDICTIONS / f"epoch_{epoch:04d}.csv", self._predictions)

    def card_input(self) -> dict[str, Any]:
        """The front end, the language, and the signs."""
        return {
            **card_entry(self.spec),
            "language": self._language,
            "signs": self._vocabulary.signs,
        }

    def describe_data(self) -> str:
        """What is learned from and measured on, in a line."""
        sets = self._sets
        return (
            f"Learns from {len(sets.train.utterances) - self._batches.left_out} recordings,"
            f" measured on {len(sets.dev.utterances)}. Left out: {sets.train.left_out} without"
            f" text or with digits, {self._batches.left_out} for their length"
        )

    def count_work(self) -> int:
        """Count the multiply-adds for one second of speech, those of recurrent layers too."""
        steps = math.ceil(self.example_length / self._stride)
        total = 0
        for layer in self.network.layers:
            kernels = [weight for weight in layer.trainable_weights if "kernel" in weight.name]
            shape = layer.output.shape
            places = steps * (shape[2] if len(shape) == 4 else 1)
            total += places * sum(int(np.prod(kernel.shape)) for kernel in kernels)
        return total

    def convert_saved(self, folder: Path, saved: Weights) -> Weights:
        """Put the saved weights of signs where this vocabulary has them.

        A sign that the saved network does not know keeps its random weights.
        """
        if SIGNS not in saved or not (folder / CARD_FILE).is_file():
            return saved
        before = Vocabulary(read_card(folder).input["signs"])
        kernel, bias = (values.copy() for values in self.network.get_layer(SIGNS).get_weights())
        if saved[SIGNS][0].shape[0] != kernel.shape[0]:
            return saved  # which is refused, as a network of other sizes
        places = [BLANK, 1, *map(_place_in(before), self._vocabulary.signs)]
        for place, earlier in enumerate(places):
            if earlier is not None:
                kernel[:, place] = saved[SIGNS][0][:, earlier]
                bias[place] = saved[SIGNS][1][earlier]
        return {**saved, SIGNS: [kernel, bias]}

    def _on_new_texts(self) -> dict[str, float]:
        """CER on recordings whose text is not among those that are trained on."""
        learned = {one.text for one in self._sets.train.utterances}
        new = [one for one in self._predictions if one.utterance.text not in learned]
        return {"cer_new_texts": error_rates(new)["cer"]} if new else {}


def create(config: Mapping[str, Any], context: TaskContext) -> SpeechTask:
    """Build the task from a training configuration.

    Args:
        config: Parsed TOML with the tables `data`, `frontend`, `network`, `batches` and
            `augment`.
        context: Seed, and folder of the research data.
    """
    data = config["data"]
    spec = read_spec(config.get("frontend", {}))
    sets = read_sets(data, context.seed, context.shared, spec)
    vocabulary = choose_vocabulary(data, sets.train, context.shared)
    return SpeechTask(config, sets, vocabulary, context.seed)


def _place_in(vocabulary: Vocabulary) -> Any:
    """A function from a sign to its output in a vocabulary, None where it has none."""
    outputs = {sign: place for place, sign in enumerate(vocabulary.signs, 2)}
    return outputs.get


def _with_tuples(table: Mapping[str, Any]) -> dict[str, Any]:
    """A table of a configuration with tuples in place of lists."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
