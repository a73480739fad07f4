"""A clip through parts that a user would put together, each by its own API.

A program for `bench side-by-side`: it reads paths of clips from standard input, a line
each, and writes `wall ms, processor ms` for each. Twelve frames come from OpenCV, faces from
the package `mtcnn` on frames of their own size, an embedding of each from a face network
in ONNX Runtime, the sound from moviepy, and one embedding of it from librosa's mel bands
and a voice network in ONNX Runtime. Networks are those of `best_model/`, and warm.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from network.frontends.librosa_import import import_librosa
from utils.arrays import FACE_SIZE_PX, RATE_HZ, Float32Array, ImageArray
from utils.config import ROOT

FRAMES = 12
MELS = 80


def read_frames(clip: Path) -> list[ImageArray]:
    """Every so many of the frames (h, w, 3) uint8 RGB of a clip."""
    import cv2

    film = cv2.VideoCapture(str(clip))
    step = max(1, int(film.get(cv2.CAP_PROP_FRAME_COUNT)) // FRAMES)
    frames = []
    while film.grab():
        if int(film.get(cv2.CAP_PROP_POS_FRAMES)) % step == 0:
            frames.append(cv2.cvtColor(film.retrieve()[1], cv2.COLOR_BGR2RGB))
    return [np.asarray(frame, np.uint8) for frame in frames[:FRAMES]]


def read_sound(clip: Path) -> Float32Array:
    """The sound (n,) of a clip, 16 kHz mono."""
    from moviepy import AudioFileClip

    with AudioFileClip(str(clip)) as sound:
        samples = sound.to_soundarray(fps=RATE_HZ)
    channels = np.asarray(samples, np.float32).reshape(len(samples), -1)
    return np.asarray(channels.mean(axis=1), np.float32)


class Parts:
    """MTCNN, a face network and a voice network, loaded once."""

    def __init__(self) -> None:
        import onnxruntime
        from mtcnn import MTCNN

        self._detector: Any = MTCNN()
        self._face: Any = onnxruntime.InferenceSession(ROOT / "best_model/face/model.onnx")
        self._voice: Any = onnxruntime.InferenceSession(ROOT / "best_model/voice/model.onnx")

    def embed(self, clip: Path) -> int:
        """Embed every face that is found, and the sound. Returns the number of faces."""
        faces = 0
        for frame in read_frames(clip):
            for face in self._detector.detect_faces(frame):
                self._embed_face(frame, face["box"])
                faces += 1
        self._embed_sound(read_sound(clip))
        return faces

    def _embed_face(self, frame: ImageArray, box: list[int]) -> None:
        import cv2

        x, y, width, height = (max(0, int(side)) for side in box)
        crop = frame[y : y + height, x : x + width]
        face = cv2.resize(crop, (FACE_SIZE_PX, FACE_SIZE_PX)).astype(np.float32)
        self._face.run(None, {self._face.get_inputs()[0].name: face[None]})

    def _embed_sound(self, samples: Float32Array) -> None:
        bands = import_librosa().feature.melspectrogram(
            y=samples, sr=RATE_HZ, n_fft=512, win_length=400, hop_length=160, n_mels=MELS
        )
        features = np.log(bands.T + 1e-6).astype(np.float32)
        self._voice.run(None, {self._voice.get_inputs()[0].name: features[None]})


def serve() -> None:
    """Answer until standard input ends."""
    parts = Parts()
    for line in sys.stdin:
        started = time.perf_counter()
        before = time.process_time()
        parts.embed(Path(line.strip()))
        wall = 1000 * (time.perf_counter() - started)
        print(wall, 1000 * (time.process_time() - before), flush=True)


if __name__ == "__main__":
    serve()
