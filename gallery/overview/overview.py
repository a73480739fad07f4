"""The gallery as pictures: where its embeddings lie, and how alike its people are. No
vector is in any answer, and people are bounded.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
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
"""Templates of one person that a map shows: the latest."""
MAX_TSNE_POINTS = 1000
METHODS = ("pca", "tsne")
_WAIT_S = 20.0


@dataclass(frozen=True)
class Place:
    """A template of a person in the plane; x and y in [-1, 1]."""

    person_id: str
    name: str
    x: float
    y: float


@dataclass(frozen=True)
class GalleryMap:
    """Templates in the plane, those of a person side by side, and the probe where there
    is one. `shown`: share of the variance that each axis shows, None for t-SNE.
    `people` are in it of `total` who fit the search.
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
    """`scores` (n, n) float32: the mean cosine of the templates of one person to those
    of another. On the diagonal, of a person's templates to each other, NaN where there
    is only one. `people` in this order, of `total` who fit the search.
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
    """Shared by all requests."""

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
        probe: Float32Array | None = None,
    ) -> GalleryMap:
        """The templates of the first `limit` people that fit `search`, and the
        embedding `probe` (size,) among them.

        Raises InvalidRequestError, BusyError (one t-SNE at a time),
        StoreUnavailableError.
        """
        _check(
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
        at = None if probe is None else (float(drawn.points[-1, 0]), float(drawn.points[-1, 1]))
        return GalleryMap(
            modality, method, places, at, drawn.shown, len(np.unique(owners)), part.total
        )

    def similarity(
        self, modality: Modality, search: str = "", limit: int = MAX_MATRIX_PEOPLE
    ) -> Similarity:
        """How alike the first `limit` people that fit `search` are, in the order of
        their ids. Raises InvalidRequestError, StoreUnavailableError.
        """
        part = self._read(search, limit, MAX_MATRIX_PEOPLE)
        owners, vectors = _vectors(part.templates, modality, self._fuse)
        keys, starts, counts = np.unique(owners, return_index=True, return_counts=True)
        # The dot product of two means is the mean of all dot products between the two.
        sums: Float32Array = np.add.reduceat(vectors, starts, axis=0) if len(keys) else vectors
        means = (sums / counts[:, None]).astype(np.float32)
        order = sorted(range(len(keys)), key=lambda i: part.refs[int(keys[i])].person_id)
        scores: Float32Array = np.clip(means @ means.T, np.float32(-1), np.float32(1))
        np.fill_diagonal(scores, _among_themselves((means**2).sum(axis=1), counts))
        return Similarity(
            modality,
            tuple(part.refs[int(keys[i])] for i in order),
            scores[np.ix_(order, order)],
            part.total,
        )

    def _tsne(self, vectors: Float32Array, others: Float32Array | None) -> plane.Plane:
        both = (
            vectors
            if others is None
            else others
            if not len(vectors)
            else np.concatenate([vectors, others])
        )
        _check(
            len(both) <= MAX_TSNE_POINTS,
            f"t-SNE draws at most {MAX_TSNE_POINTS} templates. Received: {len(both)}",
            "Narrow the search, lower the limit, or take method=pca.",
        )
        if not self._drawing.acquire(timeout=_WAIT_S):
            raise BusyError("One t-SNE is drawn at a time.")
        try:
            return plane.tsne(both)
        finally:
            self._drawing.release()

    def _read(self, search: str, limit: int, most: int) -> _Part:
        _check(1 <= limit <= most, f"limit must be 1 to {most}. Received: {limit}")
        fits = people.c.search.contains(search_key(search), autoescape=True)
        with self._store.database.read() as connection:
            found = list(
                connection.scalars(select(people.c.key).where(fits).order_by(people.c.person_id))
            )
            keys = found[:limit]
            refs = feed.read_people(connection, keys)
            pieces = list(
                feed.read_templates(connection, self._store.codec, self._encoder_ids, keys)
            )
        return _Part(
            refs,
            {
                m: _joined([piece[m] for piece in pieces if m in piece])
                for m in self._encoder_ids
                if any(m in piece for piece in pieces)
            },
            len(found),
        )


def _check(rule: bool, message: str, hint: str | None = None) -> None:
    if not rule:
        raise InvalidRequestError(message, hint)


def _joined(pieces: list[Templates]) -> Templates:
    return Templates(
        np.concatenate([p.owners for p in pieces]),
        [s for p in pieces for s in p.sources],
        np.concatenate([p.vectors for p in pieces]),
    )


def _vectors(
    templates: Mapping[Modality, Templates], modality: Modality, fuse: Fuse
) -> tuple[KeyArray, Float32Array]:
    """Owners (n,) rising and unit vectors (n, size) of one modality; fused, one of each
    pair of a face and a voice template.
    """
    if modality == Modality.FUSED:
        return fused_templates(templates, fuse)
    if modality not in templates:
        return np.zeros(0, np.int64), np.zeros((0, 1), np.float32)
    return templates[modality].owners, unit(templates[modality].vectors)


def _latest(owners: KeyArray, vectors: Float32Array) -> tuple[KeyArray, Float32Array]:
    """Of each owner the last MOST_EACH."""
    ends = np.searchsorted(owners, owners, side="right")
    keep = ends - np.arange(len(owners)) <= MOST_EACH
    return owners[keep], vectors[keep]


def _among_themselves(squares: Float32Array, counts: KeyArray) -> Float32Array:
    """Mean cosine of n templates to each other, without each one to itself, from the
    squared length of their mean; NaN for n = 1.
    """
    n = counts.astype(np.float32)
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Float32Array = np.where(n > 1, (squares * n - 1) / (n - 1), np.nan).astype(
            np.float32
        )
    return found
