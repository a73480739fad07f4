"""/v1/gallery: the gallery as a map and as a matrix. Answers hold places and scores,
never vectors.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import request
from flask_restx import Namespace, Resource
from werkzeug.datastructures import FileStorage

from gallery.overview import overview
from gallery.overview.overview import GalleryMap, Similarity
from recognition.as_json import number
from utils import errors as known
from utils.errors import InvalidRequestError
from utils.modality import Modality
from web.api.identify import MEDIA_HELP, UPLOAD_ERRORS
from web.state import recognizer
from web.wire import parse, schema

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
READ_ERRORS = (
    known.KeyRequiredError,
    InvalidRequestError,
    known.BusyError,
    known.StoreUnavailableError,
)

map_form = ns.parser()
map_form.add_argument("media", type=FileStorage, location="files", required=True, help=MEDIA_HELP)


@ns.route("/map")
class Map(Resource):
    """Where the templates lie."""

    @ns.doc(id="gallery_map", params=MAP)
    @ns.response(200, "a place in the plane for each template", schema.GALLERY_MAP)
    @schema.documented(ns, *READ_ERRORS)
    def get(self) -> dict[str, Any]:
        """Lay the templates of the gallery out in a plane."""
        return _map(recognizer().overview.map_of(*_asked(MAP)))

    @ns.doc(id="gallery_map_with_probe", params=MAP)
    @ns.expect(map_form)
    @ns.response(
        200, "a place in the plane for each template, and for the clip", schema.GALLERY_MAP
    )
    @schema.documented(ns, *UPLOAD_ERRORS)
    def post(self) -> dict[str, Any]:
        """Lay the templates of the gallery out in a plane, with a clip among them.
        Nothing is stored.
        """
        asked = _asked(MAP)
        parse.form(files=("media",))
        clip = parse.upload("media")
        modality = asked[0]
        vector = recognizer().observe(clip.clip).vector_of(modality)
        return _map(recognizer().overview.map_of(*asked, vector))


@ns.route("/similarity")
class Matrix(Resource):
    """How alike the people are."""

    @ns.doc(id="gallery_similarity", params=MATRIX)
    @ns.response(200, "a score for every two people", schema.SIMILARITY)
    @schema.documented(ns, *READ_ERRORS)
    def get(self) -> dict[str, Any]:
        """Compare every person of the gallery with every other."""
        modality, _, search, limit = _asked(MATRIX)
        return _matrix(recognizer().overview.similarity(modality, search, limit))


def _asked(allowed: Mapping[str, Mapping[str, object]]) -> tuple[Modality, str, str, int]:
    """modality, method, search and limit of the query. Raises InvalidRequestError."""
    parse.check_query(allowed)
    modality = request.args.get("modality", "fused")
    if modality not in MODALITIES:
        raise InvalidRequestError(
            f"`modality` must be one of {', '.join(MODALITIES)}. Received: {modality[:40]!r}"
        )
    most = int(str(allowed["limit"]["default"]))
    return (
        Modality(modality),
        request.args.get("method", "pca"),
        parse.query_text("search"),
        parse.query_int("limit", most, 1, most),
    )


def _map(found: GalleryMap) -> dict[str, Any]:
    probe = None if found.probe is None else dict(zip("xy", map(number, found.probe), strict=True))
    return {
        "modality": str(found.modality),
        "method": found.method,
        "people": found.people,
        "total": found.total,
        "shown": None if found.shown is None else [number(s) for s in found.shown],
        "probe": probe,
        "points": [
            {"person_id": p.person_id, "name": p.name, "x": number(p.x), "y": number(p.y)}
            for p in found.places
        ],
    }


def _matrix(found: Similarity) -> dict[str, Any]:
    return {
        "modality": str(found.modality),
        "total": found.total,
        "threshold": number(recognizer().pair_threshold(found.modality)),
        "people": [{"person_id": p.person_id, "name": p.name} for p in found.people],
        "scores": [
            [None if s is None else round(s, 3) for s in map(number, row)]
            for row in found.scores.tolist()
        ],
    }
