"""Embeddings in two dimensions: by their principal components, or by t-SNE.

Pure functions, for pictures only, never for decisions. PCA keeps distances as well as
two straight axes can, and says how much of the spread they show. t-SNE (van der Maaten
and Hinton, 2008, "Visualizing Data using t-SNE"; scikit-learn's) keeps neighbourhoods
and nothing else: distances between groups mean nothing in it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from utils.arrays import Float32Array

_LEAST_FOR_TSNE = 5
_SEED = 0


@dataclass(frozen=True)
class Plane:
    """Points in the plane.

    Attributes:
        points: (n, 2) float32; the largest coordinate of all is 1 or -1.
        shown: share of the variance along each axis, for PCA.
    """

    points: Float32Array
    shown: tuple[float, float] | None


def pca(vectors: Float32Array, others: Float32Array | None = None) -> Plane:
    """Draw `vectors` (n, size) along their two first principal components.

    `others` (m, size), which have no part in the axes, come behind them. The sign of an
    axis is that of its largest weight, so the same gallery always looks the same.
    """
    if not len(vectors):
        return Plane(np.zeros((0 if others is None else len(others), 2), np.float32), (0.0, 0.0))
    both = vectors if others is None else np.concatenate([vectors, others])
    mean = vectors.mean(axis=0, dtype=np.float64)
    # Threads wait for each other by spinning: on busy cores a hundred times as long.
    with threadpool_limits(1):
        # (size, size), whatever the number of people.
        scatter = (vectors - mean).T @ (vectors - mean)
        spread, columns = np.linalg.eigh(scatter)
    axes = columns.T[::-1][: min(2, len(vectors))]
    axes = axes * np.sign(np.take_along_axis(axes, np.abs(axes).argmax(axis=1, keepdims=True), 1))
    points = np.zeros((len(both), 2), np.float32)
    points[:, : len(axes)] = (both - mean) @ axes.T
    shares = np.zeros(2)
    shares[: len(axes)] = np.maximum(spread[::-1][: len(axes)], 0) / max(float(spread.sum()), 1e-12)
    return Plane(_scale(points), (float(shares[0]), float(shares[1])))


def tsne(vectors: Float32Array) -> Plane:
    """Draw `vectors` (n, size) by t-SNE.

    Fewer than five are drawn by PCA. The same vectors always give the same picture.
    """
    if len(vectors) < _LEAST_FOR_TSNE:
        return pca(vectors)
    from sklearn.manifold import TSNE  # a second to import

    # People have few templates, so neighbourhoods are small.
    perplexity = min(30.0, max(2.0, len(vectors) / 6))
    model = TSNE(perplexity=perplexity, init="pca", random_state=_SEED, max_iter=500)
    with threadpool_limits(1):  # as above
        points = model.fit_transform(vectors)
    return Plane(_scale(np.asarray(points - points.mean(axis=0), np.float32)), None)


def _scale(points: Float32Array) -> Float32Array:
    largest = float(np.abs(points).max(initial=0.0))
    return points / largest if largest > 1e-9 else np.zeros_like(points)
