"""What stands of somebody in the bytes of the database: pieces that must not be found any more once it is deleted."""
from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, func, select

from gallery.tables import kept_media, people, reembedded, templates

PIECE_BYTES = 64
_TEXTS = (people.c.person_id, people.c.name, people.c.note, people.c.consent, people.c.search)
_IN_VECTOR = (1, 1000, 1985)  # first, some and last bytes of 2048, counted from 1; a sealed vector is a little longer


def texts_of(connection: Connection, key: int) -> set[bytes]:
    """Id, name, note and consent of a person, as they are stored."""
    return {text.encode() for text in connection.execute(select(*_TEXTS).where(people.c.key == key)).one()}


def pieces_of(connection: Connection, which: Any) -> set[bytes]:
    """Pieces of the vectors of templates (a condition on their table), and of what is kept with them."""
    parts = [func.substr(templates.c.vector, start, PIECE_BYTES) for start in _IN_VECTOR]
    found = {piece for row in connection.execute(select(*parts).where(which)) for piece in row}
    parts = [func.substr(reembedded.c.vector, start, PIECE_BYTES) for start in _IN_VECTOR]
    staged = select(*parts).join(templates, templates.c.key == reembedded.c.key).where(which)
    found |= {piece for row in connection.execute(staged) for piece in row}
    heads = select(func.substr(kept_media.c.data, 1, PIECE_BYTES)).join(templates, templates.c.key == kept_media.c.template_key)
    return found | set(connection.scalars(heads.where(which)))


def all_of(connection: Connection, key: int) -> set[bytes]:
    """Everything that names or shows a person."""
    return texts_of(connection, key) | pieces_of(connection, templates.c.person_key == key)
