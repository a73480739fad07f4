"""Voices of a recording: their vectors, how alike they are, and whose they are.

What `speech` asks of the networks and of the gallery. A voice is named by the same
calibrated open-set decision as a clip.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gallery.ports import VoiceEncoder
from gallery.records.feed import PersonRef, Revision
from gallery.results import MAX_PAGE
from gallery.search.memory import Snapshot
from gallery.store import Store
from gallery.vectors import means
from recognition.identifier import Identifier
from recognition.journal import Journal
from recognition.matching import Side
from recognition.results import Decision
from recognition.visitors import heard_visit
from scoring.calibration import Calibration
from utils.arrays import EMBEDDING_SIZE, RATE_HZ, Float32Array, Float64Array
from utils.errors import InvalidRequestError
from utils.media import Waveform
from utils.modality import Modality

_NOWHERE = Revision("", "", 0)


@dataclass(frozen=True)
class KnownVoice:
    """A voice that a request brings along: a name, and a vector (512,) of unit length."""

    name: str
    vector: Float32Array


class Voices:
    """Embeds voices, compares them, and finds whose they are. Shared by all threads."""

    def __init__(
        self, store: Store, encoder: VoiceEncoder, identifier: Identifier, journal: Journal
    ) -> None:
        self._store = store
        self._encoder = encoder
        self._identifier = identifier
        self._journal = journal

    def embed(self, speech: Float32Array) -> Float32Array:
        """Embed 16 kHz speech (n,) of one voice, without anything else, as (512,)."""
        return self._encoder.embed(Waveform(speech, RATE_HZ)).vector

    def compare(self, vectors: Float32Array, seconds: Float64Array) -> Float64Array:
        """Compare each voice with each, as `compare_all` does."""
        return compare_all(vectors, seconds, self._encoder.calibration)

    def among(self, names: Sequence[str], references: Sequence[KnownVoice] = ()) -> Snapshot | None:
        """Make a gallery of some people, and of voices that the request brings.

        Args:
            names: ids or names of people of the gallery.
            references: others, who need not be in the gallery.

        Returns:
            A gallery of these alone. None: nobody is named, so everybody is searched.

        Raises:
            InvalidRequestError: nobody has a name, or several people have it.
        """
        if not names and not references:
            return None
        people = [self._find(name) for name in dict.fromkeys(names)]
        refs = [PersonRef(0, person_id, name) for person_id, name in people]
        vectors = [self._vector_of(person_id) for person_id, _ in people]
        refs += [PersonRef(0, "", voice.name) for voice in references]
        return make_snapshot(refs, [*vectors, *(voice.vector for voice in references)])

    def decide(self, voice: Side, among: Snapshot | None = None) -> Decision:
        """Decide whose a voice is, of the gallery or of the people in `among`.

        Raises EncoderMismatchError, StoreUnavailableError.
        """
        return self._identifier.decide_voice(voice, among)

    def sight(self, person_id: str | None, source: str, probability: float | None = None) -> None:
        """Note that a person, or somebody unknown, is heard, as a visit and a sighting."""
        self._journal.sight(source, person_id)
        self._journal.note_visit(heard_visit(source, person_id, probability))

    def note(
        self,
        person_ids: Collection[str],
        strangers: int,
        *,
        action: str = "transcribe",
        detail: Mapping[str, str | int] | None = None,
    ) -> None:
        """Note in the audit whom a transcript names, and how many voices it does not."""
        more = dict(detail or {})
        for person_id in person_ids:
            self._journal.note(action, "named", person_id=person_id, detail=more)
        if strangers or not person_ids:
            self._journal.note(action, "unknown", detail={"voices": strangers, **more})

    def _find(self, name: str) -> tuple[str, str]:
        """Find the id and the name of a person by either."""
        if person := self._store.find_person(name):
            return person.person_id, person.name
        page = self._store.list_people(search=name, limit=MAX_PAGE)
        matches = [person for person in page.people if person.name == name]
        if len(matches) != 1:
            raise InvalidRequestError(
                f"A speaker must be the id, or the name, of one person. Received: {name[:80]!r},"
                f" the name of {len(matches)}",
            )
        return matches[0].person_id, matches[0].name

    def _vector_of(self, person_id: str) -> Float32Array | None:
        ids = {Modality.VOICE: self._encoder.encoder_id}
        stored = self._store.vectors_of(person_id, ids).get(Modality.VOICE)
        return None if stored is None else means(stored.vectors, stored.owners)[1][0]


def make_snapshot(refs: Sequence[PersonRef], vectors: Iterable[Float32Array | None]) -> Snapshot:
    """Make a gallery of people known by voice alone. Those without a vector count as well."""
    rows = list(vectors)
    keys = np.arange(1, len(rows) + 1, dtype=np.int64)
    nothing = np.zeros((len(rows), EMBEDDING_SIZE), np.float32)
    voice = nothing.copy()
    has = np.zeros(len(rows), np.bool_)
    nobody = has.copy()
    for row, vector in enumerate(rows):
        if vector is not None:
            voice[row] = vector
            has[row] = True
    return Snapshot(
        revision=_NOWHERE,
        keys=keys,
        vectors={Modality.VOICE: voice, Modality.FACE: nothing, Modality.FUSED: nothing},
        has={Modality.VOICE: has, Modality.FACE: nobody, Modality.FUSED: nobody},
        refs={
            int(key): PersonRef(int(key), ref.person_id, ref.name)
            for key, ref in zip(keys, refs, strict=True)
        },
        stale=(),
        people=len(rows),
    )


def compare_all(
    vectors: Float32Array, seconds: Float64Array, calibration: Calibration
) -> Float64Array:
    """Compare each voice with each, as `recognition.matching.compare` does two clips.

    Args:
        vectors: (n, 512) float32 of unit length.
        seconds: (n,) seconds of speech behind each.
        calibration: that of voices.

    Returns:
        (n, n) natural log-likelihood ratios that two are one voice, symmetric.
    """
    norm = calibration.norm
    level, scale = norm.probe(vectors, seconds)
    side = level + norm.person(vectors) + scale * norm.deduction()
    cosines = np.clip(vectors @ vectors.T, -1.0, 1.0)
    levels = (side[:, None] + side[None, :]) / 2
    scales = (scale[:, None] + scale[None, :]) / 2
    return calibration.llr((cosines - levels) / scales)
