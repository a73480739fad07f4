"""Input preprocessing described by a card, and a check that the network accepts it.

One class each for faces and voices. `prepare` makes the array. `check` compares its
shape with what the network's file declares, so that a wrong layout or size shows when a
model is loaded and not in an answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

import cv2
import numpy as np

from network.frontends.features import Spec, card_entry, features_of
from network.frontends.kaldi import KaldiSpec
from network.frontends.log_mel import FrontendSpec
from network.serving.runtime import Runtime, Shape
from utils.arrays import FACE_SIZE_PX, RATE_HZ, Float32Array, ImageArray
from utils.errors import ModelError

# The five-point template that `align.warp` puts faces on. Nearly all face models of the
# last years were trained on it.
TEMPLATE = "arcface-112"
FACE_LAYOUTS = ("nhwc", "nchw")
VOICE_LAYOUTS = ("ntc", "nct")
# Heights and widths, in pixels, that a face network may take.
FACE_SIZES_PX = (32, 512)
# Of the inputs of a file. Some list hundreds of weights.
MOST_NAMED = 5

# Scale, mean and std that leave the numbers of a picture as they are
_AS_THEY_ARE = (1.0, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


@dataclass(frozen=True)
class _Input:
    """What both kinds of input have.

    `name` is that of the network's input, `output` that of the output that is the
    embedding. Empty: the only one.
    """

    name: str = ""
    output: str = ""

    @classmethod
    def _from(cls, data: Mapping[str, Any]) -> Self:
        names = sorted(field.name for field in fields(cls))
        if unknown := sorted(set(data) - set(names)):
            raise ModelError(
                f"A card's input has the fields {', '.join(names)}. Received: {', '.join(unknown)}"
            )
        return cls(**data)

    def _check(self, runtime: Runtime, expected: Mapping[str, Shape], layout: str) -> None:
        """Raise ModelError unless the network takes the shape of `layout`.

        `expected` holds the shape in each layout that there is. None is any size, which
        the network must leave free.
        """
        names = runtime.input_names
        if len(names) != 1 or (self.name and names != (self.name,)):
            named = f" named {self.name}" if self.name else ""
            more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
            raise ModelError(
                f"A face or voice network must have one input{named}. Received:"
                f" {', '.join(names[:MOST_NAMED])}{more}",
                "Where the others are weights, cli.py models fold FILE TARGET takes them out."
                " Else export the network with this input alone.",
            )
        declared = runtime.input_shapes[0]
        if declared and not fits(expected[layout], declared):
            raise ModelError(
                f"In the layout {layout} the network is fed {_format_shape(expected[layout])},"
                f" but it takes {_format_shape(declared)}.",
                _layout_hint(expected, declared),
            )


@dataclass(frozen=True)
class FaceInput(_Input):
    """How faces are fed to a network: float32, `(x · scale − mean) / std` by channel.

    Attributes:
        layout: "nhwc" for (n, size, size, 3), "nchw" for (n, 3, size, size).
        scale, mean, std: As above, the latter two by channel.
        size_px: Height and width. Other than 112: the aligned face is resized.
        channels: "rgb" or "bgr", the order that the network takes, and that `mean` and
            `std` have.
        template: How faces are aligned. There is one.
        mirror: An embedding is the mean of those of the face and of its mirror image,
            for twice the time.
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
        least, most = FACE_SIZES_PX
        if self.layout not in FACE_LAYOUTS or not least <= self.size_px <= most:
            raise ModelError(
                f"A face network must take square pictures of {least} to {most} px in the layout"
                f" {' or '.join(FACE_LAYOUTS)}. Received: size_px={self.size_px},"
                f" layout={self.layout!r}"
            )
        if self.channels not in ("rgb", "bgr") or self.template != TEMPLATE:
            raise ModelError(
                f"channels must be rgb or bgr and template {TEMPLATE}. "
                f"Received: channels={self.channels!r}, template={self.template!r}"
            )
        if not isinstance(self.mirror, bool):
            raise ModelError(f"mirror must be true or false. Received: mirror={self.mirror!r}")
        self._check_numbers()

    def _check_numbers(self) -> None:
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
        """Read a card's `input`. Raises ModelError."""
        values = dict(data)
        for name in {"mean", "std"} & set(values):
            values[name] = tuple(map(float, values[name]))
        return cls._from(values)

    def to_dict(self) -> dict[str, Any]:
        """Return what a card holds as `input`."""
        return asdict(self)

    def prepare(self, faces: ImageArray) -> Float32Array:
        """Turn squares (n, px, px, 3) uint8 RGB into what the network is fed, float32."""
        if self.size_px != faces.shape[1]:
            faces = _resize(faces, self.size_px)
        if self.channels == "bgr":
            faces = faces[..., ::-1]
        x = faces.astype(np.float32)
        if (self.scale, self.mean, self.std) != _AS_THEY_ARE:
            x *= np.float32(self.scale)
            x -= np.array(self.mean, np.float32)
            x /= np.array(self.std, np.float32)
        return np.ascontiguousarray(
            x.transpose(0, 3, 1, 2) if self.layout == "nchw" else x, dtype=np.float32
        )

    def check(self, runtime: Runtime) -> None:
        """Raise ModelError unless the network takes what `prepare` makes."""
        side = self.size_px
        shapes: tuple[Shape, ...] = ((None, side, side, 3), (None, 3, side, side))
        self._check(runtime, dict(zip(FACE_LAYOUTS, shapes, strict=True)), self.layout)


@dataclass(frozen=True)
class VoiceInput(_Input):
    """How speech is fed to a network: features of one utterance, float32.

    Attributes:
        frontend: What makes the features, the product's own front end
            (`network.frontends.log_mel`) or Kaldi's (`network.frontends.kaldi`).
        layout: "ntc" for (1, frames, n_mels), "nct" for (1, n_mels, frames).
        time_reversal: An embedding is the mean of those of the features and of the same
            backwards, for twice the time of the network. Backwards, speech keeps its
            voice and has no words, so what is said counts for less
            (docs/research/voice.md).
    """

    frontend: Spec = FrontendSpec()
    layout: str = "ntc"
    time_reversal: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.time_reversal, bool):
            raise ModelError(
                "time_reversal must be true or false. Received:"
                f" time_reversal={self.time_reversal!r}"
            )
        if self.layout not in VOICE_LAYOUTS:
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
        """Read a card's `input`, which holds either `frontend` or `kaldi`.

        Raises:
            ModelError: It holds neither, both, or values that cannot be used.
        """
        values = dict(data)
        if ("kaldi" in values) == ("frontend" in values):
            raise ModelError(
                "The input of a voice network holds either frontend or kaldi. "
                f"Received: {', '.join(sorted(values)) or 'nothing'}"
            )
        return cls._from(_with_frontend(values))

    def to_dict(self) -> dict[str, Any]:
        """Return what a card holds as `input`."""
        return {
            "name": self.name,
            "output": self.output,
            "layout": self.layout,
            "time_reversal": self.time_reversal,
            **card_entry(self.frontend),
        }

    def prepare(self, samples: Float32Array) -> Float32Array:
        """Turn samples (n,) in [-1, 1] at 16 kHz into what the network is fed, float32.

        With `time_reversal` the same backwards is a second utterance.
        """
        features = features_of(samples, self.frontend)
        both = np.stack([features, features[::-1]]) if self.time_reversal else features[None]
        return np.ascontiguousarray(
            both.transpose(0, 2, 1) if self.layout == "nct" else both, dtype=np.float32
        )

    def check(self, runtime: Runtime) -> None:
        """Raise ModelError unless the network takes what `prepare` makes."""
        mels = self.frontend.n_mels
        shapes: tuple[Shape, ...] = ((None, None, mels), (None, mels, None))
        self._check(runtime, dict(zip(VOICE_LAYOUTS, shapes, strict=True)), self.layout)


def fits(expected: Shape, declared: Shape) -> bool:
    """Tell whether arrays of one shape can be fed to an input that declares another.

    None is any size. The first axis is the batch, of which a network may take one at a
    time.
    """
    return (
        len(expected) == len(declared)
        and declared[0] in (None, 1)
        and all(b is None or a == b for a, b in zip(expected[1:], declared[1:], strict=True))
    )


def _with_frontend(values: Mapping[str, Any]) -> dict[str, Any]:
    """Read the front end, of either kind, into the field `frontend`."""
    others = {name: value for name, value in values.items() if name != "kaldi"}
    try:
        if "kaldi" in values:
            return {**others, "frontend": KaldiSpec.from_dict(values["kaldi"])}
        return {**others, "frontend": FrontendSpec.from_dict(values["frontend"])}
    except (ValueError, TypeError) as error:
        raise ModelError(f"The front end of a voice network cannot be used. {error}") from error


def _resize(faces: ImageArray, size_px: int) -> ImageArray:
    method = cv2.INTER_AREA if size_px < faces.shape[1] else cv2.INTER_LINEAR
    resized = [cv2.resize(face, (size_px, size_px), interpolation=method) for face in faces]
    return np.stack(resized).astype(np.uint8)


def _layout_hint(expected: Mapping[str, Shape], declared: Shape) -> str:
    for layout, shape in expected.items():
        if fits(shape, declared):
            return f"That is the layout {layout}."
    return "Check size and layout, or export the network with free sizes."


def _format_shape(shape: Sequence[int | None]) -> str:
    return "(" + ", ".join("any" if size is None else str(size) for size in shape) + ")"
