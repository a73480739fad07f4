"""What a face or voice network is fed, as its card says it, and whether the network
takes that.

One class each for faces and voices. `prepare` makes the array, `check` compares its
shape with what the network's file declares, so that a wrong layout or size is found
when a model is loaded and not in an answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, TypeVar

import cv2
import numpy as np

from network.frontends.kaldi import KaldiSpec, kaldi_fbank, load_kaldi
from network.frontends.log_mel import FrontendSpec, log_mel
from network.serving.runtime import Runtime, Shape
from utils.arrays import FACE_SIZE_PX, RATE_HZ, Float32Array, ImageArray
from utils.errors import ModelError

TEMPLATE = "arcface-112"
"""The five-point template that `align.warp` puts faces on; nearly all face models of
the last years were trained on it.
"""

T = TypeVar("T", bound="_Input")


@dataclass(frozen=True)
class _Input:
    """`name` of the network's input and `output` that is the embedding; empty = the
    only one.
    """

    name: str = ""
    output: str = ""

    @classmethod
    def _from(cls: type[T], data: Mapping[str, Any]) -> T:
        names = sorted(field.name for field in fields(cls))
        if unknown := sorted(set(data) - set(names)):
            raise ModelError(
                f"A card's input has the fields {', '.join(names)}. Received: {', '.join(unknown)}"
            )
        return cls(**data)

    def _check(self, runtime: Runtime, expected: Mapping[str, Shape], layout: str) -> None:
        """`expected` = the shape in each layout that there is; None = any size, which
        the network must leave free.
        """
        names = runtime.input_names
        if len(names) != 1 or (self.name and names != (self.name,)):
            raise ModelError(
                "A face or voice network must have one"
                f" input{f' named {self.name}' if self.name else ''}. Received: {', '.join(names)}",
                "Export the network with this input alone.",
            )
        found = runtime.input_shapes[0]
        if not found or fits(expected[layout], found):
            return
        right = next((other for other, shape in expected.items() if fits(shape, found)), None)
        advice = (
            f"That is the layout {right}."
            if right
            else "Check size and layout, or export the network with free sizes."
        )
        raise ModelError(
            f"In the layout {layout} the network is fed {_told(expected[layout])}. "
            f"Received: a network that takes {_told(found)}",
            advice,
        )


@dataclass(frozen=True)
class FaceInput(_Input):
    """Faces as float32 (n, size, size, 3), `(x · scale − mean) / std` by channel; for
    layout "nchw" as (n, 3, size, size).

    `channels` = "rgb" or "bgr", the order that the network takes (and that `mean` and
    `std` have). `size_px` other than 112: the aligned face is resized. `template` = how
    faces are aligned; there is one. `mirror`: an embedding is the mean of those of the
    face and of its mirror image, for twice the time.
    """

    layout: str = "nhwc"
    scale: float = 1.0
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    size_px: int = FACE_SIZE_PX
    channels: str = "rgb"
    template: str = TEMPLATE
    mirror: bool = False

    def __post_init__(self) -> None:
        if self.layout not in ("nhwc", "nchw") or not 32 <= self.size_px <= 512:
            raise ModelError(
                "A face network must take square pictures of 32 to 512 px in the layout nhwc or"
                f" nchw. Received: size_px={self.size_px}, layout={self.layout!r}"
            )
        if self.channels not in ("rgb", "bgr") or self.template != TEMPLATE:
            raise ModelError(
                f"channels must be rgb or bgr and template {TEMPLATE}. "
                f"Received: channels={self.channels!r}, template={self.template!r}"
            )
        if not isinstance(self.mirror, bool):
            raise ModelError(f"mirror must be true or false. Received: mirror={self.mirror!r}")
        if (
            len(self.mean) != 3
            or len(self.std) != 3
            or not np.isfinite([*self.mean, *self.std, self.scale]).all()
            or min(self.std) <= 0
            or self.scale <= 0
        ):
            raise ModelError(
                "mean and std must be three numbers each, std and scale positive. "
                f"Received: mean={self.mean}, std={self.std}, scale={self.scale}"
            )

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> FaceInput:
        """From a card's `input`. Raises ModelError."""
        return cls._from(
            {k: tuple(float(x) for x in v) if k in ("mean", "std") else v for k, v in data.items()}
        )

    def to_dict(self) -> dict[str, Any]:
        """As a card's `input`."""
        return asdict(self)

    def prepare(self, faces: ImageArray) -> Float32Array:
        """(n, 112, 112, 3) uint8 RGB → what the network is fed, float32."""
        if self.size_px != FACE_SIZE_PX:
            how = cv2.INTER_AREA if self.size_px < FACE_SIZE_PX else cv2.INTER_LINEAR
            faces = np.stack(
                [
                    cv2.resize(face, (self.size_px, self.size_px), interpolation=how)
                    for face in faces
                ]
            ).astype(np.uint8)
        if self.channels == "bgr":
            faces = faces[..., ::-1]
        mean = np.array(self.mean, np.float32)
        std = np.array(self.std, np.float32)
        x = (faces.astype(np.float32) * np.float32(self.scale) - mean) / std
        return np.ascontiguousarray(
            x.transpose(0, 3, 1, 2) if self.layout == "nchw" else x, dtype=np.float32
        )

    def check(self, runtime: Runtime) -> None:
        """Raises ModelError unless the network takes what `prepare` makes."""
        side = self.size_px
        self._check(
            runtime, {"nhwc": (None, side, side, 3), "nchw": (None, 3, side, side)}, self.layout
        )


@dataclass(frozen=True)
class VoiceInput(_Input):
    """Features of one utterance as float32 (1, frames, n_mels); for layout "nct" as (1,
    n_mels, frames). With `time_reversal` two of them.

    `frontend` makes them: the product's own (`network.frontends.log_mel`) or Kaldi's
    (`network.frontends.kaldi`). `time_reversal`: an embedding is the mean of those of the features
    and of the same backwards, for twice the time of the network. Backwards, speech
    keeps its voice and has no words: what is said is meant to count for less
    (docs/research/voice.md).
    """

    frontend: FrontendSpec | KaldiSpec = FrontendSpec()
    layout: str = "ntc"
    time_reversal: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.time_reversal, bool):
            raise ModelError(
                "time_reversal must be true or false. Received:"
                f" time_reversal={self.time_reversal!r}"
            )
        if self.layout not in ("ntc", "nct"):
            raise ModelError(
                "The layout of a voice network must be ntc (frames, mels) or nct. Received:"
                f" layout={self.layout!r}"
            )
        if self.frontend.rate_hz != RATE_HZ:
            raise ModelError(
                f"A voice network must take speech at {RATE_HZ} Hz. Received:"
                f" rate_hz={self.frontend.rate_hz}"
            )

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> VoiceInput:
        """From a card's `input`, which holds either `frontend` or `kaldi`. Raises
        ModelError.
        """
        given = dict(data)
        if ("kaldi" in given) == ("frontend" in given):
            raise ModelError(
                "The input of a voice network holds either frontend or kaldi. "
                f"Received: {', '.join(sorted(given)) or 'nothing'}"
            )
        try:
            own = (
                KaldiSpec.from_dict(given.pop("kaldi"))
                if "kaldi" in given
                else FrontendSpec.from_dict(given.pop("frontend"))
            )
        except (ValueError, TypeError) as error:
            raise ModelError(f"The front end of a voice network cannot be used. {error}") from error
        return cls._from({**given, "frontend": own})

    def to_dict(self) -> dict[str, Any]:
        """As a card's `input`."""
        kind = "kaldi" if isinstance(self.frontend, KaldiSpec) else "frontend"
        return {
            "name": self.name,
            "output": self.output,
            "layout": self.layout,
            "time_reversal": self.time_reversal,
            kind: self.frontend.to_dict(),
        }

    def prepare(self, samples: Float32Array) -> Float32Array:
        """(n,) samples in [-1, 1] at 16 kHz → what the network is fed, float32: the
        utterance, and with `time_reversal` the same backwards as a second one. Raises
        ModelError.
        """
        own = self.frontend
        features = (
            kaldi_fbank(samples, own) if isinstance(own, KaldiSpec) else log_mel(samples, own)
        )
        both = np.stack([features, features[::-1]]) if self.time_reversal else features[None]
        return np.ascontiguousarray(
            both.transpose(0, 2, 1) if self.layout == "nct" else both, dtype=np.float32
        )

    def check(self, runtime: Runtime) -> None:
        """Raises ModelError unless the network takes what `prepare` makes, and what
        makes it is installed.
        """
        if isinstance(self.frontend, KaldiSpec):
            load_kaldi()
        mels = self.frontend.n_mels
        self._check(runtime, {"ntc": (None, None, mels), "nct": (None, mels, None)}, self.layout)


def fits(expected: Shape, found: Shape) -> bool:
    """Whether arrays of the shape `expected` can be fed to an input declared as
    `found`; None = any. The first axis is the batch, of which a network may take one at
    a time.
    """
    return (
        len(expected) == len(found)
        and found[0] in (None, 1)
        and all(b is None or a == b for a, b in zip(expected[1:], found[1:], strict=True))
    )


def _told(shape: Sequence[int | None]) -> str:
    return "(" + ", ".join("any" if size is None else str(size) for size in shape) + ")"
