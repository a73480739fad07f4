"""One live stream, from sound to events.

All state of a stream is here. The engine is shared and holds none. Each sample is decoded
once for the final text.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from recognition.voices import Voices
from speech.diarise import Heard
from speech.events import (
    Event,
    Gap,
    Notice,
    Partial,
    RegistrationCompleted,
    RegistrationStarted,
    Transcription,
    TranscriptionEnded,
    TranscriptionStarted,
    TurnDropped,
    TurnStarted,
)
from speech.listener import Piece
from speech.live_options import LiveOptions
from speech.live_sentences import say
from speech.live_sound import PcmReader
from speech.live_turns import (
    LiveWriter,
    Spoken,
    TurnBook,
    describe,
    join_words,
    tell_apart,
    write_time,
)
from speech.live_voices import LiveVoices
from speech.ports import Transcriber
from speech.registration import Registration
from speech.speakers import LEAST_S, Speaker
from speech.turn_cutter import TurnCutter
from utils.arrays import RATE_HZ, Float32Array
from utils.errors import InvalidRequestError

_NOTHING = Heard((), {})
_PASSED_OVER = Notice(
    code="sound_passed_over",
    message="Sound that comes before a start is passed over.",
    hint="Send start_transcription or start_speaker_registration first.",
)


class LiveSession:
    """Writes down a live stream, and says who speaks. It knows no socket.

    Sound is registered for a speaker, or written down, or passed over, as `mode` says.

    Attributes:
        mode: "waiting", "registering", "transcribing" or "ended".
        options: those in effect.
        heard_s: seconds of sound that were written down, gaps included.
        turns: number of turns with words.
    """

    def __init__(
        self,
        transcriber: Transcriber,
        voices: Voices,
        options: LiveOptions,
        *,
        clock: Callable[[], float],
        date: Callable[[], float] | None = None,
        tongue: str = "en",
    ) -> None:
        """Make a session.

        Args:
            transcriber: the engine, which is shared.
            voices: what knows voices, which is shared.
            options: how it hears, writes and names.
            clock: seconds that pass evenly, since any moment.
            date: seconds since 1970, by a clock that may be set meanwhile. Default: `clock`.
            tongue: language of the sentences for the user.
        """
        self.mode = "waiting"
        self.options = options
        self.heard_s = 0.0
        self.turns = 0
        self._clock = clock
        self._date = date or clock
        self._tongue = tongue
        self._arrived: float | None = None
        self._began_at = 0.0
        self._missing_s = 0.0
        self._reader = PcmReader()
        self._transcriber = transcriber
        self._voices = voices
        self._live_voices = LiveVoices(voices, options)
        self._writer = LiveWriter(transcriber, options.language or None)
        self._cutter = TurnCutter(options.cut_rule)
        self._book = TurnBook()
        self._registration: Registration | None = None
        self._count = 0
        self._open_turn: int | None = None
        self._was_told = False

    def note_command(self, arrived_at: float) -> None:
        """Take the time by `clock` at which a command came in.

        Its answers waited since then: nobody may have spoken for long.
        """
        if self._arrived is not None:
            self._arrived = arrived_at

    def state_rate(self, rate_hz: int) -> None:
        """Take sound of another rate from now on."""
        self._reader = PcmReader(rate_hz)

    def start_registration(self, speaker_id: int, name: str = "") -> list[Event]:
        """Take the sound that follows as speech of a speaker. Raises InvalidRequestError."""
        self._refuse_after_end()
        number = speaker_id + 1
        others = [v for n, v in self._live_voices.registered.items() if n != speaker_id]
        taken = {voice.current.label.speaker.label for voice in others}
        name = name or say(self._tongue, "speaker", number=number)
        if name in taken:
            raise InvalidRequestError(
                "Speakers of a session must have different names. Received:"
                f" {name[:40]!r}, which another one has"
            )
        events = self._flush()
        self.mode = "registering"
        self._registration = Registration(speaker_id, name)
        message = say(self._tongue, "speak", speaker=name)
        return self._stamp([*events, RegistrationStarted(speaker_id=speaker_id, message=message)])

    def complete_registration(self, speaker_id: int) -> list[Event]:
        """Know the speaker from now on. Raises InvalidRequestError, NoBiometricError."""
        registration = self._registration
        if registration is None or registration.speaker_id != speaker_id:
            raise InvalidRequestError(
                f"The registration of this speaker was not started. Received: {speaker_id}"
            )
        speech, speech_s = registration.find_speech()
        self._live_voices.register(speaker_id, registration.name, speech)
        self._registration = None
        self.mode = "waiting"
        completed = RegistrationCompleted(
            speaker_id=speaker_id,
            message=say(self._tongue, "registered", speaker=registration.name),
            speaker=registration.name,
            speech_s=speech_s,
        )
        return self._stamp([completed])

    def start(
        self, options: LiveOptions | None = None, transcriber: Transcriber | None = None
    ) -> list[Event]:
        """Write down the sound that follows, with other options and another engine if stated.

        Raises InvalidRequestError.
        """
        self._refuse_after_end()
        if self.mode == "transcribing":
            raise InvalidRequestError("The transcription has started already.")
        self.options = options or self.options
        self._live_voices.options = self.options
        self._writer = LiveWriter(transcriber or self._transcriber, self.options.language or None)
        self._cutter = TurnCutter(self.options.cut_rule, first_s=self.heard_s - self._missing_s)
        self._registration = None
        self.mode = "transcribing"
        return self._stamp([TranscriptionStarted(options=dataclasses.asdict(self.options))])

    def accept(self, pcm16: bytes, *, arrived_at: float | None = None) -> list[Event]:
        """Take the next sound: PCM16, little-endian, one channel, at the stated rate.

        `arrived_at` is the time by `clock` at which it came in. Default: now.

        Raises InvalidRequestError for half samples, and what the engine and the store
        raise.
        """
        samples = self._reader.read(pcm16)
        self._arrived = self._clock() if arrived_at is None else arrived_at
        if self._registration is not None:
            self._registration.accept(samples)
            return []
        if self.mode != "transcribing":
            return self._pass_over()
        if not self.heard_s:
            self._began_at = self._date() - self._clock() + self._arrived - len(samples) / RATE_HZ
        self.heard_s += len(samples) / RATE_HZ
        events = self._write(self._cutter.accept(samples))
        return self._stamp([*events, *self._start_turn()])

    def peek(self) -> list[Event]:
        """Write the open turn so far, if somebody is speaking. It costs a decode."""
        piece = self._cutter.peek()
        if self._open_turn is None or piece is None or not self._cutter.is_speaking:
            return []
        passage = self._writer.guess(piece)
        if not passage.words:
            return []
        start_s = piece.segment.start_s + self._missing_s
        partial = Partial(turn_id=self._open_turn, start_s=start_s, text=passage.text)
        return self._stamp([partial])

    def mark_gap(self, missing_s: float) -> list[Event]:
        """Note that sound of so many seconds is missing. The open turn ends before it."""
        if self.mode != "transcribing":
            return []
        events = self._flush()
        self._writer.forget()
        gap = Gap(start_s=self.heard_s, missing_s=missing_s)
        self._missing_s += missing_s
        self.heard_s += missing_s
        return self._stamp([*events, gap])

    def speech_of(self, turn_id: int) -> Float32Array:
        """What the voice of a turn said alone, newest last, (n,). Raises InvalidRequestError."""
        return self._book.voice_of(turn_id).speech.samples

    def tell(self, turn_id: int, name: str, person_id: str | None = None) -> list[Event]:
        """Note who says a turn, and all others of the voice. Raises InvalidRequestError."""
        voice = self._book.voice_of(turn_id)
        self._live_voices.tell(voice, Speaker(name, person_id, "named"))
        return self._stamp(list(self._book.correct()))

    def finish(self, reason: str = "complete") -> list[Event]:
        """End the session, also in mid-word, and return what is left."""
        if self.mode == "ended":
            return []
        events = self._flush()
        self._registration = None
        self.mode = "ended"
        self._live_voices.note(self.heard_s)
        ended = TranscriptionEnded(reason=reason, turns=self.turns, duration_s=self.heard_s)
        return self._stamp([*events, ended])

    def _refuse_after_end(self) -> None:
        if self.mode == "ended":
            raise InvalidRequestError("The session has ended.", "Open another one.")

    def _pass_over(self) -> list[Event]:
        if self._was_told:
            return []
        self._was_told = True
        return self._stamp([_PASSED_OVER])

    def _flush(self) -> list[Event]:
        return self._write(self._cutter.finish()) if self.mode == "transcribing" else []

    def _start_turn(self) -> list[Event]:
        """Say who speaks as soon as there is a second of speech."""
        piece = self._cutter.peek()
        if self._open_turn is not None or self._cutter.open_speech_s < LEAST_S or piece is None:
            return []
        label = self._live_voices.guess(self._voices.embed(piece.samples), LEAST_S)
        self._count += 1
        self._open_turn = self._count
        start_s = piece.segment.start_s + self._missing_s
        return [TurnStarted(turn_id=self._count, start_s=start_s, **describe(label))]

    def _write(self, pieces: list[Piece]) -> list[Event]:
        events: list[Event] = []
        for piece in pieces:
            events += self._write_one(piece)
        return events

    def _write_one(self, piece: Piece) -> list[Event]:
        passage = self._writer.write(piece)
        heard = tell_apart(piece, self._voices) if passage.words else _NOTHING
        parts = join_words(passage, heard, self._live_voices, piece)
        events: list[Event] = [self._transcribe(part) for part in parts]
        if self._open_turn is not None:
            events.append(TurnDropped(turn_id=self._open_turn))
            self._open_turn = None
        return [*events, *self._book.correct()]

    def _transcribe(self, part: Spoken) -> Transcription:
        """Make the message of a part. The first one is the turn that was open."""
        if self._open_turn is None:
            self._count += 1
        turn_id = self._open_turn or self._count
        self._open_turn = None
        self.turns += 1
        if part.voice is not None:
            self._book.add(turn_id, part.voice, part.label)
        start_s = part.start_s + self._missing_s
        return Transcription(
            text=part.text,
            timestamp=write_time(self._began_at + start_s),
            turn_id=turn_id,
            revision=0,
            start_s=start_s,
            end_s=part.end_s + self._missing_s,
            overlap=part.overlaps,
            language=part.language,
            **describe(part.label),
        )

    def _stamp(self, events: Sequence[Event]) -> list[Event]:
        arrived = self._arrived
        lag_s = 0.0 if arrived is None else max(0.0, self._clock() - arrived)
        return [dataclasses.replace(event, lag_s=lag_s) for event in events]
