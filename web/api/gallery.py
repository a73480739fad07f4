"""/v1/gallery: the gallery as a map and as a matrix, and its duplicates.

Answers hold places and scores, never vectors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import request
from flask_restx import Namespace, Resource

from gallery.overview import overview
from gallery.overview.overview import GalleryMap, Similarity
from recognition import as_json
from recognition.as_json import number
from recognition.duplicates import Duplicate
from utils import errors
from utils.arrays import Float32Array
from utils.errors import InvalidRequestError
from utils.modality import Modality
from web.api.identify import MEDIA_HELP, UPLOAD_ERRORS
from web.state import recognizer
from web.wire import parse
from web.wire.schema.base import add_file, document_errors
from web.wire.schema.gallery import (
    DUPLICATES,
    GALLERY_MAP,
    SIMILARITY,
)

ns = Namespace(
    "gallery",
    "The gallery to be looked at: a map of its templates, and how alike its people are",
    path="/v1/gallery",
)
MODALITIES = [str(m) for m in Modality]
WHICH: dict[str, dict[str, object]] = {
    "modality": {"description": "which embeddings", "enum": MODALITIES, "default": "fused"},
    "search": {
        "description": "only people whose id or name holds this text, in any case",
        "example": "ann",
    },
}
MAP: dict[str, dict[str, object]] = WHICH | {
    "method": {
        "description": "pca: principal components; tsne: t-SNE, seconds for a large gallery",
        "enum": list(overview.METHODS),
        "default": "pca",
    },
    "limit": {
        "description": f"at most this many people, by id, 1 to {overview.MAX_MAP_PEOPLE}",
        "type": "integer",
        "default": overview.MAX_MAP_PEOPLE,
    },
}
MATRIX: dict[str, dict[str, object]] = WHICH | {
    "limit": {
        "description": f"at most this many people, by id, 1 to {overview.MAX_MATRIX_PEOPLE}",
        "type": "integer",
        "default": overview.MAX_MATRIX_PEOPLE,
    },
}
PAIRS: dict[str, dict[str, object]] = {
    "search": WHICH["search"],
    "limit": {
        "description": (
            "only among this many people, the first by id, 1 or more. Without it, among all"
        ),
        "type": "integer",
    },
}
READ_ERRORS = (
    errors.KeyRequiredError,
    InvalidRequestError,
    errors.BusyError,
    errors.StoreUnavailableError,
)

map_form = ns.parser()
add_file(map_form, "media", MEDIA_HELP, required=True)


@ns.route("/map")
class Map(Resource):
    """Where the templates lie."""

    @ns.doc(id="gallery_map", params=MAP)
    @ns.response(200, "a place in the plane for each template", GALLERY_MAP)
    @document_errors(ns, *READ_ERRORS)
    def get(self) -> dict[str, Any]:
        """Lay the templates of the gallery out in a plane."""
        return _show_map(_lay_out(_read_query(MAP)))

    @ns.doc(id="gallery_map_with_probe", params=MAP)
    @ns.expect(map_form)
    @ns.response(200, "a place in the plane for each template, and for the clip", GALLERY_MAP)
    @document_errors(ns, *UPLOAD_ERRORS)
    def post(self) -> dict[str, Any]:
        """Lay the templates of the gallery out in a plane, with a clip among them.

        Nothing is stored.
        """
        query = _read_query(MAP)
        parse.form(files=("media",))
        clip = parse.upload("media").clip
        vector = recognizer().observe(clip).vector_of(query.modality)
        return _show_map(_lay_out(query, vector))


@ns.route("/similarity")
class Matrix(Resource):
    """How alike the people are."""

    @ns.doc(id="gallery_similarity", params=MATRIX)
    @ns.response(200, "a score for every two people", SIMILARITY)
    @document_errors(ns, *READ_ERRORS)
    def get(self) -> dict[str, Any]:
        """Compare every person of the gallery with every other."""
        query = _read_query(MATRIX)
        return _show_matrix(
            recognizer().overview.similarity(query.modality, query.search, query.limit)
        )


@ns.route("/duplicates")
class DuplicatePairs(Resource):
    """Which entries look like one person."""

    @ns.doc(id="gallery_duplicates", params=PAIRS)
    @ns.response(200, "pairs of entries to merge, or to mark as two people", DUPLICATES)
    @document_errors(ns, *READ_ERRORS)
    def get(self) -> dict[str, Any]:
        """List pairs of entries that look like one person.

        Face and voice are compared as far as both have them. Pairs that are marked as
        two people are left out. Everybody is compared in the background, which begins
        with the first request after a start of the service. It takes minutes for 100,000
        people, and hours for a million: `check` says how far it is.
        """
        parse.check_query(PAIRS)
        limit = parse.query_count("limit")
        search = parse.query_text("search")
        look = recognizer().suspects.look()
        duplicates = recognizer().duplicates.find(look.latest, search, limit)
        return {
            "people": duplicates.people,
            "total": duplicates.total,
            "pairs": [_show_pair(pair) for pair in duplicates.pairs],
            "check": as_json.look(look),
        }


def _show_pair(pair: Duplicate) -> dict[str, Any]:
    both = (pair.one, pair.other)
    return {
        "people": [{"person_id": ref.person_id, "name": ref.name} for ref in both],
        "probability": number(pair.probability),
    }


@dataclass(frozen=True)
class _Query:
    """Which part of the gallery is asked for."""

    modality: Modality
    method: str
    search: str
    limit: int


def _read_query(allowed: Mapping[str, Mapping[str, object]]) -> _Query:
    """Read the query. Raises InvalidRequestError."""
    parse.check_query(allowed)
    modality = request.args.get("modality", "fused")
    if modality not in MODALITIES:
        raise InvalidRequestError(
            f"`modality` must be one of {', '.join(MODALITIES)}. Received: {modality[:40]!r}"
        )
    most = int(str(allowed["limit"]["default"]))
    return _Query(
        modality=Modality(modality),
        method=request.args.get("method", "pca"),
        search=parse.query_text("search"),
        limit=parse.query_int("limit", most, 1, most),
    )


def _lay_out(query: _Query, probe: Float32Array | None = None) -> GalleryMap:
    return recognizer().overview.map_of(
        query.modality, query.method, query.search, query.limit, probe=probe
    )


def _show_map(gallery_map: GalleryMap) -> dict[str, Any]:
    shown = gallery_map.shown
    probe = gallery_map.probe
    return {
        "modality": str(gallery_map.modality),
        "method": gallery_map.method,
        "people": gallery_map.people,
        "total": gallery_map.total,
        "shown": None if shown is None else [number(share) for share in shown],
        "probe": None if probe is None else {"x": number(probe[0]), "y": number(probe[1])},
        "points": [
            {
                "person_id": place.person_id,
                "name": place.name,
                "x": number(place.x),
                "y": number(place.y),
            }
            for place in gallery_map.places
        ],
    }


def _show_matrix(similarity: Similarity) -> dict[str, Any]:
    return {
        "modality": str(similarity.modality),
        "total": similarity.total,
        "threshold": number(recognizer().pair_threshold(similarity.modality)),
        "people": [{"person_id": p.person_id, "name": p.name} for p in similarity.people],
        "scores": [_show_scores(row) for row in similarity.scores.tolist()],
    }


def _show_scores(row: list[float]) -> list[float | None]:
    """Round the scores of a row. None stays where there is no score."""
    scores = [number(score) for score in row]
    return [None if score is None else round(score, 3) for score in scores]
