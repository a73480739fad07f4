"""What an app must do before and after it runs an exported network, step by step.

The sentences hold every number of the front end. `docs/phones.md` explains them.
"""

from __future__ import annotations

from network.frontends.kaldi import KaldiSpec
from network.frontends.log_mel import SILENCE_POWER, FrontendSpec
from network.serving.inputs import FaceInput, VoiceInput

# The five points of TEMPLATE in an image of 112 × 112 px (ArcFace: Deng et al. 2019).
TEMPLATE_XY = (
    "left eye (38.29, 51.70), right eye (73.53, 51.50), nose (56.03, 71.74),"
    " mouth (41.55, 92.37) and (70.73, 92.20)"
)


def describe_preparation(inputs: FaceInput | VoiceInput) -> list[str]:
    """List the steps from a picture or from sound to an embedding, as sentences."""
    if isinstance(inputs, FaceInput):
        return _of_faces(inputs)
    front = inputs.frontend
    features = _of_kaldi(front) if isinstance(front, KaldiSpec) else _of_log_mel(front)
    steps = ["Take mono speech at 16 kHz in [-1, 1], without its pauses.", *features]
    order = "frames, bands" if inputs.layout == "ntc" else "bands, frames"
    steps.append(f"Feed float32 of the shape (1, {order}).")
    if inputs.time_reversal:
        steps.append("Do the same with the frames in reverse order, and add both embeddings.")
    return [*steps, "Bring the embedding to unit length. Scores are cosines."]


def _of_faces(inputs: FaceInput) -> list[str]:
    side = inputs.size_px
    steps = [
        (
            "Align the face by a similarity transform that moves its five points to"
            f" {TEMPLATE_XY} in an image of 112 x 112 px."
        ),
    ]
    if side != 112:
        steps.append(f"Resize it to {side} x {side} px.")
    steps.append(f"Take its colours in the order {inputs.channels}, 0 to 255, as float32.")
    if (inputs.scale, *inputs.mean, *inputs.std) != (1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0):
        steps.append(
            f"Compute (pixel * {inputs.scale:.9g} - mean) / std by colour, mean"
            f" {list(inputs.mean)}, std {list(inputs.std)}."
        )
    shape = f"(1, {side}, {side}, 3)" if inputs.layout == "nhwc" else f"(1, 3, {side}, {side})"
    steps.append(f"Feed the shape {shape}.")
    if inputs.mirror:
        steps.append("Do the same with the mirror image, and add both embeddings.")
    return [*steps, "Bring the embedding to unit length. Scores are cosines."]


def _of_log_mel(spec: FrontendSpec) -> list[str]:
    steps = [
        f"Cut frames of {spec.n_fft} samples every {spec.hop_samples}, without padding.",
        (
            f"Multiply each with a periodic Hann window of {spec.window_samples} samples in its"
            f" middle, and take the power of its Fourier transform of {spec.n_fft} points."
        ),
        (
            f"Sum it by {spec.n_mels} triangular mel filters from {spec.fmin_hz:g} to"
            f" {spec.fmax_hz:g} Hz (Slaney's scale and normalisation, as librosa.filters.mel)."
        ),
        (
            f"Raise values below the largest of the utterance * 10^-{spec.floor_db / 10:g} to it,"
            f" and below {SILENCE_POWER:g} to that. Take the natural logarithm."
        ),
    ]
    return [*steps, *_mean(spec.mean_norm)]


def _of_kaldi(spec: KaldiSpec) -> list[str]:
    steps = [
        f"Multiply the samples with {spec.scale:g}.",
        (
            f"Compute Kaldi's log filterbank: {spec.n_mels} bands from {spec.fmin_hz:g} Hz to"
            f" {spec.fmax_hz:g} Hz (0 or below: from half the rate)"
            f", windows of {spec.window_ms:g} ms every {spec.hop_ms:g} ms, {spec.window},"
            f" preemphasis {spec.preemphasis:g},"
            f" remove_dc_offset {str(spec.remove_dc).lower()}, snip_edges"
            f" {str(spec.snip_edges).lower()}, no dither."
        ),
    ]
    return [*steps, *_mean(spec.mean_norm)]


def _mean(is_taken: bool) -> list[str]:
    return ["Subtract the mean of each band over the utterance."] if is_taken else []
