"""The gallery as pictures: where its embeddings lie, and how alike its people are.

No vector is in any answer, and the number of people is bounded.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import select

from gallery.names import search_key
from gallery.overview import plane
from gallery.records import feed
from gallery.records.feed import PersonRef
from gallery.store import Store
from gallery.tables import people
from gallery.vectors import Fuse, KeyArray, Templates, fused_templates, unit
from utils.arrays import Float32Array
from utils.errors import BusyError, InvalidRequestError
from utils.modality import Modality

MAX_MAP_PEOPLE = 500
MAX_MATRIX_PEOPLE = 200
MOST_EACH = 8
"""Most templates of one person in a map: the latest ones."""
MAX_TSNE_POINTS = 1000
METHODS = ("pca", "tsne")
_WAIT_S = 20.0


@dataclass(frozen=True)
class Place:
    """A template of a person in the plane, with x and y in [-1, 1]."""

    person_id: str
    name: str
    x: float
    y: float


@dataclass(frozen=True)
class GalleryMap:
    """Templates in the plane.

    Attributes:
        places: the templates, those of a person side by side.
        probe: x and y of the probe, where there is one.
        shown: share of the variance that each axis shows; None for t-SNE.
        people: number of people in the map.
        total: number of people who match the search.
    """

    modality: Modality
    method: str
    places: tuple[Place, ...]
    probe: tuple[float, float] | None
    shown: tuple[float, float] | None
    people: int
    total: int


@dataclass(frozen=True)
class Similarity:
    """Scores of every two people.

    Attributes:
        people: the people, in the order of the scores.
        scores: (n, n) float32, the mean cosine of the templates of one person to those
            of another. On the diagonal, of a person's templates to each other, NaN
            where there is only one.
        total: number of people who match the search.
    """

    modality: Modality
    people: tuple[PersonRef, ...]
    scores: Float32Array
    total: int


@dataclass(frozen=True)
class _Part:
    """Some people and all their templates, by modality."""

    refs: Mapping[int, PersonRef]
    templates: Mapping[Modality, Templates]
    total: int


class Overview:
    """Draws pictures of a gallery. Shared by all requests."""

    def __init__(self, store: Store, encoder_ids: Mapping[Modality, str], fuse: Fuse) -> None:
        self._store = store
        self._encoder_ids = encoder_ids
        self._fuse = fuse
        self._drawing = threading.Lock()

    def map_of(
        self,
        modality: Modality,
        method: str = "pca",
        search: str = "",
        limit: int = MAX_MAP_PEOPLE,
        *,
        probe: Float32Array | None = None,
    ) -> GalleryMap:
        """Draw the templates of the first `limit` people who match `search`.

        The embedding `probe` (size,) is drawn among them. Raises InvalidRequestError,
        BusyError (one t-SNE at a time), StoreUnavailableError.
        """
        _require(
            method in METHODS, f"method must be one of {', '.join(METHODS)}. Received: {method!r}"
        )
        part = self._read(search, limit, MAX_MAP_PEOPLE)
        owners, vectors = _latest(*_vectors(part.templates, modality, self._fuse))
        others = None if probe is None else probe[None]
        drawn = plane.pca(vectors, others) if method == "pca" else self._tsne(vectors, others)
        places = tuple(
            Place(part.refs[int(key)].person_id, part.refs[int(key)].name, float(x), float(y))
            for key, (x, y) in zip(owners, drawn.points, strict=False)
        )
        return GalleryMap(
            modality=modality,
            method=method,
            places=places,
            probe=None if probe is None else _last_point(drawn),
            shown=drawn.shown,
            people=len(np.unique(owners)),
            total=part.total,
        )

    def similarity(
        self, modality: Modality, search: str = "", limit: int = MAX_MATRIX_PEOPLE
    ) -> Similarity:
        """Compare the first `limit` people who match `search`, ordered by id.

        Raises InvalidRequestError, StoreUnavailableError.
        """
        part = self._read(search, limit, MAX_MATRIX_PEOPLE)
        owners, vectors = _vectors(part.templates, modality, self._fuse)
        keys, starts, counts = np.unique(owners, return_index=True, return_counts=True)
        # The dot product of two means is the mean of all dot products between the two.
        sums: Float32Array = np.add.reduceat(vectors, starts, axis=0) if len(keys) else vectors
        centres = (sums / counts[:, None]).astype(np.float32)
        order = sorted(range(len(keys)), key=lambda i: part.refs[int(keys[i])].person_id)
        scores: Float32Array = np.clip(centres @ centres.T, np.float32(-1), np.float32(1))
        np.fill_diagonal(scores, _among_themselves((centres**2).sum(axis=1), counts))
        return Similarity(
            modality=modality,
            people=tuple(part.refs[int(keys[i])] for i in order),
            scores=scores[np.ix_(order, order)],
            total=part.total,
        )

    def _tsne(self, vectors: Float32Array, others: Float32Array | None) -> plane.Plane:
        points = vectors
        if others is not None:
            points = np.concatenate([vectors, others]) if len(vectors) else others
        _require(
            len(points) <= MAX_TSNE_POINTS,
            f"t-SNE draws at most {MAX_TSNE_POINTS} templates. Received: {len(points)}",
            "Narrow the search, lower the limit, or take method=pca.",
        )
        if not self._drawing.acquire(timeout=_WAIT_S):
            raise BusyError("One t-SNE is drawn at a time.")
        try:
            return plane.tsne(points)
        finally:
            self._drawing.release()

    def _read(self, search: str, limit: int, most: int) -> _Part:
        _require(1 <= limit <= most, f"limit must be 1 to {most}. Received: {limit}")
        matches = people.c.search.contains(search_key(search), autoescape=True)
        query = select(people.c.key).where(matches).order_by(people.c.person_id)
        codec = self._store.codec
        with self._store.database.read() as connection:
            keys = list(connection.scalars(query))
            refs = feed.read_people(connection, keys[:limit])
            pieces = list(feed.read_templates(connection, codec, self._encoder_ids, keys[:limit]))
        return _Part(refs=refs, templates=_by_modality(pieces), total=len(keys))


def _require(rule: bool, message: str, hint: str | None = None) -> None:
    if not rule:
        raise InvalidRequestError(message, hint)


def _last_point(drawn: plane.Plane) -> tuple[float, float]:
    x, y = drawn.points[-1].tolist()
    return x, y


def _by_modality(pieces: Sequence[Mapping[Modality, Templates]]) -> dict[Modality, Templates]:
    """Join pieces of the gallery. Modalities that nobody has are left out."""
    parts: dict[Modality, list[Templates]] = {}
    for piece in pieces:
        for modality, templates in piece.items():
            parts.setdefault(modality, []).append(templates)
    return {modality: _join(parts[modality]) for modality in parts}


def _join(pieces: Sequence[Templates]) -> Templates:
    sources: list[str] = []
    for piece in pieces:
        sources.extend(piece.sources)
    return Templates(
        owners=np.concatenate([piece.owners for piece in pieces]),
        sources=sources,
        vectors=np.concatenate([piece.vectors for piece in pieces]),
    )


def _vectors(
    templates: Mapping[Modality, Templates], modality: Modality, fuse: Fuse
) -> tuple[KeyArray, Float32Array]:
    """Owners (n,) rising and unit vectors (n, size) of one modality.

    Fused, there is one for each pair of a face and a voice template.
    """
    if modality == Modality.FUSED:
        return fused_templates(templates, fuse)
    if modality not in templates:
        return np.zeros(0, np.int64), np.zeros((0, 1), np.float32)
    return templates[modality].owners, unit(templates[modality].vectors)


def _latest(owners: KeyArray, vectors: Float32Array) -> tuple[KeyArray, Float32Array]:
    """Keep the last `MOST_EACH` of each owner."""
    ends = np.searchsorted(owners, owners, side="right")
    keep = ends - np.arange(len(owners)) <= MOST_EACH
    return owners[keep], vectors[keep]


def _among_themselves(squares: Float32Array, counts: KeyArray) -> Float32Array:
    """Mean cosine of n templates to each other, without each one to itself.

    `squares` are the squared lengths of their means. NaN for n = 1.
    """
    n = counts.astype(np.float32)
    with np.errstate(invalid="ignore", divide="ignore"):
        cosines = np.where(n > 1, (squares * n - 1) / (n - 1), np.nan)
    return cosines.astype(np.float32)
