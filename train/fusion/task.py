"""The fusion training task: reliability gates (and, if wanted, projections) learned on
pseudo-persons, on top of a linear start.

The start is the linear fusion that equals the sum of calibrated log-likelihood ratios.
Training ends in a choice on one half of the held-out people: what was learned is kept
only where it beats the start there. The other half is reported on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from network.backbones.fusion import set_linear, shift_balance, temper_gates
from network.backbones.registry import build_backbone
from network.serving.encoder import load_face_encoder, load_voice_encoder
from scoring import logistic
from train.data.datasets import read_listing
from train.data.held_out import CACHE, held_out_faces, held_out_voices
from train.data.tables import Recipe, Table, face_table, read_noises, select, voice_table
from train.fusion import choice
from train.fusion.data import CONDITIONS, Draw, PseudoPersons, compare, halves
from utils.arrays import Float32Array
from utils.modality import Modality

# Of configurations that name none.
DEFAULT_BACKBONE = "fusion_gated"
BALANCE_STEPS = (-0.4, -0.2, 0.0, 0.2, 0.4)  # of the logarithm of the ratio of both weights
# Of the trained gates' swing: people of the training split look more reliable than they
# are
GATE_PARTS = (0.3, 0.6, 1.0)


@keras.saving.register_keras_serializable("duet")
class LlrHead(keras.layers.Layer):
    """Cosines → log-likelihood ratios and logits of a contrast: exp(a) · s + b and
    exp(c) · s. For training only.
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:  # noqa: ARG002
        """Three numbers."""
        self.log_slope = self.add_weight(
            shape=(), initializer=keras.initializers.Constant(2.3), name="log_slope"
        )
        self.intercept = self.add_weight(
            shape=(), initializer=keras.initializers.Constant(-4.0), name="intercept"
        )
        self.log_scale = self.add_weight(
            shape=(), initializer=keras.initializers.Constant(2.3), name="log_scale"
        )

    def call(self, scores: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Both, of the shape of `scores`."""
        slope = tf.exp(self.log_slope.value)
        scale = tf.exp(tf.minimum(self.log_scale.value, 4.0))
        return slope * scores + self.intercept.value, scale * scores


@dataclass(frozen=True)
class HeldOut:
    """Tables of people whom no network was trained on: one half to choose with, one to
    report on.
    """

    everyone: tuple[Table, Table]
    choose: tuple[Table, Table]
    report: tuple[Table, Table]


class FusionTask:
    """See `train.loop.trainer.Task`."""

    name = "fusion"
    metric = "advantage"
    serving_shape = None
    example_length = 1

    def __init__(
        self,
        persons: PseudoPersons,
        held_out: HeldOut,
        config: Mapping[str, Any],
        encoder_ids: Mapping[str, str],
    ) -> None:
        """Build the network and put it on the linear start, weighted by what the
        choosing half of the held-out people says.
        """
        self._persons = persons
        self.held_out = held_out
        self.encoder_ids = dict(encoder_ids)
        self._losses = config["loss"]
        model = config["model"]
        self.network = build_backbone(
            model.get("backbone", DEFAULT_BACKBONE),
            Modality.FUSED,
            hidden=model["hidden"],
            bound=model["bound"],
        )
        self.weights = linear_weights(*held_out.choose)
        self.start_from_linear()
        for name in ("face", "voice"):
            self.network.get_layer(f"{name}_projection").trainable = model["train_projections"]
        head = LlrHead(name="llr")
        head.build((None, None))
        self.heads: Sequence[keras.layers.Layer] = [head]
        self._embed = tf.function(
            lambda face, voice: self.network([face, voice], training=False), reduce_retracing=True
        )

    def start_from_linear(self) -> None:
        """(Re)set the network to the linear fusion."""
        sides = zip((self._persons.faces, self._persons.voices), self.held_out.choose, strict=True)
        faces, voices = (
            np.concatenate([table.under("clean").vectors for table in side]) for side in sides
        )
        face_weight, voice_weight = self.weights
        set_linear(self.network, faces, voices, face_weight=face_weight, voice_weight=voice_weight)

    def batch(self, step: int, progress: float) -> dict[str, npt.NDArray[Any]]:  # noqa: ARG002  the same all along
        """Pseudo-persons of the training split."""
        return dict(self._persons.batch(step))

    def loss(self, batch: Mapping[str, tf.Tensor], progress: tf.Tensor) -> dict[str, tf.Tensor]:  # noqa: ARG002
        """Cllr of all pairs in the batch, in bits, and the contrast of each probe with
        all templates.
        """
        template = self.network([batch["template_face"], batch["template_voice"]], training=True)
        probe = self.network([batch["probe_face"], batch["probe_voice"]], training=True)
        llr, logits = self.heads[0](tf.matmul(probe, template, transpose_b=True))
        same = tf.eye(tf.shape(llr)[0])
        rejected = tf.reduce_sum(same * tf.nn.softplus(-llr)) / tf.reduce_sum(same)
        accepted = tf.reduce_sum((1 - same) * tf.nn.softplus(llr)) / tf.reduce_sum(1 - same)
        cllr = (rejected + accepted) / (2 * np.log(2))
        places = tf.range(tf.shape(logits)[0])
        contrast = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(places, logits))
        return {
            "loss": self._losses["cllr"] * cllr + self._losses["contrast"] * contrast,
            "cllr": cllr,
            "contrast": contrast,
        }

    def validate(self, full: bool, progress: float) -> dict[str, float]:  # noqa: ARG002
        """The objective, negative, with the present weights on the half of the held-out
        people that chooses.
        """
        return {"advantage": -choice.objective(*self.held_out.choose, self.fuse)}

    def settle(self) -> dict[str, float]:
        """`settle_in` the folder of the run."""
        return self.settle_in(Path("data/runs") / self.run_name)

    def settle_in(self, folder: Path) -> dict[str, float]:
        """Weigh both modalities anew, keep the trained gates or go back to the linear
        fusion: what is better on the half of the held-out people that chooses. Writes
        `comparison.md` on the other half into `folder`, and returns its figures.
        """
        trained_gates = self.network.get_weights()
        trained, trained_weights = min(
            (self._balanced(trained_gates, part) for part in GATE_PARTS), key=lambda found: found[0]
        )
        self.start_from_linear()
        linear, linear_weights = self._balanced(self.network.get_weights(), 1.0)
        self.network.set_weights(linear_weights)
        fusions = {"LLR sum": choice.weighted(*choice.llr_sum(*self.held_out.choose))}
        results = choice.comparison(*self.held_out.report, {**fusions, "linear": self.fuse})
        self.network.set_weights(trained_weights)
        results["trained"] = choice.measure(*self.held_out.report, self.fuse)
        if trained >= linear:
            self.network.set_weights(linear_weights)
        kept = "trained" if trained < linear else "linear"
        self._write(folder, results, kept, {"linear": linear, "trained": trained})
        return choice.summary(results[kept]) | {
            "advantage": -min(trained, linear),
            "trained_gates": float(kept == "trained"),
        }

    def card_input(self) -> dict[str, Any]:
        """Ids of the encoders whose embeddings the fusion takes."""
        return dict(self.encoder_ids)

    @property
    def run_name(self) -> str:
        """Folder of the run: another one for other encoders, whose run cannot go on."""
        return (
            "fusion-"
            + hashlib.sha256("|".join(self.encoder_ids.values()).encode()).hexdigest()[:12]
        )

    def _balanced(
        self, start: Sequence[Float32Array], part: float
    ) -> tuple[float, list[Float32Array]]:
        """Weights `start`, their gates' swing reduced to `part`, with the balance of
        face and voice that the choosing half likes best: the objective there, and those
        weights.
        """
        found = []
        for step in BALANCE_STEPS:
            self.network.set_weights(start)
            temper_gates(self.network, part)
            shift_balance(self.network, step)
            found.append(
                (
                    choice.objective(*self.held_out.choose, self.fuse),
                    self.network.get_weights(),
                )
            )
        return min(found, key=lambda one: one[0])

    def _write(
        self, folder: Path, results: Mapping[str, Any], kept: str, objectives: Mapping[str, float]
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        text = (
            f"{choice.as_markdown(results)}\n\nKept: {kept}. What the choice goes by, on the"
            f" other half of the people, lower is better: linear {objectives['linear']:.4f},"
            f" trained {objectives['trained']:.4f}.\n"
        )
        (folder / "comparison.md").write_text(text, encoding="utf-8")
        print(text, flush=True)

    def fuse(self, face: Float32Array, voice: Float32Array) -> Float32Array:
        """The network as it stands: (n, 512) twice → (n, 512)."""
        return np.asarray(self._embed(tf.constant(face), tf.constant(voice)), np.float32)


def linear_weights(faces: Table, voices: Table) -> tuple[float, float]:
    """Gate weights (face, voice) whose weighted cosine is the jointly fitted
    log-likelihood ratio, over all measured conditions.
    """
    trials = [compare(faces, voices, choice.weighted(1, 1), condition) for condition in CONDITIONS]
    features = np.concatenate([np.column_stack([t.face, t.voice]) for t in trials])
    slopes, _ = logistic.fit(features, np.concatenate([t.labels for t in trials]))
    face, voice = np.sqrt(np.maximum(slopes, 1e-3 * slopes.max()))
    return float(face), float(voice)


def create(config: Mapping[str, Any], seed: int, shared: Path) -> FusionTask:
    """The task as `train/configs/fusion.toml` says; paths are relative to the folder
    `shared`.
    """
    data = config["data"]
    models = Path(data["models"])
    face = load_face_encoder(models / "face")
    voice = load_voice_encoder(models / "voice")
    noises = read_noises(read_listing(shared / data["noise"], "audio", "noise"))
    faces = held_out_faces(
        face, shared / data["dev_faces"], data["dev_face_files"], data["dev_face_match"]
    )
    voices = held_out_voices(
        voice, shared / data["dev_voices"], data["dev_voice_files"], noises, data["dev_voice_match"]
    )
    choose, report = zip(halves(faces), halves(voices), strict=True)
    recipe = Recipe(("clean",), random=1, views=1, seed=seed)
    people = read_listing(shared / data["train_faces"], "image")
    train_faces = face_table(
        face, select(people, data["face_files"], data["face_people"], seed=seed), recipe, CACHE
    )
    people = read_listing(shared / data["train_voices"], "audio")
    train_voices = voice_table(
        voice,
        select(people, data["voice_files"], data["voice_people"], seed=seed),
        recipe,
        noises,
        CACHE,
    )
    persons = PseudoPersons(train_faces, train_voices, Draw(**config["draw"]), seed)
    return FusionTask(
        persons,
        HeldOut((faces, voices), choose, report),
        config,
        {"face": face.encoder_id, "voice": voice.encoder_id},
    )
