"""Decoding the sound track to 16 kHz mono float32 in [-1, 1].

Damage costs the damaged packets only.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, cast

import av
import numpy as np
from av.filter import Graph
from av.filter.context import FilterContext
from numpy.typing import DTypeLike

from align.container import UNDECODABLE, Track
from align.limits import Deadline, ReadLimits
from utils.arrays import RATE_HZ, Float32Array
from utils.media import Waveform

# Share of the loudest channel's level from which another of several carries sound: -40 dB
_AUDIBLE = 0.01
_STEREO = 2

# Correlation of a channel with the mean of the others below which they cancel out. With
# channels that have nothing in common it is 0, give or take some hundredths.
_OUT_OF_PHASE = -0.1

# So large a share of samples beyond 2 is neither overshoot of a codec nor overdrive. Those
# are cut, so that `clipping` tells of them.
_BEYOND = 2.0
_BEYOND_SHARE = 0.01
# Single samples of a damaged file are no peak.
_PEAK_SHARE = 0.999
# Beyond that samples are integers: of 16, 24 or 32 bits.
_MOST_GAIN = 128
_INTEGERS = (2**15, 2**23, 2**31)
# Interleaved floats, as a file that is not compressed has them, by PyAV's name
_FLOATS: dict[str, DTypeLike] = {"flt": np.float32, "dbl": np.float64}

# Frames that a resampler is given before what it made of them is taken out
_AT_ONCE = 32


def decode_sound(track: Track, limits: ReadLimits) -> Waveform | None:
    """Decode the packets of a sound track, at most `limits.read_s` seconds.

    Returns:
        The sound, or None when there is no track or nothing of it can be decoded.
    """
    if track.stream is None or not track.packets:
        return None
    deadline = Deadline(limits.decode_s)
    codec = track.stream.codec_context
    mixer = _Mixer()
    for packet in [*(p.packet for p in track.packets), None]:
        try:
            for frame in codec.decode(packet):
                mixer.push(frame)
        except UNDECODABLE:
            continue
        if deadline.is_over:
            break
    return _to_waveform(mixer.finish(), limits.read_s)


def mix(channels: Float32Array) -> Float32Array:
    """Mix channels (n, channels) to one (n,).

    It is their mean. Of more than two channels, those without sound do not count: a
    single microphone of sixteen is as loud as by itself. Where they cancel each other
    out, as after a swapped wire, it is the loudest one alone. ffmpeg's own mixing of
    floats adds them up, and would drive loud stereo beyond full scale.
    """
    channels = _leave_out_silent(channels) if channels.shape[1] > _STEREO else channels
    mean = _average(channels)
    if channels.shape[1] == 1:
        return mean
    loudest = channels[:, int(np.argmax(np.einsum("nc,nc->c", channels, channels)))]
    others = mean * channels.shape[1] - loudest
    return loudest if _correlate(loudest, others) < _OUT_OF_PHASE else mean


def _leave_out_silent(channels: Float32Array) -> Float32Array:
    """Take the channels that are audible beside the loudest. A constant offset is no sound."""
    levels = channels.std(axis=0)
    return channels[:, levels >= _AUDIBLE * levels.max()]


def _average(channels: Float32Array) -> Float32Array:
    """Mean of channels (n, channels). Of two columns it takes a 30th of the time of rows."""
    if channels.shape[1] == _STEREO:
        return np.asarray((channels[:, 0] + channels[:, 1]) / np.float32(_STEREO), np.float32)
    return np.asarray(channels.mean(axis=1), np.float32)


def _correlate(one: Float32Array, other: Float32Array) -> float:
    """Correlation in [-1, 1], and 0 where one of them is constant."""
    first = one - one.mean()
    second = other - other.mean()
    scale = float(np.sqrt(np.dot(first, first) * np.dot(second, second)))
    return float(np.dot(first, second)) / scale if scale > 0 else 0.0


class Scale:
    """Full scale of a recording: 1, unless its samples are plainly beyond.

    Some programs write integers, or a gain beyond 1, into files of floats. What a codec
    drives beyond 1 is cut.
    """

    def __init__(self) -> None:
        self._full = 1.0
        self._is_whole = True

    def look_at(self, frame: av.AudioFrame) -> None:
        """See whether the samples of a frame are whole numbers, before it is resampled."""
        self._is_whole = self._is_whole and _is_whole(frame)

    def clip_levels(self, samples: Float32Array) -> Float32Array:
        """Bring samples (any shape) into [-1, 1]. What is no number is 0."""
        numbers = np.nan_to_num(samples)
        self._full = max(self._full, _full_scale(numbers, self._is_whole))
        return np.asarray(np.clip(numbers / np.float32(self._full), -1.0, 1.0), np.float32)


def _is_whole(frame: av.AudioFrame) -> bool:
    """Whether all samples are whole numbers, as integers in a file of floats are."""
    kind = _FLOATS.get(frame.format.name)
    if kind is None:
        return False
    samples = _read_samples(frame, kind)
    return bool(np.array_equal(samples, np.rint(samples)))


def _full_scale(samples: Float32Array, is_whole: bool) -> float:
    """1, or the least power of two, or scale of integers, that holds all but single samples.

    Whole numbers (`is_whole`) are integers, however quiet they begin.
    """
    loud = np.abs(samples)
    if np.count_nonzero(loud > _BEYOND) <= _BEYOND_SHARE * loud.size:
        return 1.0
    peak = float(np.quantile(loud, _PEAK_SHARE))
    if peak <= _MOST_GAIN and not is_whole:
        return float(2.0 ** np.ceil(np.log2(peak)))
    return float(next((full for full in _INTEGERS if peak <= full), _INTEGERS[-1]))


class Resampler:
    """Resampler to 16 kHz, renewed when the format changes in mid-stream.

    Samples are interleaved: PyAV's arrays of separate planes end the process at eight
    channels and more. They are taken out for many frames at once, as PyAV's own resampler
    takes a Python error to learn that a frame was the last one for now.
    """

    def __init__(self) -> None:
        self._graph: Graph | None = None  # its nodes do not keep it
        self._source: FilterContext | None = None
        self._sink: FilterContext | None = None
        self._waiting = 0
        self._format: tuple[object, ...] = ()

    def is_new_format(self, frame: av.AudioFrame) -> bool:
        """Whether `frame` begins a stretch of another format. One without samples begins none."""
        return frame.samples > 0 and _format_of(frame) != self._format

    def push(self, frame: av.AudioFrame | None) -> list[Float32Array]:
        """Take the next frame, or None at the end of a stretch of one format.

        Returns:
            Samples (n, channels) that are ready, as `Scale.clip_levels` needs them.
        """
        if frame is not None and not frame.samples:
            return []
        try:
            if frame is not None and self.is_new_format(frame):
                self._open(frame)
            if self._source is None:
                return []
            self._source.push(frame)
            self._waiting += 1
            return self._pull() if frame is None or self._waiting == _AT_ONCE else []
        except UNDECODABLE:  # also at its end, and for more channels than it takes
            self._source = None
            self._format = ()
            return []

    def _open(self, frame: av.AudioFrame) -> None:
        self._source = None
        self._graph = graph = Graph()
        layout = frame.layout.name
        kind = {"sample_fmt": frame.format.name, "channel_layout": layout}
        source = graph.add("abuffer", sample_rate=str(frame.sample_rate), **kind)
        wanted = {"sample_fmts": "flt", "sample_rates": str(RATE_HZ), "channel_layouts": layout}
        self._sink = graph.add("abuffersink")
        graph.link_nodes(source, graph.add("aformat", **wanted), self._sink).configure()
        self._source = source
        self._waiting = 0
        self._format = _format_of(frame)

    def _pull(self) -> list[Float32Array]:
        assert self._sink is not None
        ready = []
        self._waiting = 0
        with suppress(av.error.BlockingIOError, av.error.EOFError):  # none for now, or the end
            while True:
                ready.append(_to_channels(cast(av.AudioFrame, self._sink.pull())))
        return ready


class _Mixer:
    """Resamples to 16 kHz mono. Each stretch of one format is mixed by itself."""

    def __init__(self) -> None:
        self._resampler = Resampler()
        self._scale = Scale()
        self._stretch: list[Float32Array] = []
        self._mixed: list[Float32Array] = []

    def push(self, frame: av.AudioFrame) -> None:
        """Take the next frame."""
        if self._resampler.is_new_format(frame):
            self._end_stretch()
        self._scale.look_at(frame)
        self._stretch += self._resampler.push(frame)

    def finish(self) -> Float32Array:
        """Return all samples (n,)."""
        self._end_stretch()
        return np.concatenate(self._mixed) if self._mixed else np.zeros(0, np.float32)

    def _end_stretch(self) -> None:
        self._stretch += self._resampler.push(None)
        if self._stretch:
            self._mixed.append(mix(self._scale.clip_levels(np.concatenate(self._stretch))))
        self._stretch = []


def _to_channels(frame: av.AudioFrame) -> Float32Array:
    """Samples (n, channels) of a frame of interleaved float32."""
    samples: Float32Array = _read_samples(frame, np.float32)
    return samples.reshape(-1, frame.layout.nb_channels)


def _read_samples(frame: av.AudioFrame, kind: DTypeLike) -> Any:
    """Interleaved samples (n * channels,) in the memory of a frame. An empty one has no memory."""
    count = frame.samples * frame.layout.nb_channels
    return np.frombuffer(memoryview(frame.planes[0]), kind, count) if count else np.empty(0, kind)


def _format_of(frame: av.AudioFrame) -> tuple[object, ...]:
    return (frame.format.name, frame.layout.name, frame.sample_rate)


def _to_waveform(samples: Float32Array, read_s: float) -> Waveform | None:
    samples = samples[: int(read_s * RATE_HZ)].astype(np.float32)
    return Waveform(samples, RATE_HZ) if len(samples) else None
