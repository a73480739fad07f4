"""Schemas of the map and the matrix of the gallery."""

from __future__ import annotations

from flask_restx import fields

from web.wire.schema.base import (
    float_field,
    int_field,
    list_field,
    make_model,
    model_field,
    raw_field,
    text_field,
    values_field,
)

CHECKED = {
    "checked_at": "2026-01-31T08:15:00Z",
    "people": 20,
    "total": 20,
    "is_checking": False,
    "remaining_s": None,
}
CHECK = (
    "how far everybody is compared with everybody: when that last went on (`checked_at`, null ="
    " not yet), how many `people` of the `total` with templates were, whether it goes on now"
    " (`is_checking`), and about how many seconds the rest takes (`remaining_s`, null = none"
    " is left)"
)
PLACE = make_model(
    "Place",
    person_id=text_field("whose template it is", "ann@example.com"),
    name=text_field("display name", "Ann Lee"),
    x=float_field("-1 to 1", 0.42),
    y=float_field("-1 to 1", -0.17),
)
PROBE_PLACE = make_model(
    "ProbePlace",
    x=float_field("-1 to 1, or beyond where the clip is unlike all others", 0.4),
    y=float_field("likewise", -0.2),
)
GALLERY_MAP = make_model(
    "GalleryMap",
    modality=text_field("which embeddings", "fused", enum=["face", "voice", "fused"]),
    method=text_field("how they were laid out", "pca", enum=["pca", "tsne"]),
    people=int_field("people in the map", 20),
    total=int_field("people who fit the search", 20),
    shown=values_field(
        fields.Float,
        "share of the variance along x and along y; null for t-SNE",
        example=[0.31, 0.17],
        x_nullable=True,
    ),
    probe=model_field(PROBE_PLACE, "the clip that was sent; null without one", x_nullable=True),
    points=list_field(PLACE, "the templates, those of a person one after the other"),
)
SIMILAR_PERSON = make_model(
    "SimilarPerson",
    person_id=text_field("unique id", "ann@example.com"),
    name=text_field("display name", "Ann Lee"),
)
DUPLICATE = make_model(
    "DuplicatePair",
    people=list_field(SIMILAR_PERSON, "the two entries"),
    probability=float_field("probability that both are one person, at even prior odds", 0.999998),
)
DUPLICATES = make_model(
    "Duplicates",
    people=int_field("those of the `total` who were compared", 20),
    total=int_field("people with templates who fit `search` and `limit`", 20),
    pairs=list_field(DUPLICATE, "the likeliest first, 100 at most"),
    check=raw_field(CHECK, CHECKED),
)
SIMILARITY = make_model(
    "Similarity",
    modality=text_field("which embeddings", "fused", enum=["face", "voice", "fused"]),
    total=int_field("people who fit the search", 20),
    threshold=float_field(
        "score above which two clips count as one person's when they are verified", 0.479
    ),
    people=list_field(SIMILAR_PERSON, "rows and columns of the scores, by id"),
    scores=values_field(
        values_field(float_field("mean cosine", 0.12, x_nullable=True), "those of one person"),
        "mean cosine of the templates of every two people; on the diagonal, of one person's to each"
        " other (null there: only one)",
        example=[[0.81, 0.12], [0.12, None]],
    ),
)
