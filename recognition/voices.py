"""Voices of a recording: their vectors, how alike they are, and whose they are.

What `speech` asks of the networks and of the gallery. A voice, and the face that talks
in it, are named by the same calibrated open-set decision as a clip.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from gallery.ports import Encoders
from gallery.records.feed import PersonRef, Revision
from gallery.results import MAX_PAGE
from gallery.search.memory import ALL, Snapshot
from gallery.store import Store
from gallery.vectors import represent
from recognition.agreement import Sample, find_odd_faces, least_llr, llr_of
from recognition.identifier import Identifier
from recognition.journal import Journal
from recognition.looking import Looking
from recognition.results import Decision
from recognition.sides import Side
from recognition.visitors import HeardPerson, heard_visit
from scoring.calibration import Calibration
from utils.arrays import EMBEDDING_SIZE, RATE_HZ, BoolArray, Float32Array, Float64Array
from utils.errors import InvalidNameError, InvalidRequestError
from utils.media import AlignedFace, Waveform
from utils.modality import Modality

_NOWHERE = Revision("", "", 0)


@dataclass(frozen=True)
class KnownVoice:
    """A voice that a request brings along: a name, and a vector (512,) of unit length."""

    name: str
    vector: Float32Array


def find_speaker(store: Store, name: str) -> tuple[str, str]:
    """Find the id and the name of a person by either. Most names could not be ids.

    Raises InvalidRequestError where nobody has the name, or several people have it.
    """
    with suppress(InvalidNameError):
        if person := store.find_person(name):
            return person.person_id, person.name
    page = store.list_people(search=name, limit=MAX_PAGE)
    matches = [person for person in page.people if person.name == name]
    if len(matches) != 1:
        raise InvalidRequestError(
            f"A speaker must be the id, or the name, of one person. Received: {name[:80]!r},"
            f" the name of {len(matches)}",
        )
    return matches[0].person_id, matches[0].name


class Voices:
    """Embeds voices, compares them, and finds whose they are. Shared by all threads."""

    def __init__(
        self, store: Store, encoders: Encoders, identifier: Identifier, journal: Journal
    ) -> None:
        self._store = store
        self._encoders = encoders
        self._encoder = encoders.voice
        self._looking = Looking(encoders.face, in_turn=True)
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
        people = [find_speaker(self._store, name) for name in dict.fromkeys(names)]
        refs = [PersonRef(0, person_id, name) for person_id, name in people]
        vectors = [self._vectors_of(person_id) for person_id, _ in people]
        refs += [PersonRef(0, "", voice.name) for voice in references]
        vectors += [{Modality.VOICE: voice.vector} for voice in references]
        return make_snapshot(refs, vectors)

    def is_there(self, person_id: str) -> bool:
        """Whether somebody of the gallery has this id. Raises StoreUnavailableError."""
        return self._store.find_person(person_id) is not None

    def has_faces(self, among: Snapshot | None = None) -> bool:
        """Whether somebody of the gallery, or of `among`, is enrolled by face.

        Raises StoreUnavailableError.
        """
        return (among or self._identifier.refresh()).count(Modality.FACE) > 0

    def embed_faces(self, faces: Sequence[AlignedFace]) -> Sample:
        """Embed faces of one person, the first frames of a turn."""
        return self._looking.embed(faces)

    def is_one_face(self, faces: Sample) -> bool:
        """Whether faces that follow each other in one place are one person's."""
        return not find_odd_faces(faces, self._encoders.face.calibration).any()

    def are_one_person(self, one: Sample, other: Sample) -> bool:
        """Whether the faces of two turns are one person's."""
        calibration = self._encoders.face.calibration
        return llr_of(one, other, calibration) >= least_llr(Modality.FACE, calibration)

    def decide(
        self, voice: Side | None, among: Snapshot | None = None, face: Sample | None = None
    ) -> Decision:
        """Decide whose a voice is, of the gallery or of the people in `among`.

        Args:
            voice: None where there is too little of it.
            among: the people who may be named; None = all of the gallery.
            face: the face that talks in it. At least one of both is there.

        Raises EncoderMismatchError, StoreUnavailableError.
        """
        sides = {} if voice is None else {Modality.VOICE: voice}
        if face is not None:
            quality = (float(np.mean(face.weights)),)
            sides[Modality.FACE] = replace(face.side, quality=quality)
            if voice is not None:
                fused = self._encoders.fusion.fuse(face.mean[None], voice.vector[None])[0]
                sides[Modality.FUSED] = Side(fused, voice.speech_s)
        return self._identifier.decide_sides(sides, among)

    def sight(self, source: str, heard: HeardPerson) -> None:
        """Note that a person, or somebody unknown, is heard, as a visit and a sighting."""
        self._journal.sight(source, heard.person_id)
        self._journal.note_visit(heard_visit(source, heard))

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

    def _vectors_of(self, person_id: str) -> dict[Modality, Float32Array]:
        ids = {
            Modality.FACE: self._encoders.face.encoder_id,
            Modality.VOICE: self._encoders.voice.encoder_id,
        }
        stored = self._store.vectors_of(person_id, ids)
        people = represent(stored, self._encoders.fusion.fuse)
        return {modality: vectors[0] for modality, (_, vectors) in people.items()}


def make_snapshot(
    refs: Sequence[PersonRef], people: Sequence[Mapping[Modality, Float32Array]]
) -> Snapshot:
    """Make a gallery of people with these vectors. Those without one count as well."""
    keys = np.arange(1, len(refs) + 1, dtype=np.int64)
    rows = {m: _stack(people, m) for m in ALL}
    return Snapshot(
        revision=_NOWHERE,
        keys=keys,
        vectors={m: vectors for m, (vectors, _) in rows.items()},
        has={m: has for m, (_, has) in rows.items()},
        refs={
            int(key): PersonRef(int(key), ref.person_id, ref.name)
            for key, ref in zip(keys, refs, strict=True)
        },
        stale=(),
        people=len(refs),
    )


def _stack(
    people: Sequence[Mapping[Modality, Float32Array]], modality: Modality
) -> tuple[Float32Array, BoolArray]:
    """Stack vectors (size,) to (n, size), and say who of the n people has one."""
    has = np.array([modality in vectors for vectors in people], np.bool_)
    own = [vectors[modality] for vectors in people if modality in vectors]
    size = len(own[0]) if own else EMBEDDING_SIZE
    rows = np.zeros((len(people), size), np.float32)
    rows[has] = np.reshape(own, (-1, size))
    return rows, has


def compare_all(
    vectors: Float32Array, seconds: Float64Array, calibration: Calibration
) -> Float64Array:
    """Compare each voice of a recording with each, as `recognition.agreement.llr_of` does two.

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
    return calibration.of_one_clip.llr((cosines - levels) / scales)
