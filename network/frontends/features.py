"""Features of speech by either front end, as its settings say.

`network.frontends.log_mel` is the product's own, `network.frontends.kaldi` that of most
speaker models. Both make mel powers of a waveform, and features of mel powers, so that
training varies powers for both alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from network.frontends.kaldi import KaldiSpec, kaldi_power, log_energy
from network.frontends.log_mel import FrontendSpec, mel_power, normalise
from utils.arrays import Float32Array
from utils.fields import fit_fields

Spec = FrontendSpec | KaldiSpec
KALDI = "kaldi"


def power_of(samples: Float32Array, spec: Spec) -> Float32Array:
    """Compute the mel powers (frames, n_mels) of samples (n,) in [-1, 1]."""
    if isinstance(spec, KaldiSpec):
        return kaldi_power(samples, spec)
    return mel_power(samples, spec)


def features_of_power(power: Float32Array, spec: Spec) -> Float32Array:
    """Turn mel powers (frames, n_mels) of one utterance into features of this shape."""
    return log_energy(power, spec) if isinstance(spec, KaldiSpec) else normalise(power, spec)


def features_of(samples: Float32Array, spec: Spec) -> Float32Array:
    """Compute the features (frames, n_mels) of samples (n,) in [-1, 1]."""
    return features_of_power(power_of(samples, spec), spec)


def read_spec(table: Mapping[str, Any]) -> Spec:
    """Read a table `[frontend]` of a training: `kaldi = true`, and settings.

    Raises:
        ModelError, TypeError, ValueError: There is no such setting, or an unfit value.
    """
    settings = {name: value for name, value in table.items() if name != KALDI}
    if table.get(KALDI):
        return KaldiSpec.from_dict(fit_fields(KaldiSpec, settings, signed=("fmax_hz",)))
    return FrontendSpec(**fit_fields(FrontendSpec, settings))


def card_entry(spec: Spec) -> dict[str, Any]:
    """The entry of a card's `input` that describes a front end."""
    return {KALDI if isinstance(spec, KaldiSpec) else "frontend": spec.to_dict()}
