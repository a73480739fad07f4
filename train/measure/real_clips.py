"""Real clips by face, by voice and by both, under every condition in which the fusion
is measured: the EER of each.

    python -m train.measure.real_clips FOLDER           one folder per person, two clips of each
    at least

Unlike pseudo-persons (`train/fusion/data.py`) these have the face and the voice of one
person in one clip. A clip as it is stands for the template; every other clip of the
folder is a probe, degraded after the alignment. Bare cosines; only clips with a face
and speech count.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from align.aligner import Aligner
from align.speech import analyse_speech
from network.serving.encoder import Encoders, load_encoders
from scoring import metrics
from train.data.conditions import NoiseBank, degrade_face, degrade_voice
from train.data.datasets import read_listing, shared_data_dir
from train.data.tables import read_noises
from train.fusion.data import CONDITIONS, Fuse
from utils.arrays import EMBEDDING_SIZE, Float32Array
from utils.config import Settings
from utils.errors import DatasetError, DuetError, MediaError
from utils.media import Capture, Waveform

FACES, VOICES = (tuple(dict.fromkeys(pair[side] for pair in CONDITIONS)) for side in (0, 1))


@dataclass(frozen=True)
class Clips:
    """n clips: whose they are (n,), and by condition their embeddings (n, 512); NaN
    where nothing usable was left.
    """

    person: npt.NDArray[np.int64]
    face: Mapping[str, Float32Array]
    voice: Mapping[str, Float32Array]


def eers(clips: Clips, fuse: Fuse, condition: tuple[str, str]) -> tuple[dict[str, float], int, int]:
    """EER by modality of clean templates against probes under `condition` (face,
    voice), and how many target and impostor trials that were.

    Raises:
        DatasetError: nobody has two clips.
    """
    templates, probes = (
        (clips.face[f], clips.voice[v]) for f, v in (("clean", "clean"), condition)
    )
    left = ~np.isnan(probes[0] + probes[1]).any(axis=1)
    trials = (
        ~np.eye(len(left), dtype=bool)
        & left[:, None]
        & left
        & ~np.isnan(templates[0] + templates[1]).any(axis=1)
    )
    labels = (clips.person[:, None] == clips.person)[trials].astype(np.int64)
    if not 0 < labels.sum() < len(labels):
        raise DatasetError(
            f"Trials need two people, and two usable clips of one. Received: {labels.sum()} target"
            f" trials of {len(labels)}"
        )
    vectors = {
        "face": (probes[0], templates[0]),
        "voice": (probes[1], templates[1]),
        "fused": (fuse(*probes), fuse(*templates)),
    }
    found = {
        name: metrics.eer((probe @ template.T)[trials], labels).value
        for name, (probe, template) in vectors.items()
    }
    return found, int(labels.sum()), int(len(labels) - labels.sum())


def embedded(encoders: Encoders, folder: Path, noises: NoiseBank) -> Clips:
    """The clips of `folder`/<person>/ as serving aligns them, under all conditions.
    Clips without a face or speech are left out.
    """
    settings = Settings()
    aligner = Aligner(settings.capture)
    rng = np.random.default_rng(0)
    files = sorted(
        (clip, person.name)
        for person in folder.iterdir()
        if person.is_dir()
        for clip in person.rglob("*")
        if clip.is_file()
    )
    names = sorted({name for _, name in files})
    rows = [
        (names.index(name), *_render(encoders, capture, noises, rng))
        for capture, name in _captures(aligner, files)
    ]
    if not rows:
        raise DatasetError(
            "There must be clips with a face and speech, in a folder for each person. Received:"
            f" none in {len(files)} files"
        )
    return Clips(
        np.array([row[0] for row in rows]),
        {c: np.stack([row[1][c] for row in rows]) for c in FACES},
        {c: np.stack([row[2][c] for row in rows]) for c in VOICES},
    )


def _captures(aligner: Aligner, files: list[tuple[Path, str]]) -> Iterator[tuple[Capture, str]]:
    for clip, name in tqdm(files, unit="clip", disable=None):
        try:
            capture = aligner.analyse(clip)
        except MediaError as error:
            click.echo(f"left out: {name}/{clip.name}: {error.message}", err=True)
            continue
        if capture.face_analysis.faces and capture.speech_analysis.speech is not None:
            yield capture, name


def _render(
    encoders: Encoders, capture: Capture, noises: NoiseBank, rng: np.random.Generator
) -> tuple[dict[str, Float32Array], dict[str, Float32Array]]:
    assert capture.speech_analysis.speech is not None
    weights = np.array([face.quality.score for face in capture.face_analysis.faces], np.float32)
    faces = {
        c: (
            encoders.face.embed(
                np.stack(
                    [degrade_face(face.image, c, rng) for face in capture.face_analysis.faces]
                ),
                weights,
            ).vector
        )
        for c in FACES
    }
    return faces, {
        c: _voice(encoders, capture.speech_analysis.speech, c, noises, rng) for c in VOICES
    }


def _voice(
    encoders: Encoders,
    speech: Waveform,
    condition: str,
    noises: NoiseBank,
    rng: np.random.Generator,
) -> Float32Array:
    """The speech degraded, and found again in what noise leaves of it."""
    heard: Waveform | None = Waveform(
        degrade_voice(speech.samples, condition, noises, rng), speech.rate_hz
    )
    if heard is not None and condition.endswith(" dB"):
        heard = analyse_speech(heard, Settings().capture.min_speech_s).speech
    if heard is None:
        return np.full(EMBEDDING_SIZE, np.nan, np.float32)
    return encoders.voice.embed(heard).vector


def as_markdown(clips: Clips, fuse: Fuse) -> str:
    """A row a condition, EER in percent."""
    lines = [
        "| probe: face / voice | face | voice | fused | target trials | impostor trials |",
        "|" + "---|" * 6,
    ]
    for condition in CONDITIONS:
        found, targets, impostors = eers(clips, fuse, condition)
        rates = " | ".join(f"{100 * found[name]:.2f}" for name in ("face", "voice", "fused"))
        lines.append(f"| {condition[0]} / {condition[1]} | {rates} | {targets} | {impostors} |")
    return "\n".join(lines)


@click.command(help=(__doc__ or "").split("\n\n")[0])
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--model-dir",
    type=click.Path(path_type=Path, exists=True),
    default=Path("best_model"),
    show_default=True,
    help="Folder with face/, voice/ and fusion/.",
)
@click.option(
    "--noise",
    default="voices.csv",
    show_default=True,
    help="Listing in the research data with recordings of noise.",
)
def main(folder: Path, model_dir: Path, noise: str) -> None:
    """Entry point."""
    try:
        encoders = load_encoders(model_dir)
        noises = read_noises(read_listing(shared_data_dir() / noise, "audio", "noise"))
        click.echo(as_markdown(embedded(encoders, folder, noises), encoders.fusion.fuse))
    except DuetError as error:
        raise click.ClickException(f"{error.message} {error.hint}".strip()) from error


if __name__ == "__main__":
    main()
