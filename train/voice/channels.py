"""Channels of training speech as waveforms: rooms, overdrive, telephones, codecs.

They are written to feature banks before a training (`train/voice/banks.py`). Rooms are
simulated by the image-source method (Allen & Berkley 1979, through pyroomacoustics).
The telephone has mu-law (ITU-T G.711) or low-rate Opus. Another one, "mobile", has AMR
(3GPP TS 26.071), A-law or ADPCM (ITU-T G.726). What a codec delays is taken out: frames
stay those of the file.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import av
import numpy as np
import pyroomacoustics as pra
import soxr
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft
from scipy.signal import butter, oaconvolve, sosfilt

from train.voice.prosody import change_speed, perturb_prosody, warp_formants
from train.voice.variants import Variant
from utils.arrays import Float32Array

PHONE_RATE_HZ = 8000
LONGEST_ECHO_S = 0.8


@dataclass(frozen=True)
class Codec:
    """A codec with the rates that telephony, broadcast and web video use.

    Attributes:
        name: Of FFmpeg's encoder.
        container: Format of the stream.
        bit_rates: In bit/s.
        rates_hz: Sample rates.
    """

    name: str
    container: str
    bit_rates: tuple[int, ...]
    rates_hz: tuple[int, ...]


CODECS = (
    Codec("libopus", "ogg", (6000, 8000, 12000, 16000, 24000), (16000,)),
    Codec("aac", "adts", (12000, 16000, 24000, 32000), (16000,)),
    Codec("libmp3lame", "mp3", (16000, 24000, 32000), (16000,)),
)
PHONE_OPUS = Codec("libopus", "ogg", (6000, 8000, 12000), (8000,))
AMR_RATES = (4750, 5900, 7400, 12200)
MOBILE_CODECS = (
    Codec("libopencore_amrnb", "amr", AMR_RATES, (8000,)),
    Codec("libopencore_amrnb", "amr", AMR_RATES, (8000,)),
    Codec("pcm_alaw", "wav", (64000,), (8000,)),
    Codec("g726", "wav", (16000, 24000, 32000), (8000,)),
)
"""Codecs of mobile calls, of which AMR is the most frequent."""
LONGEST_DELAY_S = 0.13
ANY = ("phone", "phone", "codec", "codec", "mobile", "room")
"""Channels that "any" draws from, file by file: one bank in place of four."""


def render(
    samples: Float32Array,
    variant: Variant,
    *,
    rooms: Sequence[Float32Array],
    rate_hz: int,
    rng: np.random.Generator,
) -> Float32Array:
    """Render one file as a variant hears it.

    Voice or prosody come first, then a room, overdrive, and the telephone or a codec.

    Args:
        samples: (n,) float32 in [-1, 1] at `rate_hz`.
        variant: Voice and channel. "phone", "codec" and "mobile" have a room before
            them in 3 of 10 cases.
        rooms: Impulse responses to choose from.
        rate_hz: Sample rate.
        rng: Source of all chance.
    """
    if variant.prosody:
        samples = perturb_prosody(samples, variant.speed, rng)
    else:
        samples = warp_formants(change_speed(samples, variant.speed), variant.formants)
    if variant.channel == "clean":
        return samples
    if variant.channel == "any":
        variant = Variant(1.0, ANY[int(rng.integers(len(ANY)))])
        return render(samples, variant, rooms=rooms, rate_hz=rate_hz, rng=rng)
    if variant.channel == "room" or rng.random() < 0.3:
        samples = reverberate(samples, rooms[int(rng.integers(len(rooms)))])
    samples = samples * np.float32(rng.uniform(0.1, 0.9) / max(np.abs(samples).max(), 1e-6))
    if rng.random() < 0.1:
        samples = clip_level(samples, rng)
    if variant.channel == "phone":
        return telephone(samples, rate_hz, rng)
    if variant.channel == "mobile":
        return mobile_call(samples, rate_hz, rng)
    if variant.channel == "codec":
        return through_codec(samples, rate_hz, CODECS[int(rng.integers(len(CODECS)))], rng)
    return samples


def simulate_rooms(count: int, rate_hz: int, rng: np.random.Generator) -> list[Float32Array]:
    """Simulate the impulse responses of `count` random rooms.

    The rooms are boxes of 3 to 10 m with an RT60 of 0.15 to 0.8 s. The talker is 0.3 to
    4 m away. Each response starts at its direct sound, has unit energy and ends where
    60 dB are gone (after 0.8 s at most).
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
    start = max(0, int(np.abs(response).argmax()) - 8)
    response = response[start:][: int(LONGEST_ECHO_S * rate_hz)]
    return response / np.sqrt(np.square(response).sum() + 1e-12)


def reverberate(samples: Float32Array, response: Float32Array) -> Float32Array:
    """Convolve (n,) samples with an impulse response, without the tail beyond n."""
    return np.asarray(oaconvolve(samples, response)[: len(samples)], np.float32)


def clip_level(samples: Float32Array, rng: np.random.Generator) -> Float32Array:
    """Overdrive the microphone: clip at 20 to 70 % of the peak."""
    limit = np.abs(samples).max() * rng.uniform(0.2, 0.7)
    return np.clip(samples, -limit, limit)


def mu_law(samples: Float32Array) -> Float32Array:
    """Code samples in [-1, 1] to 8-bit mu-law (G.711's curve) and back."""
    code = np.sign(samples) * np.log1p(255 * np.abs(np.clip(samples, -1, 1))) / np.log(256)
    code = np.round(code * 127) / 127
    return (np.sign(code) * np.expm1(np.abs(code) * np.log(256)) / 255).astype(np.float32)


def telephone(samples: Float32Array, rate_hz: int, rng: np.random.Generator) -> Float32Array:
    """Pass (n,) samples through a telephone call.

    A call has 8 kHz, a band of about 200 to 3400 Hz, then mu-law or low-rate Opus. The
    result is at `rate_hz` again.
    """
    narrow = _narrow(samples, rate_hz, rng)
    if rng.random() < 0.5:
        return _resample(mu_law(narrow), PHONE_RATE_HZ, rate_hz)
    return _resample(through_codec(narrow, PHONE_RATE_HZ, PHONE_OPUS, rng), PHONE_RATE_HZ, rate_hz)


def mobile_call(samples: Float32Array, rate_hz: int, rng: np.random.Generator) -> Float32Array:
    """Pass (n,) samples through a mobile call: as `telephone`, with `MOBILE_CODECS`."""
    codec = MOBILE_CODECS[int(rng.integers(len(MOBILE_CODECS)))]
    narrow = _narrow(samples, rate_hz, rng)
    return _resample(through_codec(narrow, PHONE_RATE_HZ, codec, rng), PHONE_RATE_HZ, rate_hz)


def _narrow(samples: Float32Array, rate_hz: int, rng: np.random.Generator) -> Float32Array:
    """The band of a telephone at 8 kHz and a random level."""
    narrow = _resample(samples, rate_hz, PHONE_RATE_HZ)
    edges_hz = (rng.uniform(80, 320), rng.uniform(3200, 3700))
    band = butter(3, edges_hz, "bandpass", fs=PHONE_RATE_HZ, output="sos")
    narrow = sosfilt(band, narrow).astype(np.float32)
    return narrow * np.float32(rng.uniform(0.1, 0.9) / max(np.abs(narrow).max(), 1e-6))


def through_codec(
    samples: Float32Array, rate_hz: int, codec: Codec, rng: np.random.Generator
) -> Float32Array:
    """Encode and decode (n,) samples at `rate_hz`, at a random bit rate of `codec`.

    Returns (n,) samples, without the codec's delay.
    """
    rate = int(rng.choice(codec.rates_hz))
    pcm = (np.clip(_resample(samples, rate_hz, rate), -1, 1) * 32767).astype(np.int16)
    stream = io.BytesIO()
    _encode(stream, pcm, codec, rate_hz=rate, bit_rate=int(rng.choice(codec.bit_rates)))
    stream.seek(0)
    return without_delay(_decode(stream, rate_hz), samples, rate_hz)


def without_delay(late: Float32Array, samples: Float32Array, rate_hz: int) -> Float32Array:
    """Shift what a codec makes of (n,) samples to where they are most alike: (n,)."""
    most = round(LONGEST_DELAY_S * rate_hz)
    length = next_fast_len(len(samples) + len(late), real=True)
    spectra = rfft(late, length) * np.conj(rfft(samples, length))
    delay = int(np.argmax(np.abs(irfft(spectra, length)[:most])))
    return np.resize(np.pad(late[delay:], (0, len(samples))), len(samples))


def _encode(
    target: io.BytesIO, pcm: NDArray[np.int16], codec: Codec, *, rate_hz: int, bit_rate: int
) -> None:
    with av.open(target, "w", format=codec.container) as output:
        stream = output.add_stream(codec.name, rate=rate_hz, layout="mono")
        if not isinstance(stream, av.AudioStream):
            raise ValueError(f"`codec` must name a sound codec. Received: {codec.name}")
        stream.bit_rate = bit_rate
        frame = av.AudioFrame.from_ndarray(pcm[None], format="s16", layout="mono")
        frame.sample_rate = rate_hz
        frame.pts = 0
        resampler = av.AudioResampler(
            format=stream.format, layout="mono", rate=rate_hz, frame_size=stream.frame_size or 1024
        )
        for part in [*resampler.resample(frame), *resampler.resample(None), None]:
            output.mux(stream.encode(part))


def _decode(source: io.BytesIO, rate_hz: int) -> Float32Array:
    resampler = av.AudioResampler(format="s16", layout="mono", rate=rate_hz)
    parts: list[av.AudioFrame] = []
    with av.open(source, "r") as container:
        for frame in container.decode(audio=0):
            parts += resampler.resample(frame)
        parts += resampler.resample(None)
    pcm = np.concatenate([part.to_ndarray().reshape(-1) for part in parts])
    return pcm.astype(np.float32) / np.float32(32768)


def _resample(samples: Float32Array, from_hz: int, to_hz: int) -> Float32Array:
    if from_hz == to_hz:
        return samples
    return np.asarray(soxr.resample(samples, from_hz, to_hz), np.float32)
