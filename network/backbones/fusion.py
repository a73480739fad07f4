"""The backbone `fusion_gated`: a face and a voice embedding to one person embedding.

Each embedding is projected to half the size of the result and brought to unit length. A
gate judges from the embedding itself how far it can be relied on, because a blurred face
or a noisy voice lies elsewhere in the space than a clear one, and weighs its half:

    person = unit([g_f(face) · unit(P_f face) ; g_v(voice) · unit(P_v voice)])
    g(x) = exp(bound · tanh(b + a · relu(W x)))

With constant gates the cosine of two person embeddings is the weighted mean of both
cosines, which is the sum of calibrated log-likelihood ratios up to scale. `set_linear`
starts the network there, so training can only improve on it. Either embedding may be
missing (zeros). The cosine is then that of the other modality.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from utils.arrays import EMBEDDING_SIZE, Float32Array

PACKAGE = "duet"
HALF = EMBEDDING_SIZE // 2


@keras.saving.register_keras_serializable(PACKAGE)
class ReliabilityGate(keras.layers.Layer):
    """Weights (n, 1) of embeddings (n, d), between exp(-bound) and exp(bound)."""

    def __init__(self, hidden: int, bound: float, **kwargs: Any) -> None:
        """Set the number of hidden units and the bound of the weight's logarithm."""
        if hidden < 1 or bound <= 0:
            raise ValueError(
                f"`hidden` must be at least 1 and `bound` positive. Received: hidden={hidden},"
                f" bound={bound}"
            )
        super().__init__(**kwargs)
        self.hidden = hidden
        self.bound = bound
        self.inner = keras.layers.Dense(hidden, activation="relu", name="inner")
        self.outer = keras.layers.Dense(1, kernel_initializer="zeros", name="outer")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the weights for (n, d)."""
        self.inner.build(input_shape)
        self.outer.build((None, self.hidden))

    def call(self, inputs: Any) -> Any:
        """Return the weights of the embeddings."""
        return ops.exp(self.bound * ops.tanh(self.outer(self.inner(inputs))))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return (n, 1)."""
        return (input_shape[0], 1)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of `__init__`."""
        config: dict[str, Any] = super().get_config()
        return config | {"hidden": self.hidden, "bound": self.bound}


def build_fusion(hidden: int = 64, bound: float = 3.0) -> keras.Model:
    """Build an untrained fusion network.

    Args:
        hidden: Hidden units of each gate.
        bound: Bound of the logarithm of a gate's weight.

    Returns:
        Model from `face` (n, 512) and `voice` (n, 512) to (n, 512) of unit length, zeros
        where both inputs are.

    Example:
        >>> network = build_fusion()
        >>> set_linear(network, faces, voices, face_weight=1.0, voice_weight=0.7)
        >>> people = network([faces, voices])
    """
    face = keras.Input((EMBEDDING_SIZE,), name="face")
    voice = keras.Input((EMBEDDING_SIZE,), name="voice")
    halves = [_half(face, "face", hidden, bound), _half(voice, "voice", hidden, bound)]
    person = keras.layers.UnitNormalization(name="person")(
        keras.layers.Concatenate(name="halves")(halves)
    )
    return keras.Model([face, voice], person, name="fusion")


def _half(embedding: Any, name: str, hidden: int, bound: float) -> Any:
    projected = keras.layers.Dense(HALF, use_bias=False, name=f"{name}_projection")(embedding)
    projected = keras.layers.UnitNormalization(name=f"{name}_unit")(projected)
    gate = ReliabilityGate(hidden, bound, name=f"{name}_gate")(embedding)
    return keras.layers.Multiply(name=f"{name}_half")([projected, gate])


def set_linear(
    network: keras.Model,
    faces: Float32Array,
    voices: Float32Array,
    *,
    face_weight: float,
    voice_weight: float,
) -> None:
    """Make the network linear.

    The projections become the principal components of `faces` and `voices` (n, 512),
    the gates constant weights (> 0). The cosine of two outputs is then
    (w_f² · face cosine + w_v² · voice cosine) / (w_f² + w_v²), with cosines within the
    components.
    """
    for name, vectors in (("face", faces), ("voice", voices)):
        network.get_layer(f"{name}_projection").set_weights([principal_components(vectors)])
    set_balance(network, face_weight, voice_weight)


def set_balance(network: keras.Model, face_weight: float, voice_weight: float) -> None:
    """Make both gates constant at these weights, of which only the ratio matters.

    Raises ValueError for a weight of 0 or less.
    """
    if face_weight <= 0 or voice_weight <= 0:
        raise ValueError(
            f"Weights must be positive. Received: face_weight={face_weight},"
            f" voice_weight={voice_weight}"
        )
    mean = np.sqrt(face_weight * voice_weight)
    for name, weight in (("face", face_weight), ("voice", voice_weight)):
        gate = network.get_layer(f"{name}_gate")
        level = np.clip(np.log(weight / mean) / gate.bound, -0.99, 0.99)
        gate.outer.set_weights([np.zeros((gate.hidden, 1)), np.array([np.arctanh(level)])])


def shift_balance(network: keras.Model, step: float) -> None:
    """Shift the logarithm of the ratio of both weights by about `step`.

    The face weighs more for a `step` above 0, the voice for one below.
    """
    for name, sign in (("face", 1.0), ("voice", -1.0)):
        gate = network.get_layer(f"{name}_gate")
        kernel, bias = gate.outer.get_weights()
        gate.outer.set_weights([kernel, bias + sign * step / (2 * gate.bound)])


def temper_gates(network: keras.Model, part: float) -> None:
    """Reduce the gates' dependence on the embedding to `part` in [0, 1] of it."""
    for name in ("face", "voice"):
        gate = network.get_layer(f"{name}_gate")
        kernel, bias = gate.outer.get_weights()
        gate.outer.set_weights([kernel * part, bias])


def principal_components(vectors: Float32Array) -> Float32Array:
    """Find the directions that hold most of the (uncentred) energy of `vectors`.

    `vectors` (n, 512) give an orthonormal (512, `HALF`). Cosines within it hardly change.
    """
    moment = np.asarray(vectors, np.float64).T @ np.asarray(vectors, np.float64)
    _, directions = np.linalg.eigh(moment)  # in rising order
    return np.ascontiguousarray(directions[:, ::-1][:, :HALF], np.float32)
