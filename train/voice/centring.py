"""What all speech has in common, taken out of a voice network that is published.

The mean m of the embeddings u of speech is not 0, and strangers of one place resemble
each other by it. Off every embedding comes weight · m, and the length is brought to 1
again, at no cost when serving:

    (u1 - w m) · (u2 - w m) = u1 · u2 - w (m · u1 + m · u2) + w^2 m · m

m · u is the mean cosine of a recording with the speech of others. So a weight of 1 is
the centring that back ends of speaker recognition begin with (Garcia-Romero and
Espy-Wilson 2011, "Analysis of i-vector length normalization in speaker recognition
systems"), and a larger one takes off more of what a recording scores with everybody, as
S-norm does without its deviations (`scoring/norms.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
        network: ends in `network.backbones.voice_common.voice_embedding`.
        speech: utterances by data set, features (frames, n_mels) each; every data set
            counts alike.
        weight: w above.
        both_ways: whether utterances are heard backwards too, as the network serves
            with time reversal.
    """
    units = keras.Model(network.input, network.get_layer(LENGTH).output)
    mean = np.mean([_mean(units, utterances, both_ways) for utterances in speech.values()], axis=0)
    network.get_layer(CENTRE).centre.assign(weight * mean)


def _mean(units: keras.Model, utterances: Sequence[Float32Array], both_ways: bool) -> Float64Array:
    directions = [rows[::step] for rows in utterances for step in ((1, -1) if both_ways else (1,))]
    found = [
        units(np.ascontiguousarray(rows)[None], training=False).numpy()[0] for rows in directions
    ]
    return np.asarray(np.mean(found, axis=0, dtype=np.float64))
