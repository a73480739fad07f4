"""EER of real clips by face, by voice and by both, under every measured condition.

Unlike pseudo-persons (`train/data/pseudo_people.py`), real clips have the face and the
voice of one person. A clip as it is stands for the template. Every other clip of the
folder is a probe, degraded after the alignment. Scores are bare cosines, and the ratios
that an answer weighs (`train/measure/served_ratios.py`). Only clips with a face and speech
count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from align.aligner import Aligner
from align.speech import analyse_speech
from network.serving.encoder import Encoders
from recognition.sides import Side
from scoring import metrics
from train.data.conditions import NoiseBank, degrade_face, degrade_voice
from train.data.pseudo_people import CONDITIONS, Condition, Fuse
from train.data.renderings import as_speech, assess_crop
from train.measure.fusion_ratio import Ratio, measure_ratio
from train.measure.room import RoomClip
from train.measure.served_ratios import weigh_clips
from utils.arrays import EMBEDDING_SIZE, Float32Array, Float64Array
from utils.errors import DatasetError, MediaError
from utils.media import Capture, SpeechAnalysis, Waveform
from utils.modality import PerModality

FACES = tuple(dict.fromkeys(face for face, _ in CONDITIONS))
VOICES = (*dict.fromkeys(voice for _, voice in CONDITIONS), "noise 5 dB", "2 s")


@dataclass(frozen=True)
class Clips:
    """Embeddings of n clips.

    Attributes:
        person: (n,) whose they are.
        face, voice: Embeddings (n, 512) by condition, NaN where nothing usable was
            left.
    """

    person: npt.NDArray[np.int64]
    face: Mapping[str, Float32Array]
    voice: Mapping[str, Float32Array]


@dataclass(frozen=True)
class ClipRates:
    """EER by modality, and how many trials it was measured on.

    `served` is that of the ratios that an answer weighs. `ratio` is it over that of the
    better modality.
    """

    face: float
    voice: float
    fused: float
    served: float
    ratio: Ratio
    targets: int
    impostors: int


@dataclass(frozen=True)
class ClipEmbedder:
    """Embeds captures under every condition.

    Attributes:
        encoders: The encoders that serve.
        noises: Recordings that degrade the speech.
        min_speech_s: Least net speech that the service embeds, in seconds.
    """

    encoders: Encoders
    noises: NoiseBank
    min_speech_s: float
    _rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))

    def embed_faces(self, capture: Capture) -> dict[str, Side]:
        """Faces by condition."""
        return {condition: self._embed_faces(capture, condition) for condition in FACES}

    def _embed_faces(self, capture: Capture, condition: str) -> Side:
        faces = capture.face_analysis.faces
        images = [degrade_face(face.image, condition, self._rng) for face in faces]
        scores = [
            face.quality.score if condition == "clean" else assess_crop(image)
            for face, image in zip(faces, images, strict=True)
        ]
        weights = np.array([face.quality.score for face in faces], np.float32)
        vector = self.encoders.face.embed(np.stack(images), weights).vector
        return Side(vector=vector, quality=(float(np.mean(scores)),), frames=len(faces))

    def embed_voices(self, capture: Capture, speech: Waveform) -> dict[str, Side | None]:
        """Voices by condition, None where too little speech is left."""
        clean = capture.speech_analysis
        return {condition: self._embed_voice(clean, speech, condition) for condition in VOICES}

    def _embed_voice(self, clean: SpeechAnalysis, speech: Waveform, condition: str) -> Side | None:
        """The speech degraded, and found again in what noise leaves of it."""
        heard = clean
        if condition != "clean":
            samples = degrade_voice(speech.samples, condition, self.noises, self._rng)
            heard = as_speech(samples)
            if condition.endswith(" dB"):
                heard = analyse_speech(heard.speech, self.min_speech_s)
        if heard.speech is None:
            return None
        return Side(
            vector=self.encoders.voice.embed(heard.speech).vector,
            speech_s=heard.speech.duration_s,
            quality=(heard.quality.score,),
        )


def stack_clips(clips: Sequence[RoomClip]) -> Clips:
    """Stack clips under all conditions."""
    names = sorted({clip.person for clip in clips})
    return Clips(
        person=np.array([names.index(clip.person) for clip in clips]),
        face={condition: _stack(clips, "face", condition) for condition in FACES},
        voice={condition: _stack(clips, "voice", condition) for condition in VOICES},
    )


def embed_room(
    folder: Path,
    aligner: Aligner,
    embedder: ClipEmbedder,
    report: Callable[[str], None] = tqdm.write,
) -> list[RoomClip]:
    """Embed the clips of `folder`/<person>/ under all conditions.

    They are aligned as the service does it. Clips without a face or speech are left
    out. `report` is given the name of each that cannot be read. A clip in a folder
    `enroll` enrols its person. A clip beside the folders is of somebody else each.

    Raises:
        DatasetError: There is no clip with a face and speech.
    """
    files = list_clips(folder)
    clips = [
        RoomClip(
            person=name,
            enrols=file.parent.name == "enroll",
            face=embedder.embed_faces(capture),
            voice=embedder.embed_voices(capture, speech),
        )
        for capture, speech, (file, name) in _captures(aligner, files, report)
    ]
    if not clips:
        raise DatasetError(
            "There must be clips with a face and speech, in a folder for each person. None of"
            f" {len(files)} files has both."
        )
    return clips


def list_clips(folder: Path) -> list[tuple[Path, str]]:
    """All files of `folder`/<person>/ with the name of the person, and those beside them."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    return sorted((file, _person_of(file.relative_to(folder))) for file in files)


def _person_of(path: Path) -> str:
    """The first folder, or the name of a file beside the folders."""
    return path.parts[0] if len(path.parts) > 1 else path.stem


def _captures(
    aligner: Aligner, files: Iterable[tuple[Path, str]], report: Callable[[str], None]
) -> Iterator[tuple[Capture, Waveform, tuple[Path, str]]]:
    for clip, name in tqdm(files, unit="clip", disable=None):
        try:
            capture = aligner.analyse(clip)
        except MediaError as error:
            report(f"left out: {name}/{clip.name}: {error.message}")
            continue
        speech = capture.speech_analysis.speech
        if capture.face_analysis.faces and speech is not None:
            yield capture, speech, (clip, name)


def _stack(clips: Sequence[RoomClip], modality: str, condition: str) -> Float32Array:
    nothing = np.full(EMBEDDING_SIZE, np.nan, np.float32)
    sides: list[Side | None] = [getattr(clip, modality)[condition] for clip in clips]
    return np.stack([nothing if side is None else side.vector for side in sides])


def measure_clips(
    clips: Clips, fuse: Fuse, condition: Condition, served: Float64Array | None = None
) -> ClipRates:
    """Compare clean templates with probes under `condition`.

    Args:
        clips: The clips.
        fuse: Fuses faces and voices.
        condition: Of face and voice of the probes.
        served: (n, n) ratios that an answer weighs. None: the fused cosines.

    Raises:
        DatasetError: Nobody has two clips.
    """
    face = clips.face["clean"]
    voice = clips.voice["clean"]
    face_probe = clips.face[condition[0]]
    voice_probe = clips.voice[condition[1]]
    is_probe = _is_complete(face_probe, voice_probe)
    trials = ~np.eye(len(face), dtype=bool) & is_probe[:, None] & is_probe
    trials &= _is_complete(face, voice)
    labels = (clips.person[:, None] == clips.person)[trials].astype(np.int64)
    if not 0 < labels.sum() < len(labels):
        raise DatasetError(
            f"Trials need two people, and two usable clips of one. Received: {labels.sum()} target"
            f" trials of {len(labels)}"
        )

    cosines = PerModality(
        face=face_probe @ face.T,
        voice=voice_probe @ voice.T,
        fused=_fuse(face_probe, voice_probe, fuse) @ _fuse(face, voice, fuse).T,
    )
    scores = cosines.map(lambda matrix: matrix[trials].astype(np.float64))
    rates = scores.map(lambda part: metrics.eer(part, labels).value)
    weighed = scores if served is None else replace(scores, fused=served[trials])
    return ClipRates(
        face=rates.face,
        voice=rates.voice,
        fused=rates.fused,
        served=metrics.eer(weighed.fused, labels).value,
        ratio=measure_ratio(weighed, labels, clips.person[np.argwhere(trials)]),
        targets=int(labels.sum()),
        impostors=int(len(labels) - labels.sum()),
    )


def _fuse(face: Float32Array, voice: Float32Array, fuse: Fuse) -> Float32Array:
    """Fuse (n, 512) each to (n, size). NaN where one is missing."""
    there = _is_complete(face, voice)
    complete = fuse(face[there], voice[there])
    fused = np.full((len(face), complete.shape[1]), np.nan, np.float32)
    fused[there] = complete
    return fused


def _is_complete(face: Float32Array, voice: Float32Array) -> npt.NDArray[np.bool_]:
    """Whether each clip has a face and a voice."""
    return ~np.isnan(face + voice).any(axis=1)


def as_markdown(clips: Sequence[RoomClip], encoders: Encoders) -> str:
    """Format a table with a row for each condition, EER in percent."""
    heads = ("face", "voice", "fused cosine", "both, as served", "ratio (95 %)")
    lines = [
        f"| probe: face, voice | {' | '.join(heads)} | targets | impostors |",
        "|" + "---|" * (len(heads) + 3),
    ]
    stacked = stack_clips(clips)
    for condition in CONDITIONS:
        served = weigh_clips(clips, condition, encoders)
        result = measure_clips(stacked, encoders.fusion.fuse, condition, served)
        rates = (result.face, result.voice, result.fused, result.served)
        cells = " | ".join(f"{100 * rate:.2f}" for rate in rates)
        title = f"{condition[0]} / {condition[1]}"
        lines.append(
            f"| {title} | {cells} | {result.ratio} | {result.targets} | {result.impostors} |"
        )
    return "\n".join(lines)
