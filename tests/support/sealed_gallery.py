"""Galleries in a file, encrypted or in the clear, and what is left in their bytes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from sqlalchemy import insert, select

from gallery.database.open import open_database
from gallery.encryption import rotation
from gallery.encryption.sealing import KEY_BYTES, Codec, PlainText, Sealer
from gallery.store import NewPerson, NewTemplate, Store
from gallery.tables import kept_media, templates
from gallery.vectors import to_bytes
from tests.support.templates import CURRENT, face, voice
from utils.modality import Modality

KEY = Sealer(b"k" * KEY_BYTES)
OTHER = Sealer(b"o" * KEY_BYTES)
PLAIN = PlainText()
MEDIA = b"a thumbnail of somebody's face, as it was kept" * 50


def open_sealed(folder: Path, codec: Codec = KEY) -> Store:
    """Open a store whose values are stored with `codec`."""
    return Store(open_database(f"sqlite:///{folder / 'duet.db'}"), codec)


def bytes_of(folder: Path) -> bytes:
    """Read all that lies in the database and its log."""
    return b"".join(f.read_bytes() for f in sorted(folder.glob("duet.db*")))


def is_plain(stored: bytes, template: NewTemplate) -> bool:
    """Whether the template's vector, or a fragment of it, is in these bytes."""
    vector = to_bytes(template.embedding)
    return any(vector[i : i + 32] in stored for i in range(0, len(vector), 128))


def is_any_plain(stored: bytes, people: int) -> bool:
    """Whether a vector of one of these people is in these bytes."""
    return any(is_plain(stored, face(i)) or is_plain(stored, voice(i)) for i in range(people))


def fill(folder: Path, codec: Codec, people: int = 8) -> None:
    """Enrol `people`, each with a face that has a thumbnail, and a voice."""
    store = open_sealed(folder, codec)
    for i in range(people):
        store.enroll(NewPerson(f"p{i}"), [face(i), voice(i)])
    faces = select(templates.c.key, templates.c.template_id).where(templates.c.modality == "face")
    with store.database.write() as connection:
        for key, template_id in connection.execute(faces).all():
            connection.execute(
                insert(kept_media).values(
                    template_key=key,
                    kind="thumbnail",
                    sealed_by=codec.key_id,
                    data=codec.seal(MEDIA, template_id, "thumbnail"),
                )
            )
    store.close()


def rotate(
    folder: Path,
    new: Codec,
    *old: Codec,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> int:
    """Rotate the key of the gallery in `folder`."""
    database = open_database(f"sqlite:///{folder / 'duet.db'}")
    try:
        return rotation.rotate(database, new, old, progress)
    finally:
        database.close()


def assert_whole(folder: Path, codec: Codec, people: int = 8) -> None:
    """Every vector and thumbnail is there, stored with `codec` and nothing else."""
    store = open_sealed(folder, codec)
    for i in range(people):
        vectors = store.vectors_of(f"p{i}", CURRENT)
        assert np.array_equal(vectors[Modality.FACE].vectors[0], face(i).embedding.vector)
        assert np.array_equal(vectors[Modality.VOICE].vectors[0], voice(i).embedding.vector)
    query = select(kept_media.c.data, kept_media.c.sealed_by, templates.c.template_id)
    with store.database.read() as connection:
        assert set(connection.scalars(select(templates.c.sealed_by))) == {codec.key_id}
        rows = connection.execute(query.join(templates)).all()
    assert len(rows) == people
    media = {codec.open(data, by, template_id, "thumbnail") for data, by, template_id in rows}
    assert media == {MEDIA}
    store.close()


def assert_no_plain_bytes(folder: Path, people: int = 8) -> None:
    """No vector and no thumbnail is in the clear."""
    stored = bytes_of(folder)
    assert not is_any_plain(stored, people)
    assert MEDIA[:64] not in stored
