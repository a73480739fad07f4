"""The voices of a live session: which turns are of one voice, and whose it is.

A voice of a turn joins the nearest voice of the session, by the calibrated
log-likelihood ratio that recordings are clustered by. Registered speakers are voices of
the session from the start. Every voice is pooled over all that it says alone. The others
are named by the open-set decision among the people of the gallery, anew with each turn.
So a name may come, or change, while the session goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.optimize import linear_sum_assignment

from recognition.sides import Side
from recognition.visitors import HeardPerson
from recognition.voices import Voices
from speech.events import NOT_REGISTERED
from speech.live_options import LiveOptions
from speech.live_speech import KeptSpeech
from speech.speakers import LEAST_S, Speaker, heard_of, to_speaker
from utils.arrays import RATE_HZ, Float32Array, Float64Array, unit

ONE_VOICE = 0.0
"""Log-likelihood ratio from which a turn is of a voice of the session.

Turns are shorter than what whole recordings are clustered by, and all that was heard
stands against each. Figures: docs/live.md.
"""
# Two voices of the session that turn out to be one, by all that was heard of both
_JOINED = 2.5
# Less than `LEAST_S` of speech says less against a voice. It makes no voice either
_ONE_VOICE_SHORT = -1.5
# Ratios that decide whatever the others are: never, and by the cosine alone
_NEVER = -1e6
_SIMILAR = 1e3
# Vectors that a voice is pooled from weigh so many seconds together at most, so that it
# follows a voice that changes
_MOST_S = 60.0


@dataclass(frozen=True)
class Label:
    """Who a message says it is. `speaker_id` as of `speech.events`."""

    speaker: Speaker
    speaker_id: int = NOT_REGISTERED

    def is_same(self, other: Label) -> bool:
        """Whether both are one person."""
        names = (self.speaker.label, self.speaker.person_id)
        return names == (other.speaker.label, other.speaker.person_id)


@dataclass(frozen=True)
class Part:
    """A voice of a stretch: a vector (512,), and how much was heard of it alone."""

    vector: Float32Array
    seconds: float


@dataclass(eq=False)
class SessionVoice:
    """A voice of the session.

    Attributes:
        total: sum of vectors (512,), weighted by seconds.
        seconds: how much of the voice was heard.
        label: whose it is.
        stranger: its number among the strangers, which it keeps.
        is_told: it registered, or a person said whose it is. No decision changes that.
        has_spoken: it is of a turn.
        beside: voices that were heard beside it, which are other people.
        joined: the voice that it turned out to be.
        speech: what it said alone, to enrol it.
    """

    total: Float32Array
    seconds: float
    label: Label
    stranger: int
    is_told: bool = False
    has_spoken: bool = False
    beside: set[SessionVoice] = field(default_factory=set)
    joined: SessionVoice | None = None
    speech: KeptSpeech = field(default_factory=KeptSpeech)

    @property
    def current(self) -> SessionVoice:
        """The voice that this one was joined to, or itself."""
        return self if self.joined is None else self.joined.current

    @property
    def is_registered(self) -> bool:
        """Whether it is of a registered speaker."""
        return self.label.speaker_id != NOT_REGISTERED

    @property
    def vector(self) -> Float32Array:
        """What stands for the voice, (512,) of unit length."""
        return np.asarray(unit(self.total[None])[0], np.float32)

    def take(self, other: SessionVoice) -> None:
        """Take all of another voice, and its name where that is surer."""
        self.add(other.vector, other.seconds)
        if other.surety > self.surety:
            self.label = other.label
        self.is_told = self.is_told or other.is_told
        self.beside |= other.beside
        self.speech.add(other.speech.samples)
        other.speech = KeptSpeech()
        other.joined = self

    @property
    def surety(self) -> int:
        """How sure the name is: by a registration, a person, a decision, or not at all."""
        is_named = self.label.speaker.outcome == "named"
        return 3 if self.is_registered else 2 if self.is_told else int(is_named)

    def add(self, vector: Float32Array, seconds: float) -> None:
        """Pool another vector (512,)."""
        keep = np.float32(min(1.0, max(0.0, _MOST_S - seconds) / max(self.seconds, 1e-6)))
        self.total = self.total * keep + vector * np.float32(seconds)
        self.seconds = min(self.seconds + seconds, _MOST_S)


class LiveVoices:
    """The voices of one session, registered speakers and people of the gallery.

    Attributes:
        options: those in effect.
        registered: voice of each registered speaker, by number.
        heard: voices of the session so far, those of registered speakers among them.
    """

    def __init__(self, voices: Voices, options: LiveOptions) -> None:
        self.options = options
        self.registered: dict[int, SessionVoice] = {}
        self.heard: list[SessionVoice] = []
        self._voices = voices
        self._strangers = 0
        self._sighted: set[str] = set()

    def register(self, speaker_id: int, name: str, speech: Float32Array) -> None:
        """Know a speaker by speech (n,) from now on. A number that is taken is replaced."""
        seconds = len(speech) / RATE_HZ
        total = self._voices.embed(speech) * np.float32(seconds)
        label = Label(Speaker(name, None, "named"), speaker_id)
        voice = SessionVoice(total, seconds, label, stranger=0, is_told=True)
        before = self.registered.get(speaker_id)
        self.heard = [other for other in self.heard if other is not before]
        self.heard.append(voice)
        self.registered[speaker_id] = voice

    def guess(self, vector: Float32Array, seconds: float) -> Label:
        """Say who a voice is so far, without learning from it.

        Raises EncoderMismatchError, StoreUnavailableError.
        """
        self._forget_deleted()
        (voice,) = self._match([Part(vector, seconds)])
        if voice is not None:
            return voice.label
        return self._name(vector, seconds, self._strangers + 1)

    def hear(self, parts: Sequence[Part]) -> list[SessionVoice | None]:
        """Find the session's voice that each voice of a stretch is, or make a new one.

        Voices of one stretch are two people. Less than `LEAST_S` of one makes no new
        voice: None, where none is near. Raises EncoderMismatchError,
        StoreUnavailableError.
        """
        self._forget_deleted()
        matches = self._match(parts)
        for number, part in enumerate(parts):
            if matches[number] is None and self._is_full:
                (matches[number],) = self._match([part])
            if part.seconds >= LEAST_S:
                matches[number] = self._learn(part, matches[number])
        beside = {voice for voice in matches if voice is not None}
        for voice in beside:
            voice.beside |= beside - {voice}
        return [voice and self._merge(voice.current) for voice in matches]

    def tell(self, voice: SessionVoice, speaker: Speaker) -> SessionVoice:
        """Note whose a voice is, as a person says."""
        voice.label = Label(speaker, voice.label.speaker_id)
        voice.is_told = True
        return self._merge(voice)

    def list_named(self) -> set[str]:
        """Ids of the people of the gallery who were named."""
        ids = (voice.label.speaker.person_id for voice in self.heard)
        return {person_id for person_id in ids if person_id}

    def note(self, seconds: float) -> None:
        """Note in the audit how long the session was, and whom it named."""
        strangers = sum(voice.label.speaker.outcome == "unknown" for voice in self.heard)
        if strangers and self.options.names != "registered":
            self._voices.sight("live", HeardPerson())
        detail = {"seconds": round(seconds)}
        self._voices.note(self.list_named(), strangers, action="live", detail=detail)

    def _forget_deleted(self) -> None:
        """Take the names of people who were deleted meanwhile from their voices."""
        deleted = {one for one in self.list_named() if not self._voices.is_there(one)}
        for voice in self.heard:
            if voice.label.speaker.person_id in deleted:
                self._strangers += 1
                voice.stranger = self._strangers
                voice.is_told = False
                voice.label = Label(to_speaker(None, voice.stranger), voice.label.speaker_id)

    def _match(self, parts: Sequence[Part]) -> list[SessionVoice | None]:
        """Match voices of one stretch with those of the session, each with another one.

        The sum of the ratios is the highest. None: no voice is near enough.
        """
        voices = self._list_possible()
        least = [ONE_VOICE if part.seconds >= LEAST_S else _ONE_VOICE_SHORT for part in parts]
        if self._is_full:
            least = [_NEVER / 2] * len(parts)
        ratios = np.full((len(parts), len(voices) + len(parts)), _NEVER)
        ratios[:, : len(voices)] = self._compare(parts, voices)
        ratios[:, len(voices) :][np.diag_indices(len(parts))] = least
        _, columns = linear_sum_assignment(ratios, maximize=True)
        return [voices[n] if n < len(voices) else None for n in columns]

    def _compare(self, parts: Sequence[Part], voices: Sequence[SessionVoice]) -> Float64Array:
        """Ratios (parts, voices) that they are one, as the options have it."""
        if not voices or not parts:
            return np.zeros((len(parts), len(voices)))
        sides: list[Part | SessionVoice] = [*parts, *voices]
        vectors = np.stack([side.vector for side in sides])
        ratios = self._voices.compare(vectors, np.array([side.seconds for side in sides]))
        ratios = ratios[: len(parts), len(parts) :].copy()
        for row, part in enumerate(parts):
            for column, voice in enumerate(voices):
                ratios[row, column] = self._heed_options(ratios[row, column], part, voice)
        return ratios

    def _heed_options(self, ratio: float, part: Part, voice: SessionVoice) -> float:
        """The ratio that counts: a registered speaker may have to reach a cosine instead."""
        if not self._may_be(voice, part.vector):
            return _NEVER
        is_similar = voice.is_registered and self.options.similarity_threshold > 0
        return _SIMILAR * float(part.vector @ voice.vector) if is_similar else ratio

    def _list_possible(self) -> list[SessionVoice]:
        """List the voices that there are. They are those who spoke, if these are all."""
        spoke = [voice for voice in self.heard if voice.has_spoken]
        return spoke if 0 < self.options.num_speakers <= len(spoke) else self.heard

    @property
    def _is_full(self) -> bool:
        """Whether the session has as many voices as the options allow, registered ones too."""
        return 0 < self.options.num_speakers <= len(self.heard)

    def _may_be(self, voice: SessionVoice, vector: Float32Array) -> bool:
        """Whether the options let a vector (512,) be of a voice."""
        if not voice.is_registered:
            return True
        threshold = self.options.similarity_threshold
        is_similar = not threshold or float(vector @ voice.vector) >= threshold
        return is_similar and self.options.names != "gallery"

    def _learn(self, part: Part, voice: SessionVoice | None) -> SessionVoice:
        """Pool what a voice says with what it said before."""
        if voice is None:
            voice = self._make(part)
        else:
            voice.add(part.vector, part.seconds)
        voice.has_spoken = True
        self._decide(voice)
        return voice

    def _make(self, part: Part) -> SessionVoice:
        stranger = self._strangers + 1
        label = self._name(part.vector, part.seconds, stranger)
        self._strangers += label.speaker.outcome != "named"
        stranger = stranger if label.speaker.outcome != "named" else 0
        total = part.vector * np.float32(part.seconds)
        voice = SessionVoice(total, part.seconds, label, stranger)
        self.heard.append(voice)
        return voice

    def _decide(self, voice: SessionVoice) -> None:
        """Decide anew whose a voice is. A name stays until another one is accepted."""
        if voice.is_told:
            return
        label = self._name(voice.vector, voice.seconds, voice.stranger)
        if label.speaker.outcome == "named" or voice.label.speaker.outcome != "named":
            voice.label = label
            self._sight(label.speaker)

    def _sight(self, speaker: Speaker) -> None:
        """Tell that a person is heard, once a session and before its end."""
        person_id = speaker.person_id
        if person_id and person_id not in self._sighted:
            self._sighted.add(person_id)
            self._voices.sight("live", heard_of(speaker))

    def _name(self, vector: Float32Array, seconds: float, stranger: int) -> Label:
        """Say whose a voice is that did not register."""
        if self.options.names == "registered":
            return Label(Speaker(f"unknown {stranger}", None, "unknown"))
        decision = self._voices.decide(Side(vector, speech_s=seconds))
        return Label(to_speaker(decision, stranger))

    def _merge(self, voice: SessionVoice) -> SessionVoice:
        """Join a voice with those of its name, or of its sound, into the first of them."""
        first, *others = [other for other in self.heard if self._is_one(voice, other)]
        for other in others:
            first.take(other)
        self.heard = [other for other in self.heard if other.joined is None]
        return first

    def _is_one(self, voice: SessionVoice, other: SessionVoice) -> bool:
        """Whether a voice and another one of the session are one, or the same."""
        if voice is other or voice.label.is_same(other.label):
            return True
        if other in voice.beside or (voice.is_told and other.is_told):
            return False
        if not (self._may_be(voice, other.vector) and self._may_be(other, voice.vector)):
            return False
        vectors = np.stack([voice.vector, other.vector])
        lengths = np.array([voice.seconds, other.seconds])
        return bool(self._voices.compare(vectors, lengths)[0, 1] >= _JOINED)


def infer(label: Label) -> Label:
    """Mark a label as one that a short turn goes by."""
    outcome = "inferred" if label.speaker.outcome == "named" else label.speaker.outcome
    return replace(label, speaker=replace(label.speaker, outcome=outcome, probability=None))
