"""The voices of a live session: which turns are of one voice, and whose it is.

A voice of a turn joins the nearest voice of the session, by the calibrated
log-likelihood ratio that recordings are clustered by. Each voice is named by the open-set
decision, pooled over all that it has said alone. So a name may come, or change, while the
session goes on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gallery.search.memory import Snapshot
from recognition.matching import Side
from recognition.results import Decision
from recognition.voices import KnownVoice, Voices
from speech.clusters import ONE_VOICE
from speech.events import NOT_REGISTERED
from speech.live_options import LiveOptions
from speech.speakers import LEAST_S, Speaker, to_speaker
from utils.arrays import Float32Array, unit

# Vectors that a voice is pooled from weigh so many seconds together at most, so that it
# follows a voice that changes
_MOST_S = 60.0


@dataclass(frozen=True)
class Label:
    """Who a message says it is. `speaker_id` as of `speech.events`."""

    speaker: Speaker
    speaker_id: int = NOT_REGISTERED


@dataclass
class SessionVoice:
    """A voice of the session.

    Attributes:
        total: sum of vectors (512,), weighted by seconds.
        seconds: how much of the voice was heard.
        label: whose it is.
        stranger: its number among the strangers, which it keeps.
        is_told: a person said whose it is, which no decision changes.
        joined: the voice that it turned out to be.
    """

    total: Float32Array
    seconds: float
    label: Label
    stranger: int
    is_told: bool = False
    joined: SessionVoice | None = None

    @property
    def current(self) -> SessionVoice:
        """The voice that this one was joined to, or itself."""
        return self if self.joined is None else self.joined.current

    @property
    def vector(self) -> Float32Array:
        """What stands for the voice, (512,) of unit length."""
        return np.asarray(unit(self.total[None])[0], np.float32)

    def add(self, vector: Float32Array, seconds: float) -> None:
        """Pool another vector (512,)."""
        keep = np.float32(min(1.0, max(0.0, _MOST_S - seconds) / max(self.seconds, 1e-6)))
        self.total = self.total * keep + vector * np.float32(seconds)
        self.seconds = min(self.seconds + seconds, _MOST_S)


class LiveVoices:
    """The voices of one session, registered speakers and people of the gallery.

    Attributes:
        registered: name of each registered speaker, by number.
        heard: voices of the session so far.
    """

    def __init__(self, voices: Voices, options: LiveOptions) -> None:
        self.options = options
        self.registered: dict[int, KnownVoice] = {}
        self.heard: list[SessionVoice] = []
        self._voices = voices
        self._snapshot: Snapshot | None = None
        self._strangers = 0

    def embed(self, speech: Float32Array) -> Float32Array:
        """Embed speech (n,) of one voice as (512,)."""
        return self._voices.embed(speech)

    def register(self, speaker_id: int, name: str, speech: Float32Array) -> None:
        """Know a speaker by speech (n,) from now on. A number that is taken is replaced."""
        self.registered[speaker_id] = KnownVoice(name, self._voices.embed(speech))
        self._snapshot = self._voices.among((), list(self.registered.values()))

    def guess(self, vector: Float32Array, seconds: float) -> Label:
        """Say who a voice is so far, without learning from it.

        Raises EncoderMismatchError, StoreUnavailableError.
        """
        voice = self._find(vector, seconds)
        if voice is not None:
            return voice.label
        return self._name(vector, seconds, self._strangers + 1)

    def hear(self, vector: Float32Array | None, seconds: float) -> SessionVoice | None:
        """Find the session's voice that a voice of a turn is, or make a new one.

        `seconds` of it were heard alone. Less than `LEAST_S` makes no new voice: None,
        where none is near. Raises EncoderMismatchError, StoreUnavailableError.
        """
        if vector is None:
            return None
        voice = self._find(vector, seconds)
        if seconds < LEAST_S:
            return voice
        if voice is None:
            voice = self._make(vector, seconds)
        else:
            voice.add(vector, seconds)
        self._decide(voice)
        return self._merge(voice)

    def tell(self, voice: SessionVoice, speaker: Speaker) -> SessionVoice:
        """Note whose a voice is, as a person says."""
        voice.label = Label(speaker)
        voice.is_told = True
        return self._merge(voice)

    def list_named(self) -> set[str]:
        """Ids of the people of the gallery who were named."""
        ids = (voice.label.speaker.person_id for voice in self.heard)
        return {person_id for person_id in ids if person_id}

    def note(self, seconds: float) -> None:
        """Note in the audit how long the session was, and whom it named."""
        strangers = sum(voice.label.speaker.outcome == "unknown" for voice in self.heard)
        detail = {"seconds": round(seconds)}
        self._voices.note(self.list_named(), strangers, action="live", detail=detail)

    def _find(self, vector: Float32Array, seconds: float) -> SessionVoice | None:
        """Find the nearest voice, if it is near enough, or if there may be no other."""
        if not self.heard:
            return None
        vectors = np.stack([*(voice.vector for voice in self.heard), vector])
        lengths = np.array([*(voice.seconds for voice in self.heard), seconds])
        ratios = self._voices.compare(vectors, lengths)[-1, :-1]
        best = int(ratios.argmax())
        is_full = 0 < self.options.num_speakers <= len(self.heard)
        return self.heard[best] if is_full or ratios[best] >= ONE_VOICE else None

    def _make(self, vector: Float32Array, seconds: float) -> SessionVoice:
        label = self._name(vector, seconds, self._strangers + 1)
        stranger = self._strangers + 1 if label.speaker.outcome != "named" else 0
        self._strangers = max(self._strangers, stranger)
        voice = SessionVoice(vector * np.float32(seconds), seconds, label, stranger)
        self.heard.append(voice)
        return voice

    def _decide(self, voice: SessionVoice) -> None:
        """Decide anew whose a voice is. A name stays until another one is accepted."""
        if voice.is_told:
            return
        label = self._name(voice.vector, voice.seconds, voice.stranger)
        if label.speaker.outcome == "named" or voice.label.speaker.outcome != "named":
            voice.label = label

    def _name(self, vector: Float32Array, seconds: float, stranger: int) -> Label:
        side = Side(vector, speech_s=seconds)
        if self._snapshot is not None and self.options.names != "gallery":
            if self.options.similarity_threshold:
                if label := self._find_similar(vector):
                    return label
            elif label := self._read(self._voices.decide(side, self._snapshot)):
                return label
        if self.options.names == "registered":
            return Label(Speaker(f"unknown {stranger}", None, "unknown"))
        decision = self._voices.decide(side)
        return Label(to_speaker(decision, stranger))

    def _find_similar(self, vector: Float32Array) -> Label | None:
        """Find the registered speaker of the highest cosine, if that reaches the threshold."""
        numbers = list(self.registered)
        cosines = [float(vector @ self.registered[number].vector) for number in numbers]
        best = int(np.argmax(cosines))
        if cosines[best] < self.options.similarity_threshold:
            return None
        name = self.registered[numbers[best]].name
        return Label(Speaker(name, None, "named"), numbers[best])

    def _read(self, decision: Decision) -> Label | None:
        """Read a decision among the registered speakers. None: it is none of them."""
        if decision.match is None:
            return None
        number = next(n for n, v in self.registered.items() if v.name == decision.match.name)
        return Label(to_speaker(decision, 0), number)

    def _merge(self, voice: SessionVoice) -> SessionVoice:
        """Join voices that have one name, into the one that was heard first."""
        name = voice.label.speaker.label
        alike = [other for other in self.heard if other.label.speaker.label == name]
        first = alike[0]
        for other in alike[1:]:
            first.add(unit(other.total[None])[0], other.seconds)
            first.label = voice.label
            first.is_told = first.is_told or other.is_told
            other.joined = first
        self.heard = [other for other in self.heard if other.joined is None]
        return first


def infer(label: Label) -> Label:
    """Mark a label as one that a short turn goes by."""
    outcome = "inferred" if label.speaker.outcome == "named" else label.speaker.outcome
    return replace(label, speaker=replace(label.speaker, outcome=outcome, probability=None))
