"""Times of decoders that read one clip.

Compares PyAV as the product uses it, PyAV decoding every frame, OpenCV with moviepy,
and ffmpeg alone.

Prints for each the best wall time and processor time (user + system, children too) of
the repeats, taken in turns so that all meet the same load, and the ratio to `ffmpeg
-threads 2 -i clip -f null -`.
"""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import av
import click
import cv2
import numpy as np

from align.container import demux, open_container
from align.decode import ReadLimits, identify_kind, read_clip
from align.decoder_process import processor_s_of
from align.decoders import Decoders
from align.sound import decode_sound
from align.video import decode_frames
from bench.clips import ffmpeg
from tests.support.media import noise, speech, talking_frames, write_video
from utils.path_option import PathOption
from utils.settings.capture import CaptureSettings

FRAMES = 12


def ffmpeg_null(clip: Path) -> None:
    """Decoding alone, everything, nothing kept: the yardstick."""
    ffmpeg("-threads 2", clip, "-f null", "-")


def product(clip: Path) -> None:
    """`align.decode.read_clip`: sampled frames and sound."""
    read_clip(clip, ReadLimits(max_frames=FRAMES))


def product_apart(clip: Path) -> None:
    """The same in a process of its own, as the service does it."""
    with decoders().read(clip, None):
        pass


@cache
def decoders() -> Decoders:
    """One process that decodes."""
    return Decoders(CaptureSettings(max_frames=FRAMES), 1)


def product_frames(clip: Path) -> None:
    """The frames alone, as the product reads them."""
    with open_container(clip, identify_kind(clip, clip.name)) as container:
        limits = ReadLimits(max_frames=FRAMES)
        decode_frames(demux(container, limits).video, limits)


def product_sound(clip: Path) -> None:
    """The sound alone, as the product reads it."""
    with open_container(clip, identify_kind(clip, clip.name)) as container:
        limits = ReadLimits()
        decode_sound(demux(container, limits).audio, limits)


def pyav_all(clip: Path) -> None:
    """PyAV decoding every frame, converting every n-th."""
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        step = max(1, stream.frames // FRAMES)
        for i, frame in enumerate(container.decode(stream)):
            if i % step == 0:
                frame.to_ndarray(format="rgb24")


def opencv_frames(clip: Path) -> None:
    """OpenCV grabbing every frame, retrieving every n-th."""
    capture = cv2.VideoCapture(str(clip))
    step = max(1, int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) // FRAMES)
    index = 0
    while capture.grab():
        if index % step == 0:
            cv2.cvtColor(capture.retrieve()[1], cv2.COLOR_BGR2RGB)
        index += 1
    capture.release()


def moviepy_sound(clip: Path) -> None:
    """moviepy reading the sound track through a pipe from its ffmpeg, to 16 kHz mono."""
    from moviepy import AudioFileClip

    with AudioFileClip(str(clip), fps=16_000) as sound:
        sound.to_soundarray().mean(axis=1)


def moviepy_frames(clip: Path) -> None:
    """moviepy reading frames through a pipe from its ffmpeg, keeping every n-th."""
    from moviepy import VideoFileClip

    with VideoFileClip(str(clip), audio=False) as video:
        for second in np.arange(FRAMES) * video.duration / FRAMES:
            video.get_frame(second)


def opencv_and_moviepy(clip: Path) -> None:
    """Frames by OpenCV and sound by moviepy."""
    opencv_frames(clip)
    moviepy_sound(clip)


READERS: tuple[Callable[[Path], None], ...] = (
    ffmpeg_null,
    product,
    product_apart,
    product_frames,
    product_sound,
    pyav_all,
    opencv_frames,
    moviepy_sound,
    opencv_and_moviepy,
    moviepy_frames,
)


def measure(
    readers: tuple[Callable[[Path], None], ...], clip: Path, repeat: int
) -> dict[str, tuple[float, float]]:
    """Best wall and processor time in ms of each reader, in turns, after one warm-up."""
    for reader in readers:
        reader(clip)
    best = {reader.__name__: (np.inf, np.inf) for reader in readers}
    for _ in range(repeat):
        for reader in readers:
            wall = time.perf_counter()
            cpu = processor_s()
            reader(clip)
            now = (time.perf_counter() - wall) * 1000, (processor_s() - cpu) * 1000
            before = best[reader.__name__]
            best[reader.__name__] = min(before[0], now[0]), min(before[1], now[1])
    return best


def processor_s() -> float:
    """Processor time of this process, its finished children and the decoder, in seconds."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    apart_s = sum(processor_s_of(pid) for pid in decoders().pids)
    return apart_s + sum(usage.ru_utime + usage.ru_stime for usage in usages)


def make_clip(path: Path) -> Path:
    """Write 5 s of a drawn person talking: 720p, 30 fps, H.264 and AAC.

    The picture has grain like that of a camera.
    """
    grain = np.random.default_rng(0).normal(0, 4, (8, 720, 1280, 1))
    frames = talking_frames(0, 5.0, 30, (1280, 720), face_px=560)
    grainy = (
        np.clip(image + grain[i % 8], 0, 255).astype(np.uint8) for i, image in enumerate(frames)
    )
    return write_video(path, grainy, speech(0, 5.0) + noise(5.0, 0.003), 30)


@click.command(help=__doc__)
@click.option(
    "--clip",
    type=PathOption(path_type=Path, dir_okay=False),
    help="Clip to read.  [default: 5 s of a drawn face, 720p, 30 fps, H.264 and AAC]",
)
@click.option("--repeat", default=7, show_default=True, help="Timed rounds.")
def main(clip: Path | None, repeat: int) -> None:
    """Measure and print the table."""
    with tempfile.TemporaryDirectory() as folder:
        best = measure(READERS, clip or make_clip(Path(folder) / "clip.mp4"), repeat)
    yard = best["ffmpeg_null"]
    print(f"{'reader':<22}{'wall ms':>9}{'ratio':>7}{'cpu ms':>9}{'ratio':>7}")
    for name, (wall, cpu) in best.items():
        print(f"{name:<22}{wall:>9.0f}{wall / yard[0]:>7.2f}{cpu:>9.0f}{cpu / yard[1]:>7.2f}")


if __name__ == "__main__":
    main()
