"""Templates as an enrolment stores them, of the encoders that serve."""

from __future__ import annotations

from gallery.records import stored_media
from gallery.store import NewTemplate, Store
from tests.support.gallery_parts import embedding
from utils.modality import Modality

CURRENT = {Modality.FACE: "face-1", Modality.VOICE: "voice-1"}


def face(identity: int = 1, sample: int = 0, encoder_id: str = "face-1") -> NewTemplate:
    """A face of this identity, from a clip of its own."""
    vector = embedding(Modality.FACE, identity, sample, 0.5, encoder_id=encoder_id)
    return NewTemplate(vector, 0.8, _hash_of(identity, sample))


def voice(identity: int = 1, sample: int = 0) -> NewTemplate:
    """A voice of this identity, from the clip of the same sample's face."""
    return NewTemplate(
        embedding(Modality.VOICE, identity, sample, 0.5), 0.7, _hash_of(identity, sample)
    )


def templates(
    identity: int, modalities: str = "fv", sample: int = 0, *, encoder_id: str | None = None
) -> list[NewTemplate]:
    """Templates of one clip, with a face ("f"), a voice ("v") or both."""
    kinds = [Modality.FACE if m == "f" else Modality.VOICE for m in modalities]
    return [
        NewTemplate(
            embedding(kind, identity, sample, 0.5, encoder_id=encoder_id),
            0.8,
            f"{identity}-{sample}",
        )
        for kind in kinds
    ]


def kept_media(store: Store, template_id: str) -> dict[str, bytes]:
    """Read the media stored with a template, by kind."""
    with store.database.read() as connection:
        return stored_media.read(connection, store.codec, template_id)


def _hash_of(identity: int, sample: int) -> str:
    return f"{identity:032d}{sample:032d}"
