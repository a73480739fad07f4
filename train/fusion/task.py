"""The fusion training task: reliability gates learned on pseudo-persons.

Projections can be trained too. The start is the linear fusion that equals the sum of
calibrated log-likelihood ratios. Training ends in a choice on one half of the held-out
people: what was learned is used only where it beats the start there. The other half is
reported on.
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
from network.serving.encoder import (
    FaceEncoder,
    VoiceEncoder,
    load_face_encoder,
    load_voice_encoder,
)
from scoring import logistic
from train.data.datasets import read_listing
from train.data.held_out import CACHE, Selection, held_out_faces, held_out_voices
from train.data.pseudo_people import CONDITIONS, compare, halves
from train.data.renderings import Recipe, VoiceOptions
from train.data.tables import (
    Table,
    face_table,
    read_noises,
    select,
    voice_table,
)
from train.fusion import choice
from train.fusion.batches import Draw, PseudoPersons
from train.loop.task import TaskContext
from utils.arrays import Float32Array
from utils.fields import fit_fields
from utils.modality import Modality

# Of configurations that name none.
DEFAULT_BACKBONE = "fusion_gated"
# Of the logarithm of the ratio of both weights.
BALANCE_STEPS = (-0.4, -0.2, 0.0, 0.2, 0.4)
# Parts of the trained gates' swing that are tried: people of the training split look
# more reliable than they are.
GATE_PARTS = (0.3, 0.6, 1.0)
Weights = list[Float32Array]


@keras.saving.register_keras_serializable("duet")
class LlrHead(keras.layers.Layer):
    """Cosines s to log-likelihood ratios and logits of a contrast, for training only.

    The ratios are exp(a) · s + b, the logits exp(c) · s.
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:  # noqa: ARG002
        """Add the three numbers."""
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
        """Ratios and logits, of the shape of `scores`."""
        slope = tf.exp(self.log_slope.value)
        scale = tf.exp(tf.minimum(self.log_scale.value, 4.0))
        return slope * scores + self.intercept.value, scale * scores


@dataclass(frozen=True)
class HeldOut:
    """Tables (faces, voices) of people whom no network was trained on.

    Attributes:
        choose: The half to choose with.
        report: The half to report on.
    """

    choose: tuple[Table, Table]
    report: tuple[Table, Table]


class FusionTask:
    """Trains a fusion. See `train.loop.task.Task`."""

    name = "fusion"
    metric = "advantage"
    serving_shape: tuple[int | None, ...] | None = None
    example_length = 1
    # Pseudo-persons are drawn without end: an epoch only divides the log.
    epoch_steps = 100

    def __init__(
        self,
        persons: PseudoPersons,
        held_out: HeldOut,
        config: Mapping[str, Any],
        encoder_ids: Mapping[str, str],
    ) -> None:
        """Build the network and put it on the linear start.

        The start is weighted by the half of the held-out people that chooses. `config`
        holds the tables `loss` and `model`, `encoder_ids` those of "face" and "voice".
        """
        self._persons = persons
        self.held_out = held_out
        self.encoder_ids = dict(encoder_ids)
        self.comparison = ""
        """Tables of `finalise_weights` in Markdown, which go into the folder of the run."""
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
        """Put the network on the linear fusion."""
        choosers = self.held_out.choose
        faces = _clean_vectors(self._persons.faces, choosers[0])
        voices = _clean_vectors(self._persons.voices, choosers[1])
        face_weight, voice_weight = self.weights
        set_linear(self.network, faces, voices, face_weight=face_weight, voice_weight=voice_weight)

    def batch(self, step: int, progress: float) -> dict[str, npt.NDArray[Any]]:  # noqa: ARG002  the same all along
        """Pseudo-persons of the training split."""
        return dict(self._persons.batch(step))

    def loss(self, batch: Mapping[str, tf.Tensor], progress: tf.Tensor) -> dict[str, tf.Tensor]:  # noqa: ARG002
        """Compute Cllr of all pairs in the batch, in bits, and the contrast.

        The contrast is that of each probe with all templates.
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
        """Measure the objective, negative, on the half of the held-out that chooses."""
        return {"advantage": -choice.objective(*self.held_out.choose, self.fuse)}

    def finalise_weights(self) -> dict[str, float]:
        """Choose the trained gates or the linear fusion, before publishing.

        Both get their balance of face and voice anew. The better one on the half of the
        held-out people that chooses is taken. `comparison` compares them on the other
        half.

        Returns:
            The figures of the choice on the other half.
        """
        trained_gates = self.network.get_weights()
        trained, trained_weights = min(
            (self._balance(trained_gates, part) for part in GATE_PARTS), key=_cost
        )
        self.start_from_linear()
        linear, linear_weights = self._balance(self.network.get_weights(), 1.0)
        self.network.set_weights(linear_weights)
        llr_sum = choice.weigh(*choice.llr_sum(*self.held_out.choose))
        results = choice.comparison(
            *self.held_out.report, {"LLR sum": llr_sum, "linear": self.fuse}
        )
        self.network.set_weights(trained_weights)
        results["trained"] = choice.measure(*self.held_out.report, self.fuse)
        if trained >= linear:
            self.network.set_weights(linear_weights)
        chosen = "trained" if trained < linear else "linear"
        self.comparison = _compare(results, chosen, linear=linear, trained=trained)
        print(self.comparison, flush=True)
        return choice.summary(results[chosen]) | {
            "advantage": -min(trained, linear),
            "trained_gates": float(chosen == "trained"),
        }

    def card_input(self) -> dict[str, Any]:
        """Ids of the encoders whose embeddings the fusion takes."""
        return dict(self.encoder_ids)

    @property
    def run_name(self) -> str:
        """Folder of the run: another one for other encoders, whose run cannot go on."""
        ids = "|".join(self.encoder_ids.values())
        return f"fusion-{hashlib.sha256(ids.encode()).hexdigest()[:12]}"

    def fuse(self, face: Float32Array, voice: Float32Array) -> Float32Array:
        """Fuse face and voice embeddings (n, 512) with the present weights: (n, 512)."""
        return np.asarray(self._embed(tf.constant(face), tf.constant(voice)), np.float32)

    def _balance(self, start: Weights, part: float) -> tuple[float, Weights]:
        """Find the balance of face and voice that the choosing half likes best.

        It is tried on the weights `start`, their gates' swing reduced to `part`.

        Returns:
            The objective, and the weights.
        """
        candidates = []
        for step in BALANCE_STEPS:
            self.network.set_weights(start)
            temper_gates(self.network, part)
            shift_balance(self.network, step)
            cost = choice.objective(*self.held_out.choose, self.fuse)
            candidates.append((cost, self.network.get_weights()))
        return min(candidates, key=_cost)


def _cost(candidate: tuple[float, Weights]) -> float:
    return candidate[0]


def _clean_vectors(first: Table, second: Table) -> Float32Array:
    return np.concatenate([table.under("clean").vectors for table in (first, second)])


def _compare(
    results: Mapping[str, choice.Results], chosen: str, *, linear: float, trained: float
) -> str:
    return (
        f"{choice.as_markdown(results)}\n\nChosen: {chosen}. The objective of the choice, on the"
        f" other half of the people (lower is better): linear {linear:.4f}, trained"
        f" {trained:.4f}.\n"
    )


def linear_weights(faces: Table, voices: Table) -> tuple[float, float]:
    """Gate weights (face, voice) of the linear fusion.

    The weighted cosine is then the log-likelihood ratio that is fitted jointly over all
    measured conditions.
    """
    trials = [compare(faces, voices, choice.weigh(1, 1), condition) for condition in CONDITIONS]
    features = np.concatenate([np.column_stack([part.face, part.voice]) for part in trials])
    slopes, _ = logistic.fit(features, np.concatenate([part.labels for part in trials]))
    face, voice = np.sqrt(np.maximum(slopes, 1e-3 * slopes.max()))
    return float(face), float(voice)


def create(config: Mapping[str, Any], context: TaskContext) -> FusionTask:
    """Build the task as `train/configs/fusion.toml` says."""
    data = config["data"]
    shared = context.shared
    models = Path(data["models"])
    face = load_face_encoder(models / "face")
    voice = load_voice_encoder(models / "voice")
    noises = read_noises(read_listing(shared / data["noise"], "audio", "noise"))
    options = VoiceOptions(noises=noises, min_speech_s=context.min_speech_s)
    persons = _training_people(data, (face, voice), options, context)
    faces = held_out_faces(
        face,
        Selection(shared / data["dev_faces"], data["dev_face_files"], data["dev_face_match"]),
    )
    voices = held_out_voices(
        voice,
        Selection(shared / data["dev_voices"], data["dev_voice_files"], data["dev_voice_match"]),
        options,
    )
    choose, report = zip(halves(faces), halves(voices), strict=True)
    draw = Draw(**fit_fields(Draw, config["draw"]))
    return FusionTask(
        PseudoPersons(*persons, draw, context.seed),
        HeldOut(choose=choose, report=report),
        config,
        {"face": face.encoder_id, "voice": voice.encoder_id},
    )


def _training_people(
    data: Mapping[str, Any],
    encoders: tuple[FaceEncoder, VoiceEncoder],
    options: VoiceOptions,
    context: TaskContext,
) -> tuple[Table, Table]:
    """Tables of the training split, clean and randomly degraded."""
    face, voice = encoders
    seed = context.seed
    recipe = Recipe(("clean",), random=1, views=1, seed=seed)
    faces = read_listing(context.shared / data["train_faces"], "image")
    faces = select(faces, data["face_files"], data["face_people"], seed=seed)
    voices = read_listing(context.shared / data["train_voices"], "audio")
    voices = select(voices, data["voice_files"], data["voice_people"], seed=seed)
    return (
        face_table(face, faces, recipe, CACHE),
        voice_table(voice, voices, recipe, options=options, cache=CACHE),
    )
