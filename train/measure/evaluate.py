"""Evaluation of an encoder on a verification protocol: `cli.py evaluate trials`.

Photographs that are no aligned crops are detected and aligned first. Trials with a
picture in which no face is found are left out and counted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from network.serving.card import read_card
from network.serving.encoder import load_face_encoder, load_voice_encoder
from train.data.datasets import read_listing
from train.data.embed import Embedded, embed_images, embed_sounds, speech_finder
from train.data.photos import photo_aligner
from train.data.protocols import Trials, read_trials
from train.measure.identification import identification
from train.measure.report import write_report
from train.measure.scores import NORMS, Vectors, normalise, score
from train.measure.verification import SEED, verification
from utils.arrays import Float32Array, Float64Array
from utils.errors import DatasetError
from utils.settings.capture import CaptureSettings

Embed = Callable[[Path, Sequence[str]], Embedded]
"""Embeds files below a root."""


@dataclass(frozen=True)
class Options:
    """What is measured and how.

    Attributes:
        model: Folder of a model.
        trials: The protocol.
        media: Folder or zip archive that its paths are in.
        kind: Format of the protocol.
        norm: Score normalisation (one of `NORMS`).
        cohort: Data set of other people, as `read_listing` takes it.
        cohort_size: People of the cohort, at most.
        top: Nearest cohort entries that AS-norm uses.
        people: Gallery sizes of the open-set identification.
        replicates: Bootstrap resamples, 0 for none.
        speech_only: Cut sound files down to speech as the service does, and leave out
            those that it would not answer.
        keep_silent: Take the whole of such a file instead.

    Raises:
        DatasetError: It cannot be measured. So nothing is embedded in vain.
    """

    model: Path
    trials: Path
    media: Path
    kind: str = "auto"
    norm: str = "none"
    cohort: Path | None = None
    cohort_size: int = 1000
    top: int = 200
    people: tuple[int, ...] = ()
    replicates: int = 200
    speech_only: bool = False
    keep_silent: bool = False

    def __post_init__(self) -> None:
        if self.norm not in NORMS or (self.norm != "none" and self.cohort is None):
            raise DatasetError(
                f"norm must be one of {', '.join(NORMS)}, and all but none need a cohort. "
                f"Received: norm={self.norm}, cohort={self.cohort}",
                "Name a data set of other people with --cohort.",
            )
        if min(self.cohort_size, *self.people, self.top if self.norm == "as" else 2) < 2:
            raise DatasetError(
                "A cohort, its nearest for AS-norm and a gallery need at least 2 people. "
                f"Received: cohort_size={self.cohort_size}, top={self.top}, people={self.people}"
            )
        if self.replicates < 0 or self.replicates == 1:
            raise DatasetError(
                "An interval needs at least 2 resamples, or 0 for no interval. Received:"
                f" replicates={self.replicates}"
            )
        if self.keep_silent and not self.speech_only:
            raise DatasetError(
                "keep_silent is about files that speech_only leaves out."
                " Received: speech_only=False",
                "Add --speech-only, or remove --keep-silent.",
            )


def evaluate(
    options: Options, settings: CaptureSettings, out: Path | None = None
) -> dict[str, Any]:
    """Run a protocol.

    Args:
        options: What is measured and how.
        settings: How the service reads clips.
        out: Folder of the results, None to write nothing.

    Returns:
        What `report.json` holds.

    Raises:
        DatasetError: The protocol or a file cannot be read.
        ModelError: The model cannot be loaded.
    """
    card = read_card(options.model)
    trials = read_trials(options.trials, options.kind)
    _require_both_classes(trials, options.trials.name)
    embed = embedder(options, settings)
    embedded = embed(options.media, trials.files)
    usable = trials.without(set(embedded.missing))
    _require_both_classes(usable, options.trials.name, len(trials) - len(usable))
    scores = _scores(options, usable, embedded.vectors, embed)
    report = {
        "encoder": card.encoder_id,
        "trials": _count_trials(options.trials.name, trials, usable),
        "normalisation": options.norm,
        "verification": verification(scores, usable, options.replicates),
        "identification": [
            # A picture whose only partner has no face is in no usable trial.
            identification(embedded.vectors, trials.people(), size, options.replicates)
            for size in options.people
        ],
    }
    if out:
        write_report(out, report, usable, scores)
    return report


def embedder(options: Options, settings: CaptureSettings) -> Embed:
    """Make a function that embeds files with the model, as the options say.

    Raises:
        DatasetError: The model is neither of faces nor of voices, or faces are to be
            cut to speech.
        ModelError: The model cannot be loaded.
    """
    modality = read_card(options.model).modality
    if modality == "face" and options.speech_only:
        raise DatasetError(
            "speech_only cuts voices down to speech. Received: modality='face'",
            "Remove --speech-only.",
        )
    if modality == "face":
        face = load_face_encoder(options.model)
        align = photo_aligner(settings.min_face_px)
        return lambda root, files: embed_images(face, root, files, align)
    if modality == "voice":
        voice = load_voice_encoder(options.model)
        find = None
        if options.speech_only:
            find = speech_finder(settings.min_speech_s, keep_silent=options.keep_silent)
        return lambda root, files: embed_sounds(voice, root, files, find)
    raise DatasetError(
        f"Trials of files need a face or a voice model. Received: modality={modality!r}"
    )


def embed_cohort(options: Options, embed: Embed, source: Path) -> Float32Array:
    """Embed one file of each of at most `cohort_size` people: a varied cohort.

    Raises:
        DatasetError: There are fewer than 2 people in whose files something is found.
    """
    kind = "image" if read_card(options.model).modality == "face" else "audio"
    listing = read_listing(source, kind)
    one_each = list({item.label: item.path for item in listing.items}.values())
    files = np.random.default_rng(SEED).permutation(one_each)[: options.cohort_size].tolist()
    vectors = embed(listing.root, files).vectors
    if len(vectors) < 2:
        raise DatasetError(
            f"A cohort needs 2 people or more. Received: {len(vectors)} people with a face or"
            " speech in their files"
        )
    return np.stack(list(vectors.values()))


def _scores(options: Options, trials: Trials, vectors: Vectors, embed: Embed) -> Float64Array:
    if options.cohort is None or options.norm == "none":
        return score(trials, vectors)
    cohort = embed_cohort(options, embed, options.cohort)
    return normalise(trials, vectors, cohort, kind=options.norm, top=options.top)


def _require_both_classes(trials: Trials, name: str, left_out: int = 0) -> None:
    target = int((trials.labels == 1).sum())
    impostor = int((trials.labels == 0).sum())
    if target and impostor:
        return
    hint = "Add trials of the missing class: label 1 = same person, 0 = two people."
    if left_out:
        hint = (
            "Add trials of files with a face or speech. --keep-silent embeds silent sound files"
            " whole."
        )
    raise DatasetError(
        "Error rates need target and impostor trials. "
        f"Received: {target} target and {impostor} impostor trials in {name}, {left_out} left out",
        hint,
    )


def _count_trials(name: str, trials: Trials, usable: Trials) -> dict[str, Any]:
    return {
        "name": name,
        "target": int((usable.labels == 1).sum()),
        "impostor": int((usable.labels == 0).sum()),
        "left_out": len(trials) - len(usable),
        "people": len(set(usable.people().values())),
    }
