"""Training data from people's clips: `dataset/<person>/<video or frames>`.

Faces become aligned crops (112, 112, 3), and speech becomes 16 kHz mono WAV files, cut and
aligned as the service does it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

import cv2
import numpy as np
import soundfile

from utils.errors import MediaError
from utils.links import leads_back
from utils.media import AlignedFace, Capture, Waveform
from utils.whole_file import whole_file

Analyse = Callable[[Path], Capture]

PIECE_S = 4.0
"""Speech is cut into pieces of this length. A person needs two of them."""

_LEAST_PIECE_S = 1.5
_QUALITY = 90  # of the WebP files, in percent


def list_clips(dataset: Path) -> list[Path]:
    """List the files of a data set by name, relative to it: `<person>/...`.

    Hidden files and folders are left alone.
    """
    # Links below a person's folder are not followed
    names = (_list_files(person, dataset) for person in people_folders(dataset))
    return sorted(chain.from_iterable(names))


def people_folders(dataset: Path) -> list[Path]:
    """List the folder of each person: those in `dataset` that are not hidden.

    One may be a link, but not back to `dataset` or above it.
    """
    visible = (path for path in dataset.iterdir() if not path.name.startswith("."))
    return sorted(path for path in visible if path.is_dir() and not leads_back(dataset, path))


def _list_files(person: Path, dataset: Path) -> list[Path]:
    names: list[Path] = []
    for folder, below, files in os.walk(person):
        below[:] = [name for name in below if not name.startswith(".")]
        here = Path(folder).relative_to(dataset)
        names += [here / name for name in files if not name.startswith(".")]
    return names


def prepare(dataset: Path, clip: Path, out: Path, analyse: Analyse) -> tuple[int, int]:
    """Write the faces and the speech of one clip of `dataset`.

    They go to `out`/faces/<person> and `out`/voices/<person>. A clip that was done before
    is not done again, unless it changed.

    Args:
        dataset: the folder with a folder per person.
        clip: path of the clip, relative to it.
        out: folder of the data that training takes.
        analyse: finds faces and speech of a file.

    Returns:
        The number of face crops and of pieces of speech.

    Raises:
        MediaError: the clip cannot be read, or shows neither.
    """
    note = out / "done" / clip.with_name(clip.name + ".txt")
    stamp = str((dataset / clip).stat().st_mtime_ns)
    if note.is_file() and (parts := note.read_text("ascii").split())[0] == stamp:
        return int(parts[1]), int(parts[2])
    capture = analyse(dataset / clip)
    person = clip.parts[0]
    name = "-".join(clip.parts[1:])
    faces = list(_write_faces(capture.face_analysis.faces, out / "faces" / person / name))
    voices = list(_write_speech(capture.speech_analysis.speech, out / "voices" / person / name))
    if not faces and not voices:
        raise MediaError("neither a face nor speech is in it")
    with whole_file(note) as draft:
        draft.write_text(f"{stamp} {len(faces)} {len(voices)}", "ascii")
    return len(faces), len(voices)


def _write_faces(faces: tuple[AlignedFace, ...], stem: Path) -> Iterator[Path]:
    for number, face in enumerate(faces):
        bgr = np.ascontiguousarray(face.image[..., ::-1])
        _, data = cv2.imencode(".webp", bgr, [cv2.IMWRITE_WEBP_QUALITY, _QUALITY])
        target = stem.with_name(f"{stem.name}-{number}.webp")
        with whole_file(target) as draft:
            draft.write_bytes(data.tobytes())
        yield target


def _write_speech(speech: Waveform | None, stem: Path) -> Iterator[Path]:
    if speech is None:
        return
    size = round(PIECE_S * speech.rate_hz)
    for number, start in enumerate(range(0, len(speech.samples), size)):
        piece = speech.samples[start : start + size]
        if len(piece) < _LEAST_PIECE_S * speech.rate_hz:
            continue
        target = stem.with_name(f"{stem.name}-{number}.wav")
        with whole_file(target) as draft, draft.open("wb") as file:
            soundfile.write(file, piece, speech.rate_hz, format="WAV", subtype="PCM_16")
        yield target
