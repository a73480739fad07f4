"""Teach a small network a face from a picture of one: prints, and simulated screens.

Genuine are live pictures of webcams and frames of clips. Shown are prints in hands, and
genuine pictures that are shown on a simulated screen or print
(`train.liveness.shown_pictures`). Of a subject that is held out, nothing is learned.
"""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import keras
import numpy as np
from tqdm import tqdm

from align.decode import read_clip
from align.faces import FaceDetector, analyse_faces, find_faces
from align.limits import ReadLimits
from align.surroundings import SIZE_PX, cut
from liveness.picture_model import WEIGHTS_FILE, write_card
from network.serving.export import export_onnx
from network.serving.inputs import FaceInput
from train.liveness.screen_network import build_screen_patch
from train.liveness.shown_pictures import Rng, show_as_print, show_on_screen
from utils.arrays import Float32Array, ImageArray
from utils.errors import DatasetError, MediaError
from utils.media import Frame

NAME = "screen-or-print-1"
_TERMS = "Learned from research data: docs/liveness.md. Not for commercial use."

STEPS = 1200
BATCH = 64
SEED = 1
_RATE = 2e-3
_DECAY = 1e-3
_SMOOTHING = 0.05
_LEAST_FACE_PX = 15.0

# Shares of a batch: genuine, prints of the data. The rest is simulated.
_GENUINE = 0.5
_PRINTS = 0.25
_SCREENS = 0.6
"""Share of screens among what is simulated."""


@dataclass(frozen=True)
class Picture:
    """A face with surroundings.

    Attributes:
        source: "webcam" for the pictures of NUAA, "clip" for frames of clips.
        subject: who is shown.
        is_print: whether it is a print that is held.
        image: (80, 80, 3) uint8 RGB.
        clip: what it was taken of.
    """

    source: str
    subject: str
    is_print: bool
    image: ImageArray
    clip: str


def read_pictures(folder: Path) -> list[Picture]:
    """Read all pictures of the research data in `folder`. Raises DatasetError."""
    detector = FaceDetector()
    pictures = [*_read_webcam(folder / "liveness", detector)]
    pictures += _read_clips(folder / "clips", detector)
    if not any(picture.is_print for picture in pictures):
        raise DatasetError(f"There must be pictures of prints. Received: {folder.name}")
    return pictures


def _read_webcam(folder: Path, detector: FaceDetector) -> Iterator[Picture]:
    with zipfile.ZipFile(folder / "prints.zip") as archive:
        listing = (folder / "prints.csv").read_text(encoding="utf-8").splitlines()
        for row in tqdm(list(csv.DictReader(listing)), unit="picture", disable=None):
            data = np.frombuffer(archive.read(row["path"]), np.uint8)
            image = cv2.cvtColor(np.asarray(cv2.imdecode(data, 1)), cv2.COLOR_BGR2RGB)
            for face in _find([Frame(np.asarray(image, np.uint8), 0.0)], detector):
                sequence = row["path"].rsplit("_", 1)[0]
                yield Picture("webcam", row["subject"], row["label"] == "print", face, sequence)


def _read_clips(folder: Path, detector: FaceDetector) -> Iterator[Picture]:
    for path in sorted([*(folder / "people").rglob("*.*"), *(folder / "strangers").iterdir()]):
        try:
            frames = read_clip(path, ReadLimits()).frames
        except MediaError:
            continue
        subject = path.relative_to(folder).parts[1].removesuffix(path.suffix)
        for face in _find(frames, detector):
            yield Picture("clip", subject, False, face, str(path.relative_to(folder)))


def _find(frames: Sequence[Frame], detector: FaceDetector) -> list[ImageArray]:
    """The main person of some frames, with surroundings."""
    images = {frame.time_s: frame.image for frame in frames}
    analysis = analyse_faces(frames, find_faces(detector, frames), _LEAST_FACE_PX)
    return [cut(images[face.time_s], face.detection.box_xyxy) for face in analysis.faces]


def train(pictures: Sequence[Picture], steps: int = STEPS, seed: int = SEED) -> keras.Model:
    """Train a network on pictures. It takes (n, 80, 80, 3) RGB in [0, 1]."""
    keras.utils.set_random_seed(seed)
    rng = np.random.default_rng(seed)
    network = build_screen_patch()
    schedule = keras.optimizers.schedules.CosineDecay(_RATE, steps)
    network.compile(
        keras.optimizers.AdamW(schedule, weight_decay=_DECAY),
        keras.losses.BinaryCrossentropy(label_smoothing=_SMOOTHING),
    )
    source = _Source(pictures, rng)
    for _ in tqdm(range(steps), unit="step", disable=None):
        images, genuine = source.draw(BATCH)
        network.train_on_batch(images, genuine)
    return network


def publish(network: keras.Model, folder: Path, threshold: float, about: dict[str, object]) -> None:
    """Write a network as ONNX with its card, which `about` adds figures to."""
    folder.mkdir(parents=True, exist_ok=True)
    export_onnx(network, folder / WEIGHTS_FILE, (None, SIZE_PX, SIZE_PX, 3))
    card = {
        "name": NAME,
        "threshold": threshold,
        "genuine": 0,
        "input": FaceInput(size_px=SIZE_PX, scale=1 / 255).to_dict(),
        "parameters": network.count_params(),
        "terms": _TERMS,
    }
    write_card(folder, card | about)


class _Source:
    """Draws batches: half of them genuine, in equal parts of webcams and of clips."""

    def __init__(self, pictures: Sequence[Picture], rng: Rng) -> None:
        self._rng = rng
        live = [picture for picture in pictures if not picture.is_print]
        webcam = [picture.image for picture in live if picture.source == "webcam"]
        clips = [picture.image for picture in live if picture.source == "clip"]
        self._genuine = [images for images in (webcam, clips) if images]
        self._prints = [picture.image for picture in pictures if picture.is_print]

    def draw(self, count: int) -> tuple[Float32Array, Float32Array]:
        """Draw images (count, 80, 80, 3), and whether each is genuine (count, 1)."""
        genuine = self._rng.random(count) < _GENUINE
        images = [self._draw_genuine() if is_live else self._draw_shown() for is_live in genuine]
        varied = [vary(image, self._rng) for image in images]
        return np.stack(varied), genuine.astype(np.float32)[:, None]

    def _draw_genuine(self) -> ImageArray:
        images = self._genuine[self._rng.integers(len(self._genuine))]
        return images[self._rng.integers(len(images))]

    def _draw_shown(self) -> ImageArray:
        if self._prints and self._rng.random() < _PRINTS / (1 - _GENUINE):
            return self._prints[self._rng.integers(len(self._prints))]
        show = show_on_screen if self._rng.random() < _SCREENS else show_as_print
        return show(self._draw_genuine(), self._draw_genuine(), self._rng)


def vary(image: ImageArray, rng: Rng) -> Float32Array:
    """Vary place, light, sharpness and noise. Returns (80, 80, 3) float32 in [0, 1]."""
    if rng.random() < 0.5:
        image = image[:, ::-1]
    side = int(SIZE_PX * rng.uniform(0.8, 1.0))
    left, top = rng.integers(0, SIZE_PX - side + 1, 2).tolist()
    part = cv2.resize(image[top : top + side, left : left + side], (SIZE_PX, SIZE_PX))
    lit = (part.astype(np.float32) / 255) ** rng.uniform(0.6, 1.6) * rng.uniform(0.7, 1.25)
    lit = (lit * (1 + rng.normal(0, 0.06, 3))).astype(np.float32)
    if rng.random() < 0.3:
        lit = np.asarray(cv2.GaussianBlur(lit, (0, 0), rng.uniform(0.3, 1.2)), np.float32)
    noisy = lit + rng.normal(0, rng.uniform(0, 0.03), lit.shape)
    return np.clip(noisy, 0, 1).astype(np.float32)
