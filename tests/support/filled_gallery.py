"""A gallery with a row in every table, and the rows of a gallery to compare."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert, select

from gallery import tables
from gallery.records import strangers, visits
from gallery.records.groups import NewGroup
from gallery.records.keys import Keys
from gallery.records.strangers import KeptValue, NewClip, StrangerClip
from gallery.records.visits import NewVisit
from gallery.results import NewTranscript, Role, SpokenTurn
from gallery.store import NewPerson, NewTemplate, Store
from gallery.upkeep import copying
from tests.support.gallery_parts import embedding
from utils.modality import Modality


def new_templates(
    identity: int, sample: int = 0, media: dict[str, bytes] | None = None
) -> list[NewTemplate]:
    return [
        NewTemplate(embedding(m, identity, sample, 0.5), 0.8, f"{identity}-{sample}", media or {})
        for m in (Modality.FACE, Modality.VOICE)
    ]


def fill(store: Store) -> None:
    for i in range(6):
        store.enroll(
            NewPerson(f"p{i}", f"Person {i}", consent="yes", retention_days=30 if i % 2 else None),
            new_templates(i),
        )
    store.enroll("p1", new_templates(1, 1, {"thumbnail": b"a picture"}))
    store.mark_distinct("p2", "p3")
    store.create_group(NewGroup("staff", "Staff", watched=True, retention_days=90))
    store.add_to_group("staff", "p1")
    store.delete_person("p5")  # whose number must not be given again
    with store.database.write() as connection:
        connection.execute(
            insert(tables.identifications).values(
                request_id="r1",
                at=datetime.now(UTC),
                modality=Modality.FACE,
                person_key=2,
                score=0.5,
                speech_s=2.0,
                encoder_id="face-1",
                strength=4.5,
                scale_id="",
                actor="local",
            )
        )
    store.give_feedback("r1", "p1", same=True)
    turns = (SpokenTurn(0.0, 1.5, "Good morning", person_id="p1", outcome="named"),)
    store.keep_transcript(
        NewTranscript(title="talk.wav", language="en", duration_s=2.0, turns=turns)
    )
    Keys(store.database).create(Role.KIOSK, "east door")
    _add_visitors(store)
    with store.database.write() as connection:
        connection.execute(
            insert(tables.reembedded).values(key=1, encoder_id="face-2", vector=b"0")
        )


def _add_visitors(store: Store) -> None:
    """Leave a stranger, and a visit of somebody known and of the stranger each."""
    value = KeptValue(embedding(Modality.FACE, 50), 0.8)
    clip = NewClip(StrangerClip("clip-of-a-stranger", (value,)))
    with store.database.write() as connection:
        stranger, _ = strangers.add(connection, store.codec, clip)
        visits.keep(connection, store.codec, NewVisit("identify", "accepted", "p1", by="face"))
        visits.keep(connection, store.codec, NewVisit("identify", "unknown", stranger=stranger))


def content(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    rows = {}
    with store.database.read() as connection:
        for table in copying.TABLES:
            query = select(table).order_by(*table.primary_key.columns)
            rows[table.name] = [tuple(row) for row in connection.execute(query)]
    return rows
