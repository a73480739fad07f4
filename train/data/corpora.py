"""Recordings whose words are known, in the forms that corpora of speech have.

- A manifest: a CSV with the columns `path` and `text`, and perhaps `speaker` and `split`.
  The files lie in a zip archive of the same name beside it, or beside it.
- A script of KsponSpeech (`train.trn`): lines `path :: text`.
- A folder of KsponSpeech: a text beside each sound, of the same name.
- A folder as Zeroth-Korean and LibriSpeech are laid out: `<name>.trans.txt` with lines
  `<file> <text>` beside the sounds of a speaker.

All become one `Corpus`. Its texts are normalised as error rates are counted: lower case
without punctuation. Those with digits are left out, as digits may be spoken in several
ways.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from speech.error_rates import normalise
from train.data.datasets import SUFFIXES, Item, Listing
from train.data.sounds import RAW_SUFFIX
from utils.errors import DatasetError
from utils.text_file import read_text

_SOUNDS = SUFFIXES["audio"] | {RAW_SUFFIX}
_TRANSCRIPTS = "*.trans.txt"
# Texts of KsponSpeech are in the encoding of Korean Windows, others in UTF-8
# "(70%)/(칠 십 퍼센트)": as it is written, and as it is spoken
_TWO_WAYS = re.compile(r"\(([^()]*)\)\s*/\s*\(([^()]*)\)")
_HAS_DIGIT = re.compile(r"\d")
# Breath, laughter and noise, and marks of fillers, repetitions and doubt
_MARKS = re.compile(r"\b[blonu]/|[/*+]")


@dataclass(frozen=True)
class Utterance:
    """A recording: its path in the corpus, the text that is said, and the speaker or ""."""

    path: str
    text: str
    speaker: str


@dataclass(frozen=True)
class Corpus:
    """Recordings in a folder or a zip archive, sorted by path.

    `left_out` counts those without a text, and with digits in it.
    """

    root: Path
    utterances: tuple[Utterance, ...]
    left_out: int

    @property
    def listing(self) -> Listing:
        """The files, with speaker and text as label."""
        items = [Item(one.path, f"{one.speaker}\t{one.text}") for one in self.utterances]
        return Listing(self.root, tuple(items))

    def select(self, utterances: Iterable[Utterance]) -> Corpus:
        """The corpus with some of its utterances."""
        return Corpus(self.root, tuple(utterances), self.left_out)


def read_corpus(source: Path, split: str = "train") -> Corpus:
    """Read a corpus in any of the forms of this module.

    Args:
        source: A manifest, a script or a folder.
        split: Rows of a manifest with a column `split` to keep.

    Raises:
        DatasetError: It does not exist, is in none of these forms, or holds no text.
    """
    if source.is_dir():
        root = source
        rows = list(_read_folder(source))
    elif source.suffix == ".csv" and source.is_file():
        archive = source.with_suffix(".zip")
        root = archive if archive.is_file() else source.parent
        rows = list(_read_manifest(source, split))
    elif source.suffix == ".trn" and source.is_file():
        rows = list(_read_script(source))
        root = _root_of(source, rows)
    else:
        raise DatasetError(
            "A corpus must be a CSV manifest, a .trn script or a folder. Received:"
            f" source={source.name} (not found)"
        )
    return _corpus(root, rows, source)


def _corpus(root: Path, rows: list[Utterance], source: Path) -> Corpus:
    plain = [Utterance(one.path, normalise(one.text), one.speaker) for one in rows]
    usable = [one for one in plain if one.text and not _HAS_DIGIT.search(one.text)]
    if not usable:
        raise DatasetError(
            f"A corpus needs at least one recording with a text without digits. {source.name}"
            " holds none.",
            "A folder holds a text beside each sound, or files .trans.txt.",
        )
    usable.sort(key=lambda one: one.path)
    return Corpus(root, tuple(usable), len(rows) - len(usable))


def clean_script(text: str) -> str:
    """Turn a transcript of KsponSpeech into what is spoken, without its marks."""
    spoken = _TWO_WAYS.sub(r" \2 ", text)
    return " ".join(_MARKS.sub(" ", spoken).split())


def _read_manifest(file: Path, split: str) -> Iterator[Utterance]:
    rows = list(csv.DictReader(io.StringIO(read_text(file), newline="")))
    columns = set(rows[0] if rows else ())
    if not {"path", "text"} <= columns:
        raise DatasetError(
            "A manifest has the columns path and text, and a row at least. Received:"
            f" {', '.join(sorted(columns))}"
        )
    for row in rows:
        if row.get("split") in (None, "", split):
            yield Utterance(row["path"], row["text"] or "", row.get("speaker") or "")


def _read_script(file: Path) -> Iterator[Utterance]:
    for number, line in enumerate(read_text(file).splitlines(), start=1):
        path, mark, text = line.partition(" :: ")
        if not mark and line.strip():
            raise DatasetError(
                f"Each line must be `path :: text`. Received: {line[:60]!r} in line {number} of"
                f" {file.name}"
            )
        if mark:
            yield Utterance(path.strip(), clean_script(text), "")


def _root_of(file: Path, rows: list[Utterance]) -> Path:
    """The folder that the paths of a script start from: its own, or one above."""
    first = rows[0].path if rows else ""
    places = [file.parent, *file.resolve().parents[1:3]]
    return next((place for place in places if (place / first).is_file()), file.parent)


def _read_folder(folder: Path) -> Iterator[Utterance]:
    scripts = sorted(folder.rglob(_TRANSCRIPTS))
    for script in scripts:
        yield from _read_transcripts(script, folder)
    if not scripts:
        for sound in sorted(folder.rglob("*")):
            text = sound.with_suffix(".txt")
            if sound.suffix.lower() in _SOUNDS and text.is_file():
                path = sound.relative_to(folder).as_posix()
                yield Utterance(path, clean_script(read_text(text)), "")


def _read_transcripts(script: Path, folder: Path) -> Iterator[Utterance]:
    """Yield the lines `<file> <text>` whose sound lies beside their script.

    The first part of a file's name is its speaker.
    """
    sounds = {path.stem: path for path in script.parent.iterdir() if path.suffix in _SOUNDS}
    for line in read_text(script).splitlines():
        name, _, text = line.strip().partition(" ")
        if sound := sounds.get(name):
            speaker = re.split(r"[_-]", name)[0]
            yield Utterance(sound.relative_to(folder).as_posix(), text, speaker)
