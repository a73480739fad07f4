"""How training speech is varied: once per file as waveforms (speed, room, telephone,
codec), and per step as mel powers (noise, band, masks) and features (backwards).

Waveform variants are written to feature banks before training (`voice_data`); what
happens per step is cheap arithmetic on mel powers: noise powers add to speech powers
(the cross term is zero on average), and a low-pass is the loss of the upper mel bands.

Origins: speed perturbation as new speakers (Yamamoto et al. 2019), room simulation by
the image-source method (Allen & Berkley 1979, through pyroomacoustics), mu-law (ITU-T
G.711), SpecAugment (Park et al. 2019). Another prosody is the opposite of another
speed: the pitch moves, the formants stay, and so does the speaker.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyroomacoustics as pra
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, map_coordinates
from scipy.signal import istft, lfilter, stft

from network.frontends.log_mel import FrontendSpec, normalise
from utils.arrays import BoolArray, Float32Array

CHANNELS = ("clean", "room", "phone", "codec")
Codec = tuple[str, str, tuple[int, ...], tuple[int, ...]]
# (codec, container, bit rates in bit/s, sample rates in Hz) as telephony, broadcast and
# web video use them
CODECS: tuple[Codec, ...] = (
    ("libopus", "ogg", (6000, 8000, 12000, 16000, 24000), (16000,)),
    ("aac", "adts", (12000, 16000, 24000, 32000), (16000,)),
    ("libmp3lame", "mp3", (16000, 24000, 32000), (16000,)),
)
PHONE_OPUS: Codec = ("libopus", "ogg", (6000, 8000, 12000), (8000,))
PHONE_RATE_HZ = 8000
# samples at 16 kHz: below the pitch period up to 533 Hz
ENVELOPE_FFT = 512
ENVELOPE_QUEFRENCY = 30
ENVELOPE_HOP = ENVELOPE_FFT // 4
# Samples at 16 kHz, and steps: intonation moves within 0.1 s to 0.3 s
CONTOUR_STEP = 160
CONTOUR_SMOOTHING = 12
MAX_INTONATION = 0.2  # standard deviation of what is added to the natural logarithm of the pitch


@dataclass(frozen=True)
class Variant:
    """One way in which training files are heard: a voice (speed and formants; each a
    speaker of its own), a channel of `CHANNELS`. With `prosody` the speaker stays the
    same: `speed` is then that of pitch and tempo alone, see `perturb_prosody`.

    Raises:
        ValueError: both `formants` and `prosody`, which moves them by itself.
    """

    speed: float
    channel: str
    formants: float = 1.0
    prosody: bool = False

    def __post_init__(self) -> None:
        if self.prosody and self.formants != 1.0:
            raise ValueError(f"formants must be 1 with prosody. Received: formants={self.formants}")

    @property
    def voice(self) -> str:
        """Such as "s090", "s085f110" where formants are moved by themselves, "p090" for
        another prosody.
        """
        letter = "p" if self.prosody else "s"
        formants = "" if self.formants == 1.0 else f"f{round(100 * self.formants):03d}"
        return f"{letter}{round(100 * self.speed):03d}{formants}"

    @property
    def name(self) -> str:
        """Such as "s090_phone": the name of the bank."""
        return f"{self.voice}_{self.channel}"


def change_speed(samples: Float32Array, speed: float) -> Float32Array:
    """Play (n,) samples `speed` times as fast: tempo, pitch and formants change
    together, as of another speaker.
    """
    import soxr

    return (
        samples
        if speed == 1.0
        else soxr.resample(samples, round(1000 * speed), 1000).astype(np.float32)
    )


def warp_formants(samples: Float32Array, factor: float | Float32Array) -> Float32Array:
    """Move the resonances of (n,) speech towards `factor` times their frequency; pitch
    and tempo stay: another vocal tract.

    The spectral envelope is the low-quefrency part of each frame's cepstrum; each frame
    is multiplied by the ratio of the stretched envelope to its own (at most 20 dB
    either way). The envelope is a smooth one: sharp resonances move in part. `factor`
    may change with time: (n,).
    """
    if np.ndim(factor) == 0 and factor == 1.0:
        return samples
    padded = np.pad(samples, (0, max(0, ENVELOPE_FFT - len(samples))))
    _, _, spectrum = stft(padded, nperseg=ENVELOPE_FFT, noverlap=ENVELOPE_FFT - ENVELOPE_HOP)
    log_level = np.log(np.maximum(np.abs(spectrum), 1e-6)).T
    cepstrum = np.fft.irfft(log_level, axis=1)
    cepstrum[:, ENVELOPE_QUEFRENCY : ENVELOPE_FFT - ENVELOPE_QUEFRENCY + 1] = 0
    envelope = np.fft.rfft(cepstrum, axis=1).real
    at_frame = np.broadcast_to(factor, len(samples))[
        np.minimum(np.arange(len(envelope)) * ENVELOPE_HOP, len(samples) - 1)
    ]
    sources = np.minimum(np.arange(envelope.shape[1]) / at_frame[:, None], envelope.shape[1] - 1.0)
    lower = np.minimum(sources.astype(int), envelope.shape[1] - 2)
    part = sources - lower
    stretched = (
        np.take_along_axis(envelope, lower, 1) * (1 - part)
        + np.take_along_axis(envelope, lower + 1, 1) * part
    )
    gain = np.exp(np.clip(stretched - envelope, -2.3, 2.3))
    _, warped = istft(spectrum * gain.T, nperseg=ENVELOPE_FFT, noverlap=ENVELOPE_FFT - ENVELOPE_HOP)
    return np.asarray(warped[: len(samples)], np.float32)


def perturb_prosody(samples: Float32Array, factor: float, rng: np.random.Generator) -> Float32Array:
    """The same speaker at another moment: (n,) speech at `factor` times its pitch and
    tempo on the whole, with an intonation of its own on top (0 to `MAX_INTONATION`),
    and the formants moved back, as far as `warp_formants` does.

    Played at a speed that moves with time. About n / factor samples come out, and what
    was said at second t is heard at about t / factor: within 5 s the intonation moves
    it by up to 0.1 s (median), in one rendering of twenty by more than 0.2 s.
    Interpolated by cubic splines, which fold and mirror what lies near the top of the
    band: resampled without that, slow speech has an empty band there, which sounds less
    like the speaker to the teacher CAM++ (cosine 0.65 instead of 0.74 at a factor of
    0.8).
    """
    contour = gaussian_filter1d(
        rng.standard_normal(len(samples) // CONTOUR_STEP + 2), CONTOUR_SMOOTHING, mode="nearest"
    )
    contour = (
        (contour - contour.mean())
        / max(float(contour.std()), 1e-6)
        * rng.uniform(0, MAX_INTONATION)
    )
    places = np.arange(len(samples))
    # Of each sample
    duration = np.exp(-np.interp(places, np.arange(len(contour)) * CONTOUR_STEP, contour)) / factor
    ends = np.cumsum(duration)
    sources = np.interp(np.arange(max(1, int(ends[-1]))), ends - duration, places)
    played = map_coordinates(samples, sources[None], order=3, mode="nearest").astype(np.float32)
    return warp_formants(played, duration[sources.astype(int)].astype(np.float32))


def simulate_rooms(count: int, rate_hz: int, rng: np.random.Generator) -> list[Float32Array]:
    """Impulse responses of `count` random shoebox rooms (3-10 m, RT60 0.15-0.8 s,
    talker 0.3-4 m away) by the image-source method.

    Each starts at its direct sound, has unit energy and ends where 60 dB are gone (at
    most 0.8 s).
    """
    return [_simulate_room(rate_hz, rng) for _ in range(count)]


def _simulate_room(rate_hz: int, rng: np.random.Generator) -> Float32Array:
    size = rng.uniform([3.0, 3.0, 2.4], [10.0, 8.0, 4.0])
    rt60_s = rng.uniform(0.15, 0.8)
    try:
        absorption, order = pra.inverse_sabine(rt60_s, size)
    except ValueError:  # the room is too large to be that dry
        absorption = 0.6
        order = 10
    room = pra.ShoeBox(
        size, fs=rate_hz, materials=pra.Material(absorption), max_order=min(order, 17)
    )
    microphone = rng.uniform(0.4, size - 0.4)
    direction = rng.normal(size=3)
    offset = direction / np.linalg.norm(direction) * rng.uniform(0.3, 4.0)
    room.add_source(np.clip(microphone + offset, 0.2, size - 0.2))
    room.add_microphone(microphone)
    room.compute_rir()
    response = np.asarray(room.rir[0][0], np.float32)
    response = response[max(0, int(np.abs(response).argmax()) - 8) :][: int(0.8 * rate_hz)]
    return response / np.sqrt(np.square(response).sum() + 1e-12)


def reverberate(samples: Float32Array, response: Float32Array) -> Float32Array:
    """Convolve (n,) samples with an impulse response; the tail beyond n is cut."""
    from scipy.signal import oaconvolve

    return oaconvolve(samples, response)[: len(samples)].astype(np.float32)


def clip_level(samples: Float32Array, rng: np.random.Generator) -> Float32Array:
    """Overdriven microphone: hard clipping at 20-70 % of the peak."""
    limit = np.abs(samples).max() * rng.uniform(0.2, 0.7)
    return np.clip(samples, -limit, limit)


def mu_law(samples: Float32Array) -> Float32Array:
    """8-bit mu-law and back (G.711's curve), for samples in [-1, 1]."""
    code = np.sign(samples) * np.log1p(255 * np.abs(np.clip(samples, -1, 1))) / np.log(256)
    code = np.round(code * 127) / 127
    return (np.sign(code) * np.expm1(np.abs(code) * np.log(256)) / 255).astype(np.float32)


def through_codec(
    samples: Float32Array, rate_hz: int, choice: Codec, rng: np.random.Generator
) -> Float32Array:
    """Encode and decode (n,) samples at `rate_hz` by a codec at a random bit rate of
    `choice`; returns samples at `rate_hz`.
    """
    import av

    codec, container_format, bit_rates, rates = choice
    rate = int(rng.choice(rates))
    pcm = (np.clip(_resample(samples, rate_hz, rate), -1, 1) * 32767).astype(np.int16)
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container_format) as output:
        stream = output.add_stream(codec, rate=rate, layout="mono")
        if not isinstance(stream, av.AudioStream):
            raise ValueError(f"`choice` must name a sound codec. Received: {codec}")
        stream.bit_rate = int(rng.choice(bit_rates))
        frame = av.AudioFrame.from_ndarray(pcm[None], format="s16", layout="mono")
        frame.sample_rate = rate
        frame.pts = 0
        resampler = av.AudioResampler(
            format=stream.format, layout="mono", rate=rate, frame_size=stream.frame_size or 1024
        )
        for part in [*resampler.resample(frame), *resampler.resample(None), None]:
            output.mux(stream.encode(part))
    buffer.seek(0)
    back = av.AudioResampler(format="s16", layout="mono", rate=rate_hz)
    with av.open(buffer, "r") as source:
        parts = [
            part for frame in source.decode(audio=0) for part in back.resample(frame)
        ] + back.resample(None)
    return np.concatenate([part.to_ndarray().reshape(-1) for part in parts]).astype(
        np.float32
    ) / np.float32(32768)


def telephone(samples: Float32Array, rate_hz: int, rng: np.random.Generator) -> Float32Array:
    """A telephone call: 8 kHz, a band-pass of about 200-3400 Hz, then mu-law or
    low-rate Opus; returned at `rate_hz`.
    """
    from scipy.signal import butter, sosfilt

    narrow = _resample(samples, rate_hz, PHONE_RATE_HZ)
    edges_hz = rng.uniform(80, 320), rng.uniform(3200, 3700)
    narrow = sosfilt(
        butter(3, edges_hz, "bandpass", fs=PHONE_RATE_HZ, output="sos"), narrow
    ).astype(np.float32)
    narrow *= rng.uniform(0.1, 0.9) / max(np.abs(narrow).max(), 1e-6)
    if rng.random() < 0.5:
        return _resample(mu_law(narrow), PHONE_RATE_HZ, rate_hz)
    return _resample(through_codec(narrow, PHONE_RATE_HZ, PHONE_OPUS, rng), PHONE_RATE_HZ, rate_hz)


def render(
    samples: Float32Array,
    variant: Variant,
    rooms: Sequence[Float32Array],
    rate_hz: int,
    rng: np.random.Generator,
) -> Float32Array:
    """One file as a variant hears it: voice or prosody first, then a room, overdrive,
    and the telephone or a codec.

    Args:
        samples: (n,) float32 in [-1, 1] at `rate_hz`.
        variant: voice and channel; "phone" and "codec" have a room before them in 3 of
            10 cases.
        rooms: impulse responses to choose from.
        rate_hz: sample rate.
        rng: decides everything random.
    """
    if variant.prosody:
        samples = perturb_prosody(samples, variant.speed, rng)
    else:
        samples = warp_formants(change_speed(samples, variant.speed), variant.formants)
    if variant.channel == "clean":
        return samples
    if variant.channel == "room" or rng.random() < 0.3:
        samples = reverberate(samples, rooms[int(rng.integers(len(rooms)))])
    samples = samples * np.float32(rng.uniform(0.1, 0.9) / max(np.abs(samples).max(), 1e-6))
    if rng.random() < 0.1:
        samples = clip_level(samples, rng)
    chain: dict[str, Callable[[], Float32Array]] = {
        "room": lambda: samples,
        "phone": lambda: telephone(samples, rate_hz, rng),
        "codec": lambda: through_codec(
            samples, rate_hz, CODECS[int(rng.integers(len(CODECS)))], rng
        ),
    }
    return chain[variant.channel]()


def _resample(samples: Float32Array, from_hz: int, to_hz: int) -> Float32Array:
    import soxr

    return (
        samples if from_hz == to_hz else soxr.resample(samples, from_hz, to_hz).astype(np.float32)
    )


@dataclass(frozen=True)
class MelAugment:
    """Strengths of what happens to each crop of mel powers at each step (table
    `[augment]` of the configuration).

    Attributes:
        noise_chance: part of the crops that noise or babble is added to.
        snr_db: lowest and highest signal-to-noise ratio.
        trim_chance: part of the crops that are taken from speech without its pauses, as
            a voice activity detector leaves it.
        trim_db: how far below the file's loudest frame a frame counts as a pause:
            lowest and highest.
        floor_db: lowest and highest dynamic range of the features. How deep the pauses
            are is a mark of the recording, not of the person: a network that never
            meets another depth learns it as if it were the person's.
        echo_chance: part of the crops that get the reverberation of a room.
        phone_chance: part of the crops that come through a telephone line.
        band_chance: part of the crops that lose the bands above (rarely: below) a
            random edge.
        tilt_db: largest gain of the random spectral tilt between lowest and highest
            band, against which floor and noise stand.
        time_masks, time_mask_frames: SpecAugment's number of masks and their largest
            length.
        band_masks, band_mask_bands: the same for mel bands.
        reversed_chance: part of the crops that are heard backwards: the same voice
            without words.
    """

    noise_chance: float = 0.7
    snr_db: tuple[float, float] = (0.0, 30.0)
    trim_chance: float = 0.5
    trim_db: tuple[float, float] = (20.0, 40.0)
    floor_db: tuple[float, float] = (45.0, 75.0)
    echo_chance: float = 0.0
    phone_chance: float = 0.0
    band_chance: float = 0.15
    tilt_db: float = 15.0
    time_masks: int = 1
    time_mask_frames: int = 20
    band_masks: int = 1
    band_mask_bands: int = 10
    reversed_chance: float = 0.0


def augment_mel(
    power: Float32Array,
    noise: Float32Array | None,
    options: MelAugment,
    spec: FrontendSpec,
    rng: np.random.Generator,
) -> Float32Array:
    """Mel powers of a crop -> features for the network.

    Args:
        power: (frames, n_mels) mel power of the crop.
        noise: (frames, n_mels) mel power of a noise, any level; None adds none.
        options: strengths.
        spec: the front end, whose normalisation ends the chain, with a random floor
            (then the masks, at 0 = the mean, and the reversal: what serves also hears a
            clip backwards with its echo).
        rng: decides everything random.
    """
    if options.echo_chance and rng.random() < options.echo_chance:
        power = echo(power, spec.hop_ms, rng)
    if noise is not None:
        power = add_noise(power, noise, rng.uniform(*options.snr_db))
    if options.phone_chance and rng.random() < options.phone_chance:
        power = narrow_band(power, rng)
    bands = power.shape[1]
    power = power * np.power(
        10, rng.uniform(-1, 1) * options.tilt_db / 10 * np.linspace(-0.5, 0.5, bands)
    ).astype(np.float32)
    if rng.random() < options.band_chance:
        power = cut_band(power, rng)
    features = mask(
        normalise(power, replace(spec, floor_db=float(rng.uniform(*options.floor_db)))),
        options,
        rng,
    )
    return (
        features[::-1]
        if options.reversed_chance and rng.random() < options.reversed_chance
        else features
    )


def speech_frames(
    rows: NDArray[np.float16], options: MelAugment, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Numbers of those of (frames, n_mels) log powers that are no pauses: above a
    random threshold, or 0-20 frames away from such.
    """
    energy_db = 10 * np.log10(np.exp(rows.astype(np.float32)).sum(axis=1) + 1e-12)
    speech = energy_db > energy_db.max() - rng.uniform(*options.trim_db)
    return np.flatnonzero(widened(speech, int(rng.choice((0, 3, 8, 20)))))


def widened(marked: BoolArray, reach: int) -> BoolArray:
    """(n,) marks and everything up to `reach` places away from one, n of any length."""
    # Not "same", which is as long as the longer of both.
    return np.convolve(marked, np.ones(2 * reach + 1), "full")[reach : reach + len(marked)] > 0.5


def echo(power: Float32Array, hop_ms: float, rng: np.random.Generator) -> Float32Array:
    """Add the late reverberation of a random room (RT60 0.2-0.9 s, 15 dB below to 3 dB
    above the speech) to (frames, n_mels) powers.
    """
    # Of the power, from one frame to the next
    kept = 10 ** (-6 * hop_ms / (1000 * rng.uniform(0.2, 0.9)))
    level = 10 ** (rng.uniform(-15, 3) / 10)
    return power + lfilter([0, level * (1 - kept)], [1, -kept], power, axis=0).astype(np.float32)


def narrow_band(power: Float32Array, rng: np.random.Generator) -> Float32Array:
    """A telephone line, roughly: nothing above 3.2-3.7 kHz, little below 100-400 Hz,
    noise that follows the speech (coarse samples).
    """
    frames, bands = power.shape
    low = int(rng.integers(0, bands // 8))
    high = int(rng.integers(round(0.71 * bands), round(0.76 * bands)))
    gains = np.full(bands, 1e-6, np.float32)
    gains[:high] = 1
    gains[:low] = 10 ** (-rng.uniform(1, 3) * np.linspace(1, 0, low, endpoint=False))
    coarse = (
        power[:, :high].mean(axis=1, keepdims=True)
        * 10 ** (-rng.uniform(18, 45) / 10)
        * rng.standard_gamma(3.0, (frames, bands))
        / 3
    )
    return ((power + coarse) * gains).astype(np.float32)


def stationary_noise(frames: int, bands: int, rng: np.random.Generator) -> Float32Array:
    """Mel powers (frames, bands) of steady noise with a random smooth spectrum: fans,
    amplifiers, lines.
    """
    knots_db = np.cumsum(rng.normal(0, 6, 6))
    colour = np.interp(np.linspace(0, 5, bands), np.arange(6), knots_db)
    return (10 ** (colour / 10) * rng.standard_gamma(3.0, (frames, bands))).astype(np.float32)


def add_noise(power: Float32Array, noise: Float32Array, snr_db: float) -> Float32Array:
    """Add noise at a ratio of mean powers; bands where the speech is digitally empty (a
    narrow channel) stay empty.
    """
    level = power.mean() / max(float(noise.mean()), 1e-20) * 10.0 ** (-snr_db / 10)
    open_bands = power.mean(axis=0) > power.mean() * 1e-6
    return power + noise * np.where(open_bands, np.float32(level), np.float32(0))


def cut_band(power: Float32Array, rng: np.random.Generator) -> Float32Array:
    """Lose the bands above a random edge in the upper half, or (1 of 4) the lowest few,
    as cheap microphones and links do.
    """
    bands = power.shape[1]
    power = power.copy()
    if rng.random() < 0.25:
        power[:, : rng.integers(1, 1 + bands // 10)] *= np.float32(1e-6)
    else:
        power[:, rng.integers(bands // 2, bands) :] *= np.float32(1e-6)
    return power


def mask(features: Float32Array, options: MelAugment, rng: np.random.Generator) -> Float32Array:
    """SpecAugment on mean-normalised features, in place: masked stretches are 0, which
    is each band's mean.
    """
    frames, bands = features.shape
    for _ in range(rng.integers(options.time_masks + 1)):
        width = rng.integers(1, min(options.time_mask_frames, frames // 4) + 1)
        start = rng.integers(frames - width + 1)
        features[start : start + width] = 0
    for _ in range(rng.integers(options.band_masks + 1)):
        width = rng.integers(1, options.band_mask_bands + 1)
        start = rng.integers(bands - width + 1)
        features[:, start : start + width] = 0
    return features
