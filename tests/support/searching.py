"""Probes, and who is nearest to them in a snapshot of a gallery."""

from __future__ import annotations

import numpy as np
from sqlalchemy import Connection

from gallery.records import people
from gallery.records import templates as template_records
from gallery.search.memory import Snapshot
from gallery.store import NewPerson, Store
from tests.support.gallery_parts import StubFusion, direction
from tests.support.templates import templates
from utils.arrays import Float32Array
from utils.modality import Modality

Probe = dict[Modality, Float32Array]


def probe(identity: int, modalities: str = "fv") -> Probe:
    """Make the embeddings of a clip with a face ("f"), a voice ("v") or both."""
    vectors = {
        m: direction(m, identity, 9, 0.5)
        for m in (Modality.FACE, Modality.VOICE)
        if m[0] in modalities
    }
    if len(vectors) == 2:
        face = vectors[Modality.FACE][None]
        vectors[Modality.FUSED] = StubFusion().fuse(face, vectors[Modality.VOICE][None])[0]
    return vectors


def best(snapshot: Snapshot, vectors: Probe, modality: Modality) -> tuple[str, float]:
    """Find who is nearest in one modality: person_id and score."""
    rows = np.flatnonzero(snapshot.has[modality])
    scores = snapshot.vectors[modality][rows] @ vectors[modality]
    row = rows[int(scores.argmax())]
    return snapshot.refs[int(snapshot.keys[row])].person_id, float(scores.max())


def fill(connection: Connection, store: Store, count: int) -> None:
    """Enrol `count` people, many-0, many-1 ..., with the identities 100, 101 ..."""
    for i in range(count):
        key = people.create(connection, NewPerson(f"many-{i}"))
        for new in templates(100 + i):
            template_records.add(connection, key, new, store.codec)
