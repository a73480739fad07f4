"""What is written of each turn of a live session: words, speaker, corrections."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from recognition.voices import Voices
from speech.attribution import attribute
from speech.diarise import Diariser, Heard, Naming
from speech.events import NOT_REGISTERED, Relabel
from speech.filters import SHORT_S, filter_passage
from speech.lines import Line
from speech.listener import Piece
from speech.live_speech import cut_alone
from speech.live_voices import Label, LiveVoices, Part, SessionVoice, infer
from speech.ports import Passage, Transcriber
from speech.speakers import LEAST_S, NOBODY, Diarisation, Speaker
from speech.turns import Turn
from speech.windows import Window
from utils.errors import InvalidRequestError

# A language that is detected with this probability, in so much speech, holds
_SURE = 0.8
_SURE_S = 2.0
# A piece that begins so soon after a doubtful one belongs to it
_NEAR_S = 1.5
_NOBODY = Label(NOBODY, NOT_REGISTERED)


@dataclass(frozen=True)
class Spoken:
    """What one speaker says in a stretch of speech. Times are those of the stream."""

    text: str
    start_s: float
    end_s: float
    label: Label
    voice: SessionVoice | None
    overlaps: bool
    language: str


class LiveWriter:
    """Writes down stretches of speech, each of them once.

    Attributes:
        language: code that was stated or is sure by now. None: each turn has its own.
    """

    def __init__(self, transcriber: Transcriber, language: str | None) -> None:
        self.language = language
        self._transcriber = transcriber
        self._doubtful: Piece | None = None

    def write(self, piece: Piece) -> Passage:
        """Write the words of a piece, in the times of the stream.

        A short piece without words counts with the next one, if that is near: a first
        word alone is often taken for none.
        """
        before = self._doubtful
        is_near = before is not None and piece.start_s - _end_s(before) <= _NEAR_S
        window = Window((before, piece) if before and is_near else (piece,))
        passage = self._write(window)
        is_doubtful = not passage.words and window.speech_s < SHORT_S
        self._doubtful = piece if is_doubtful else None
        return passage

    def forget(self) -> None:
        """Join nothing with what was before: sound is missing."""
        self._doubtful = None

    def guess(self, piece: Piece) -> Passage:
        """Write what an open piece has so far."""
        return self._write(Window((piece,)))

    def _write(self, window: Window) -> Passage:
        passage = self._transcriber.transcribe(window.samples, language=self.language, is_live=True)
        is_sure = passage.language_probability >= _SURE and window.speech_s >= _SURE_S
        if self.language is None and is_sure:
            self.language = passage.language
        spoken = filter_passage(passage, window.speech_s)
        return replace(spoken, words=tuple(map(window.place, spoken.words)))


def _end_s(piece: Piece) -> float:
    return piece.start_s + piece.duration_s


def tell_apart(piece: Piece, voices: Voices) -> Heard:
    """Tell the voices of a piece apart, in the times of the stream."""
    diariser = Diariser(Naming(voices))
    diariser.accept(piece.samples)
    heard = diariser.finish()
    return replace(heard, turns=tuple(_shift(turn, piece.start_s) for turn in heard.turns))


def join_words(passage: Passage, heard: Heard, voices: LiveVoices, piece: Piece) -> list[Spoken]:
    """Say who says which words of a passage, and keep what each voice of the piece says alone.

    Raises EncoderMismatchError, StoreUnavailableError.
    """
    if not passage.words:
        return []
    owners = _find_owners(heard, voices)
    _keep_speech(owners, heard, piece)
    # Voices are marked by their numbers, because two of them may have one name
    marks = {voice: Speaker(str(voice), None, "open") for voice in owners}
    line = Line(
        words=passage.words,
        mean_log_probability=passage.mean_log_probability,
        no_speech_probability=passage.no_speech_probability,
        compression_ratio=passage.compression_ratio,
    )
    turns = tuple(turn for turn in heard.turns if turn.voice in owners)
    spoken: list[Spoken] = []
    for part in attribute([line], Diarisation(turns, marks)):
        assert part.who is not None
        voice, label = (None, _NOBODY) if part.who is NOBODY else owners[int(part.who.label)]
        spoken.append(
            Spoken(
                text=part.text,
                start_s=part.start_s,
                end_s=part.end_s,
                label=label,
                voice=voice,
                overlaps=part.overlaps,
                language=passage.language,
            )
        )
    return _join_neighbours(spoken)


def _find_owners(heard: Heard, voices: LiveVoices) -> dict[int, tuple[SessionVoice | None, Label]]:
    """Find whose the voices of a piece are, by their numbers."""
    parts = {
        number: Part(vector, heard.clean_s(number)) for number, vector in heard.vectors.items()
    }
    matches = voices.hear(list(parts.values()))
    owners: dict[int, tuple[SessionVoice | None, Label]] = {}
    for number, voice in zip(parts, matches, strict=True):
        label = voice.label if voice else _NOBODY
        is_short = voice is not None and parts[number].seconds < LEAST_S
        owners[number] = (voice, infer(label) if is_short else label)
    return owners


def _keep_speech(
    owners: dict[int, tuple[SessionVoice | None, Label]], heard: Heard, piece: Piece
) -> None:
    """Keep what voices say alone. Too little may be another one's."""
    for number, (voice, _) in owners.items():
        if voice is not None and heard.clean_s(number) >= LEAST_S:
            voice.speech.add(cut_alone(piece, heard.turns, number))


def _join_neighbours(spoken: list[Spoken]) -> list[Spoken]:
    """Join parts that turned out to be of one voice."""
    joined: list[Spoken] = []
    for part in spoken:
        last = joined[-1] if joined else None
        if last and last.voice is not None and last.voice is part.voice:
            joined[-1] = replace(
                last,
                text=f"{last.text} {part.text}",
                end_s=part.end_s,
                overlaps=last.overlaps or part.overlaps,
            )
        else:
            joined.append(part)
    return joined


def _shift(turn: Turn, seconds: float) -> Turn:
    return replace(turn, start_s=turn.start_s + seconds, end_s=turn.end_s + seconds)


@dataclass
class _Entry:
    turn_id: int
    voice: SessionVoice
    label: Label
    revision: int = 0


class TurnBook:
    """Which turn is of which voice, and what the client was told of it."""

    def __init__(self) -> None:
        self._entries: dict[int, _Entry] = {}

    def add(self, turn_id: int, voice: SessionVoice, label: Label) -> None:
        """Note a turn as the client is told of it."""
        self._entries[turn_id] = _Entry(turn_id, voice, label)

    def voice_of(self, turn_id: int) -> SessionVoice:
        """Find the voice of a turn. Raises InvalidRequestError."""
        if turn_id not in self._entries:
            raise InvalidRequestError(
                "`turn_id` must be a turn of this session with a second of one voice. Received:"
                f" {turn_id}"
            )
        return self._entries[turn_id].voice.current

    def correct(self) -> list[Relabel]:
        """Correct the turns whose voices have another name by now."""
        changed: dict[str, list[_Entry]] = {}
        for entry in self._entries.values():
            label = entry.voice.current.label
            if _is_other(entry.label, label):
                entry.label = label
                entry.revision += 1
                changed.setdefault(label.speaker.label, []).append(entry)
        return [_relabel(entries) for entries in changed.values()]


def _is_other(before: Label, label: Label) -> bool:
    return (before.speaker.label, before.speaker_id) != (label.speaker.label, label.speaker_id)


def _relabel(entries: list[_Entry]) -> Relabel:
    revisions = {entry.turn_id: entry.revision for entry in entries}
    return Relabel(turns=revisions, **describe(entries[0].label))


def describe(label: Label) -> dict[str, Any]:
    """Write who it is, as the fields of `speech.events.SpeakerEvent`."""
    who = label.speaker
    return {
        "speaker_id": label.speaker_id,
        "speaker": who.label,
        "person_id": who.person_id,
        "outcome": who.outcome,
        "probability": who.probability,
    }


def write_time(seconds: float) -> str:
    """Write a time in seconds since 1970 as ISO 8601 in UTC."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
