"""One channel of a recording: the words and the voices of the same sound."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from speech.attribution import attribute
from speech.checkpoints import Checkpoint
from speech.diarise import Diariser, Heard, Naming, join_channels, name_voices
from speech.lines import Line
from speech.speakers import Speaker
from speech.transcription_session import TranscriptionSession
from speech.transcripts import SpokenLine
from utils.arrays import Float32Array


class Track:
    """Writes down one channel, and tells its voices apart where they are to be named.

    Attributes:
        session: what was made of the sound so far.
        diariser: what hears the voices; None = they are not asked for.
        lines: all lines so far.
    """

    def __init__(
        self,
        session: TranscriptionSession,
        naming: Naming | None = None,
        lines: Iterable[Line] = (),
    ) -> None:
        self.session = session
        self.diariser = Diariser(naming) if naming else None
        self.lines = list(lines)

    @property
    def words(self) -> int:
        """Number of words so far."""
        return sum(len(line.words) for line in self.lines)

    @property
    def checkpoint(self) -> Checkpoint:
        """What is written so far."""
        return Checkpoint(self.session.windows, self.session.language, tuple(self.lines))

    def accept(self, samples: Float32Array) -> list[Line]:
        """Take the next samples (n,) and return the lines that are done."""
        if self.diariser:
            self.diariser.accept(samples)
        return self._keep(self.session.accept(samples))

    def finish(self) -> list[Line]:
        """End the channel and return the lines that are left."""
        return self._keep(self.session.finish())

    def _keep(self, lines: list[Line]) -> list[Line]:
        self.lines += lines
        return lines


def join_lines(tracks: Sequence[Track]) -> list[SpokenLine]:
    """Join the lines of all channels. With several, each is a speaker of its own."""
    spoken: list[SpokenLine] = []
    for number, track in enumerate(tracks, 1):
        who = Speaker(f"channel {number}", None, "open") if len(tracks) > 1 else None
        spoken += [SpokenLine(line, who) for line in track.lines]
    return sorted(spoken, key=lambda line: line.start_s)


def hear_voices(tracks: Sequence[Track]) -> Heard:
    """End the channels, and tell the voices of all of them apart."""
    return join_channels([track.diariser.finish() for track in tracks if track.diariser])


def name_lines(tracks: Sequence[Track], heard: Heard, naming: Naming) -> list[SpokenLine]:
    """Join the lines of all channels, with those who say them.

    Raises EncoderMismatchError, StoreUnavailableError.
    """
    diarisation = name_voices(heard, naming)
    spoken: list[SpokenLine] = []
    for number, track in enumerate(tracks):
        spoken += attribute(track.lines, diarisation.of_channel(number))
    return sorted(spoken, key=lambda line: line.start_s)
