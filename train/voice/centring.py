"""Centring: the mean of all speech taken out of a voice network before publishing.

The mean m of the embeddings u of speech is not 0, and strangers of one place resemble
each other by it. weight · m is subtracted from every embedding, and the length is
brought to 1 again. It costs nothing in the service:

    (u1 - w m) · (u2 - w m) = u1 · u2 - w (m · u1 + m · u2) + w^2 m · m

m · u is the mean cosine of a recording with the speech of others. So a weight of 1 is
the centring that back ends of speaker recognition begin with (Garcia-Romero and
Espy-Wilson 2011, "Analysis of i-vector length normalization in speaker recognition
systems"). A larger weight takes off more of what a recording scores with everybody, as
S-norm does without its deviations (`scoring/norms.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import keras
import numpy as np

from network.backbones.voice_common import CENTRE, LENGTH
from utils.arrays import Float32Array, Float64Array


def centre(
    network: keras.Model,
    speech: Mapping[str, Sequence[Float32Array]],
    weight: float,
    both_ways: bool,
) -> None:
    """Set the layer `network.backbones.voice_common.Centre` of `network`.

    Args:
        network: Ends in `network.backbones.voice_common.voice_embedding`.
        speech: Utterances by data set, features (frames, n_mels) each. Every data set
            counts alike.
        weight: w above.
        both_ways: Whether utterances are heard backwards too, as the network serves
            with time reversal.
    """
    units = keras.Model(network.input, network.get_layer(LENGTH).output)
    means = [_mean_embedding(units, utterances, both_ways) for utterances in speech.values()]
    network.get_layer(CENTRE).centre.assign(weight * np.mean(means, axis=0))


def _mean_embedding(
    units: keras.Model, utterances: Sequence[Float32Array], both_ways: bool
) -> Float64Array:
    embeddings = [
        units(rows[None], training=False).numpy()[0] for rows in _directions(utterances, both_ways)
    ]
    return np.asarray(np.mean(embeddings, axis=0, dtype=np.float64))


def _directions(utterances: Sequence[Float32Array], both_ways: bool) -> Iterator[Float32Array]:
    for rows in utterances:
        yield np.ascontiguousarray(rows)
        if both_ways:
            yield np.ascontiguousarray(rows[::-1])
