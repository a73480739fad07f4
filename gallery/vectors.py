"""Stored form of embeddings, and what stands for a person in a comparison.

An embedding is stored as 512 float32, little-endian, 2048 bytes. Only this module knows
that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gallery.damage import damage_error
from utils.arrays import EMBEDDING_SIZE, Float32Array, IndexArray
from utils.modality import Embedding, Modality

KeyArray = npt.NDArray[np.int64]
Fuse = Callable[[Float32Array, Float32Array], Float32Array]
"""Face and voice embeddings (n, 512) each → (n, size) of unit length."""

_STORED = np.dtype("<f4")
STORED_BYTES = EMBEDDING_SIZE * _STORED.itemsize
"""Size of a vector that is not sealed."""
_LENGTH_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Templates:
    """Stored embeddings of one modality, of some people.

    Attributes:
        owners: (n,) internal numbers, rising; of each owner the oldest template first.
        sources: (n) hashes of the media files.
        vectors: (n, 512) float32.
    """

    owners: KeyArray
    sources: Sequence[str]
    vectors: Float32Array

    def rows_of(self, owner: int) -> range:
        """Rows of one owner."""
        return range(*np.searchsorted(self.owners, [owner, owner + 1]).tolist())


def check(embedding: Embedding) -> Embedding:
    """Check that a vector is (512,), finite and of unit length, and return `embedding`.

    Raises ValueError.
    """
    vector = np.asarray(embedding.vector)
    length = float(np.linalg.norm(vector))
    # A length of NaN is not within the tolerance either.
    if vector.shape != (EMBEDDING_SIZE,) or not abs(length - 1.0) <= _LENGTH_TOLERANCE:
        raise ValueError(
            f"An embedding must be ({EMBEDDING_SIZE},), finite and of unit length. Received:"
            f" shape={vector.shape}, length={length:.4f}"
        )
    return embedding


def to_bytes(embedding: Embedding) -> bytes:
    """Make the stored form of an embedding. Raises ValueError as `check`."""
    return np.asarray(check(embedding).vector).astype(_STORED).tobytes()


def from_bytes(stored: Sequence[bytes]) -> Float32Array:
    """Read n stored embeddings as (n, 512) float32.

    Raises StoreUnavailableError where one is damaged.
    """
    if not all(isinstance(one, bytes) and len(one) == STORED_BYTES for one in stored):
        raise damage_error(f"a vector that is not of {STORED_BYTES} bytes", "templates.vector")
    return (
        np.frombuffer(b"".join(stored), _STORED)
        .reshape(-1, EMBEDDING_SIZE)
        .astype(np.float32, copy=False)
    )


def unit(vectors: Float32Array) -> Float32Array:
    """Scale each row of (n, size) to unit length.

    A row of zeros stays one, and scores 0 against everything. A damaged one, which is not
    finite, becomes one.
    """
    # `utils.arrays.unit` rounds otherwise in the last digit, and answers follow this
    # one.
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))[:, None]
    rows = np.zeros_like(vectors)
    np.divide(vectors, lengths, out=rows, where=(lengths > 1e-6) & (lengths < np.inf))
    return rows


def means(vectors: Float32Array, owners: KeyArray) -> tuple[KeyArray, Float32Array]:
    """Mean of each owner's unit vectors, at unit length.

    `vectors` is (n, size), `owners` (n,) sorted. Returns the distinct owners (m,) and
    their means (m, size).
    """
    keys, starts = np.unique(owners, return_index=True)
    if len(keys) == len(owners):
        return keys, unit(vectors)
    sums: Float32Array = np.add.reduceat(unit(vectors), starts, axis=0)
    return keys, unit(sums)


def represent(
    templates: Mapping[Modality, Templates], fuse: Fuse
) -> dict[Modality, tuple[KeyArray, Float32Array]]:
    """Compute what stands for each person, by modality.

    Returns distinct owners (m,) and vectors (m, size) of each modality, also fused for
    those with face and voice.

    With several templates it is their **mean at unit length**. That scores higher with
    strangers, too, than one template does. The cohort says by how much
    (`CohortNorm.person`), so the stated rates hold, with fewer misses. Figures:
    docs/research/templates.md.

    Fused: the person's face and voice templates are paired (`pairs`) and each pair is
    fused. The mean of these stands for the person.
    """
    representatives = {m: means(t.vectors, t.owners) for m, t in templates.items()}
    owners, fused = fused_templates(templates, fuse)
    if len(owners):
        representatives[Modality.FUSED] = means(fused, owners)
    return representatives


def fused_templates(
    templates: Mapping[Modality, Templates], fuse: Fuse
) -> tuple[KeyArray, Float32Array]:
    """Fuse the pairs of a face and a voice template of each person who has both.

    Returns owners (n,) rising, and vectors (n, size).
    """
    if Modality.FACE not in templates or Modality.VOICE not in templates:
        return np.zeros(0, np.int64), np.zeros((0, 1), np.float32)
    face = templates[Modality.FACE]
    voice = templates[Modality.VOICE]
    left, right = _pair_all(face, voice)
    return face.owners[left], fuse(unit(face.vectors[left]), unit(voice.vectors[right]))


def _pair_all(face: Templates, voice: Templates) -> tuple[IndexArray, IndexArray]:
    """Rows in pairs, of everybody who has both.

    Those with one of each, mostly nearly all, are paired without a loop.
    """
    faces, face_rows, face_counts = np.unique(face.owners, return_index=True, return_counts=True)
    voices, voice_rows, voice_counts = np.unique(
        voice.owners, return_index=True, return_counts=True
    )
    keys, of_face, of_voice = np.intersect1d(faces, voices, assume_unique=True, return_indices=True)
    single = (face_counts[of_face] == 1) & (voice_counts[of_voice] == 1)
    several: list[tuple[int, int]] = []
    for key in keys[~single]:
        several += pairs(face, face.rows_of(key), voice, voice.rows_of(key))
    rows = np.array(several, np.intp).reshape(-1, 2)
    left = np.concatenate([face_rows[of_face[single]], rows[:, 0]])
    right = np.concatenate([voice_rows[of_voice[single]], rows[:, 1]])
    order = np.argsort(left, kind="stable")
    return left[order], right[order]


def pairs(
    face: Templates, face_rows: range, voice: Templates, voice_rows: range
) -> list[tuple[int, int]]:
    """Pair the rows of one person's face and voice templates.

    Those of the same clip come first, then the others in order, the shorter list over
    and over again. Every template is in one pair at least.
    """
    by_source = {voice.sources[v]: v for v in voice_rows}
    same = [(f, by_source[face.sources[f]]) for f in face_rows if face.sources[f] in by_source]
    faces = [f for f in face_rows if face.sources[f] not in by_source]
    used = {v for _, v in same}
    voices = [v for v in voice_rows if v not in used]
    count = max(len(faces), len(voices))
    faces = faces or list(face_rows)
    voices = voices or list(voice_rows)
    return same + [(faces[i % len(faces)], voices[i % len(voices)]) for i in range(count)]
