"""The one place that builds the product.

Settings lead to a store, an aligner and encoders, and these to a `Recognizer`. Web,
command line and batch jobs use it. It knows no HTTP.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np
import soundfile
from threadpoolctl import threadpool_limits

from align.aligner import Aligner
from align.decoders import Decoders
from align.heap import bound_heap
from gallery.store import open_store
from network.frontends.librosa_import import import_librosa
from network.serving.encoder import Encoders, load_encoders
from recognition.recognizer import Recognizer
from utils.arrays import FACE_SIZE_PX, RATE_HZ
from utils.beside import beside
from utils.config import Settings
from utils.media import Waveform


def build_recognizer(settings: Settings, *, serving: bool = False) -> Recognizer:
    """Build the recognizer that `settings` describe.

    The face detector is loaded when the first clip is read, and media are decoded in
    this process. With `serving` they are decoded in processes of their own, as the
    clips of strangers must be. Every part is then used once, so that the first request
    takes no longer than the next. From then on NumPy and OpenCV use one thread each:
    what a request asks of them is small, and their threads spin while they wait for more.
    People whose retention is over are deleted first.

    Raises ModelError, StoreUnavailableError. Call it after a fork, never before.
    """
    bound_heap()  # before the networks start threads
    with ExitStack() as beside_it:
        if serving and settings.liveness.film_s:
            # In a new environment numba compiles librosa for half a minute, else it loads for 1.4 s
            beside_it.enter_context(beside(import_librosa))
        encoders = load_encoders(settings.storage.model_dir)
        aligner = make_aligner(settings, serving=serving)
        store = open_store(settings)
        store.forget_expired_when_due()
        recognizer = Recognizer(aligner, encoders, store, settings)
        if serving:
            warm_up(aligner, encoders)
    if serving:
        threadpool_limits(1, user_api="blas")
        cv2.setNumThreads(1)
    return recognizer


def make_aligner(settings: Settings, *, serving: bool = False) -> Aligner:
    """Make what reads clips. With `serving`, in processes of their own."""
    film_s = settings.liveness.film_s
    looks = settings.liveness.looks_around
    if not serving:
        return Aligner(settings.capture, film_s=film_s, looks_around=looks)
    decoders = Decoders(settings.capture, settings.limits.slots, film_s=film_s)
    return Aligner(settings.capture, decoders.read, film_s=film_s, looks_around=looks)


def warm_up(aligner: Aligner, encoders: Encoders) -> None:
    """Use every part once that loads or compiles something at its first use.

    A picture and a second of sound, both noise, are sent through all of them.
    """
    noise = np.random.default_rng(0)
    aligner.load()
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "noise.png"
        sound = Path(folder) / "noise.wav"
        cv2.imwrite(str(picture), noise.integers(0, 256, (360, 640, 3), dtype=np.uint8))
        soundfile.write(sound, noise.integers(-3000, 3000, RATE_HZ, dtype=np.int16), RATE_HZ)
        aligner.analyse(picture)
        aligner.analyse(sound)
    face = encoders.face.embed(
        noise.integers(0, 256, (1, FACE_SIZE_PX, FACE_SIZE_PX, 3), dtype=np.uint8),
        np.ones(1, np.float32),
    )
    voice = encoders.voice.embed(
        Waveform(noise.uniform(-0.1, 0.1, RATE_HZ).astype(np.float32), RATE_HZ)
    )
    encoders.fusion.fuse(face.vector[None], voice.vector[None])
