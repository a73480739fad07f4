"""The teacher's emphasis, put into the last layer of a face network before publishing.

What tells people apart is weighted as the teacher weighs it.

A teacher projection P (512, t) maps an embedding into the teacher's space. By itself it
compares frontal faces better than the embedding and faces from the side worse. The sum
of both scalar products, the teacher's weighted, is again a scalar product of vectors,
which the network brings to unit length:

    e' = A e,  A = (I + weight · G)^(1/2),  G = P Pᵀ scaled to a mean eigenvalue of 1:
    e'₁ · e'₂ = e₁ · e₂ + weight · e₁ᵀ G e₂

so A goes into the last linear layer and costs nothing when serving.
"""

from __future__ import annotations

import keras
import numpy as np
import numpy.typing as npt

from utils.arrays import Float64Array

# The last two layers with weights of a face network.
DENSE = "embedding"
NORM = "embedding_norm"


def emphasise(network: keras.Model, projection: npt.NDArray[np.floating], weight: float) -> None:
    """Give the embeddings of `network` the emphasis of `projection`, in place.

    Args:
        network: Ends in a dense layer without bias, batch normalisation (`DENSE`,
            `NORM`) and normalisation to unit length.
        projection: (d, t), d the length of the embedding.
        weight: At least 0. 0 leaves the embeddings as they are.
    """
    dense = network.get_layer(DENSE)
    norm = network.get_layer(NORM)
    gamma, beta, mean, variance = (values.astype(np.float64) for values in norm.get_weights())
    scale = gamma / np.sqrt(variance + norm.epsilon)
    across = emphasis(projection, weight)
    dense.set_weights([((dense.get_weights()[0] * scale) @ across).astype(np.float32)])
    ones = np.ones_like(gamma)
    shift = (beta - mean * scale) @ across
    statistics = (ones, shift, 0 * ones, ones - norm.epsilon)
    norm.set_weights([values.astype(np.float32) for values in statistics])


def emphasis(projection: npt.NDArray[np.floating], weight: float) -> Float64Array:
    """The symmetric matrix A (d, d) of a `projection` (d, t), as in the module's head."""
    gram = projection.astype(np.float64) @ projection.T.astype(np.float64)
    gram *= len(gram) / np.trace(gram)
    values, vectors = np.linalg.eigh(np.eye(len(gram)) + weight * gram)
    return np.asarray((vectors * np.sqrt(values)) @ vectors.T)
