"""Serving time and size of the networks.

Prints milliseconds per face and per second of speech, and sizes beside common networks.

Times are the best of the repeats, all networks taken in turns so that all meet the same
load. The yardstick is a third-party ONNX face network of input (n, 3, 112, 112), by
default the training teacher where the research data is there. ONNX Runtime threads: as
serving (all cores). Two voice networks are compared by themselves, without the
filterbank, on one thread. Parameters and multiply-adds of ResNet-18 and ResNet-50 are
those of backbones for 112 × 112 without a classifier, counted by the same function
(ResNet-50 of keras.applications; ResNet-18 built here).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import click
import numpy as np

from utils.modality import Modality
from utils.path_option import PathOption

BATCHES = (1, 8)
YARDSTICK = "yardstick, ONNX Runtime"
SPEECH_S = 5.0
# Frames of that in Kaldi's filterbank: 25 ms every 10 ms.
FRAMES = 498


def face_runs(folder: Path, yardstick: Path | None, batch: int) -> dict[str, Callable[[], object]]:
    """What to time for faces: name → one forward pass of `batch` faces."""
    from network.serving.encoder import load_face_encoder
    from network.serving.runtime import KerasRuntime, OnnxRuntime

    faces = np.random.default_rng(0).integers(0, 256, (batch, 112, 112, 3)).astype(np.float32)
    runs: dict[str, Callable[[], object]] = {}
    for name, runtime in (("face, ONNX Runtime", OnnxRuntime), ("face, Keras", KerasRuntime)):
        network = runtime(folder / ("model.onnx" if runtime is OnnxRuntime else "model.keras"))
        runs[name] = partial(network.run, faces)
    encoder = load_face_encoder(folder)
    crops = faces.astype(np.uint8)
    runs["face, as it serves"] = lambda: encoder.embed_each(crops)
    if yardstick is not None:
        other = OnnxRuntime(yardstick)
        planes = np.ascontiguousarray(faces.transpose(0, 3, 1, 2) / np.float32(255))
        runs[YARDSTICK] = lambda: other.run(planes)
    return runs


def best_ms(
    runs: dict[str, Callable[[], object]],
    repeat: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Shortest time of each run in milliseconds, runs taken in turns.

    `clock` gives seconds. Each run is made once before, to warm up.
    """
    for run in runs.values():
        run()
    best = dict.fromkeys(runs, float("inf"))
    for _ in range(repeat):
        for name, run in runs.items():
            start = clock()
            run()
            best[name] = min(best[name], (clock() - start) * 1000)
    return best


def voice_runs(folder: Path) -> dict[str, Callable[[], object]]:
    """Runs to time for voices, front end included.

    Each embeds `SPEECH_S` seconds of speech: through our encoder and, if the package
    `resemblyzer` is installed, through its public GE2E encoder. That one is used as its
    authors call it, except for its voice activity detection.
    """
    from network.serving.encoder import load_voice_encoder
    from utils.arrays import RATE_HZ
    from utils.media import Waveform

    encoder = load_voice_encoder(folder)
    samples = np.random.default_rng(0).normal(0, 0.1, int(SPEECH_S * RATE_HZ)).astype(np.float32)
    speech = Waveform(samples, RATE_HZ)
    runs: dict[str, Callable[[], object]] = {"voice": lambda: encoder.embed(speech)}
    try:
        # Optional, with PyTorch: perhaps in an environment of its own.
        from resemblyzer import VoiceEncoder
    except ImportError:
        print("no public voice encoder to compare with: pip install resemblyzer")
        return runs
    public = VoiceEncoder("cpu", verbose=False)
    return runs | {"GE2E (resemblyzer)": lambda: public.embed_utterance(samples)}


def network_runs(folders: Sequence[Path]) -> dict[str, Callable[[], object]]:
    """One forward pass of each voice network on `SPEECH_S` seconds, on one thread."""
    from network.serving.card import read_card
    from network.serving.runtime import OnnxRuntime

    runs: dict[str, Callable[[], object]] = {}
    for folder in folders:
        card = read_card(folder)
        network = OnnxRuntime(folder / card.file, threads=1)
        bands = network.input_shapes[0][2] or 80
        features = np.random.default_rng(0).normal(size=(1, FRAMES, bands)).astype(np.float32)
        runs[card.name] = partial(network.run, features)
    return runs


def resnet18() -> object:
    """ResNet-18 backbone for 112 × 112 px with average pooling.

    He et al. 2015, arXiv:1512.03385.
    """
    import keras
    from keras import layers

    def block(x: object, filters: int, strides: int) -> object:
        y = layers.Conv2D(filters, 3, strides, "same", use_bias=False)(x)
        y = layers.ReLU()(layers.BatchNormalization()(y))
        y = layers.BatchNormalization()(
            layers.Conv2D(filters, 3, padding="same", use_bias=False)(y)
        )
        if strides != 1:
            x = layers.BatchNormalization()(layers.Conv2D(filters, 1, strides, use_bias=False)(x))
        return layers.ReLU()(layers.Add()([x, y]))

    image = keras.Input((112, 112, 3))
    x = layers.Conv2D(64, 7, 2, "same", use_bias=False)(image)
    x = layers.MaxPooling2D(3, 2, "same")(layers.ReLU()(layers.BatchNormalization()(x)))
    for filters in (64, 128, 256, 512):
        x = block(x, filters, 1 if filters == 64 else 2)
        x = block(x, filters, 1)
    return keras.Model(image, layers.GlobalAveragePooling2D()(x))


def sizes() -> list[tuple[str, int, int]]:
    """Name, parameters and multiply-adds at 112 × 112 px of each backbone.

    Lists our backbones and the ResNets.
    """
    import keras

    from network.backbones.registry import backbone_names, build_backbone
    from network.serving.export import count_multiply_adds, count_parameters

    models = {name: build_backbone(name, Modality.FACE) for name in backbone_names(Modality.FACE)}
    models["ResNet-18"] = resnet18()
    models["ResNet-50"] = keras.applications.ResNet50(
        include_top=False, weights=None, input_shape=(112, 112, 3), pooling="avg"
    )
    shape = (112, 112, 3)
    return [
        (name, count_parameters(model), count_multiply_adds(model, shape))
        for name, model in models.items()
    ]


def print_face_times(folder: Path, yardstick: Path | None, repeat: int) -> None:
    """The table of times of the face encoders."""
    for batch in BATCHES:
        times = best_ms(face_runs(folder, yardstick, batch), repeat)
        for name, value in times.items():
            ratio = value / times.get(YARDSTICK, float("nan"))
            print(
                f"{name:26s} batch {batch}   {value / batch:7.2f} ms a face   {ratio:5.2f} × the"
                " yardstick"
            )


def print_voice_times(folder: Path, repeat: int) -> None:
    """Times of the voice encoders, front end included."""
    runs = voice_runs(folder)
    times = best_ms(runs, repeat)
    processor = best_ms(runs, repeat, time.process_time)
    for name, value in times.items():
        print(
            f"{name:26s} {value:6.1f} ms, {processor[name]:6.1f} ms of processor time for"
            f" {SPEECH_S:.0f} s of speech"
        )


def print_voice_ratio(folder: Path, yardstick: Path, repeat: int) -> None:
    """Processor time of the voice network on one thread, and as a part of another's."""
    times = best_ms(network_runs([folder, yardstick]), repeat, time.process_time)
    of_yardstick = list(times.values())[-1]
    for name, value in times.items():
        print(
            f"{name:26s} {value:6.1f} ms on one thread, {value / of_yardstick:5.2f} × the"
            f" yardstick, for {SPEECH_S:.0f} s of speech"
        )


def print_sizes() -> None:
    """The table of sizes, each also as a part of ResNet-50."""
    rows = sizes()
    _, parameters_50, adds_50 = rows[-1]
    print(
        "\n| backbone, 112 × 112 | parameters | of ResNet-50 | multiply-adds | of ResNet-50"
        " |\n|---|---|---|---|---|"
    )
    for name, parameters, adds in rows:
        part = f"1/{parameters_50 / parameters:.1f}"
        share = f"1/{adds_50 / adds:.1f}"
        print(f"| {name} | {parameters / 1e6:.2f} M | {part} | {adds / 1e6:.0f} M | {share} |")


@click.command(help=__doc__)
@click.option(
    "--model-dir",
    type=PathOption(path_type=Path, file_okay=False),
    default=Path("best_model"),
    show_default=True,
    help="Folder of the models.",
)
@click.option(
    "--yardstick",
    type=PathOption(path_type=Path, dir_okay=False),
    help="A third-party face network to compare with.  [default: the teacher of faces]",
)
@click.option(
    "--voice-yardstick",
    type=PathOption(path_type=Path, file_okay=False),
    help="Folder of a voice model to compare with, such as CAM++.",
)
@click.option("--repeat", default=30, show_default=True, help="Timed rounds.")
@click.option("--only", type=click.Choice(("faces", "voices", "sizes")), help="One part.")
def main(
    model_dir: Path,
    yardstick: Path | None,
    voice_yardstick: Path | None,
    *,
    repeat: int,
    only: str | None,
) -> None:
    """Print the tables."""
    from train.data.datasets import shared_data_dir

    if yardstick is None:
        teacher = shared_data_dir() / "teachers" / "mobilefacenet_ms1m.onnx"
        yardstick = teacher if teacher.exists() else None
    if only in (None, "faces"):
        print_face_times(model_dir / Modality.FACE, yardstick, repeat)
    if only in (None, "voices"):
        print_voice_times(model_dir / Modality.VOICE, repeat)
        if voice_yardstick is not None:
            print_voice_ratio(model_dir / Modality.VOICE, voice_yardstick, repeat)
    if only in (None, "sizes"):
        print_sizes()


if __name__ == "__main__":
    main()
