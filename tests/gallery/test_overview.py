"""Map and matrix of the gallery, compared with scikit-learn and their definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from sklearn.decomposition import PCA

from gallery.overview import overview, plane
from gallery.vectors import unit
from recognition.recognizer import Recognizer
from tests.support.shapes import assert_error, enroll, media, send
from utils.arrays import Float32Array
from utils.errors import InvalidRequestError
from utils.modality import Modality

pytestmark = pytest.mark.slow


def vectors(n: int, seed: int = 0) -> Float32Array:
    return unit(np.random.default_rng(seed).normal(size=(n, 512)).astype(np.float32))


def test_pca_is_scikit_learns() -> None:
    given = vectors(40)
    mine = plane.pca(given)
    theirs = PCA(2, svd_solver="full").fit(given)
    places = theirs.transform(given)
    places *= np.sign((places * mine.points).sum(axis=0))
    np.testing.assert_allclose(mine.points, places / np.abs(places).max(), atol=1e-4)
    assert mine.shown == pytest.approx(theirs.explained_variance_ratio_, abs=1e-5)


def test_a_probe_has_no_part_in_the_axes() -> None:
    given = vectors(10)
    alone = plane.pca(given)
    with_probe = plane.pca(given, given[:1])
    np.testing.assert_allclose(with_probe.points[:-1], alone.points, atol=1e-5)
    np.testing.assert_allclose(with_probe.points[-1], alone.points[0], atol=1e-5)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4])
def test_few_templates(count: int) -> None:
    for method in (plane.pca, plane.tsne):
        drawn = method(vectors(count))
        assert drawn.points.shape == (count, 2)
        assert np.isfinite(drawn.points).all()


def test_tsne_keeps_groups_together() -> None:
    centres = vectors(3)
    groups = np.repeat(np.arange(3), 8)
    points = plane.tsne(unit(centres[groups] + 0.02 * vectors(24, 1))).points
    within = max(
        np.linalg.norm(points[groups == g] - points[groups == g].mean(0), axis=1).max()
        for g in range(3)
    )
    between = min(
        np.linalg.norm(points[groups == a].mean(0) - points[groups == b].mean(0))
        for a, b in ((0, 1), (0, 2), (1, 2))
    )
    assert within < between / 2


@pytest.fixture
def people(client: FlaskClient) -> FlaskClient:
    """ann with two clips, ben with one, cem without a voice, dan without anything."""
    enroll(client, "ann")
    assert (
        send(
            client, "/v1/people/ann/templates", media=media(face="ann", voice="ann", take=2)
        ).status_code
        == 201
    )
    enroll(client, "ben")
    for who in ("cem", "dan"):
        assert (
            client.post("/v1/people", json={"person_id": who, "name": who.title()}).status_code
            == 201
        )
    assert send(client, "/v1/people/cem/templates", media=media(face="cem")).status_code == 201
    return client


def get(client: FlaskClient, url: str) -> dict[str, Any]:
    answer = client.get(url)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    assert "vector" not in answer.get_data(as_text=True)
    body: dict[str, Any] = answer.get_json()
    return body


@pytest.mark.parametrize(
    ("modality", "ids"),
    [
        ("face", ["ann", "ann", "ben", "cem"]),
        ("voice", ["ann", "ann", "ben"]),
        ("fused", ["ann", "ann", "ben"]),
    ],
)
def test_map(people: FlaskClient, modality: str, ids: list[str]) -> None:
    answer = get(people, f"/v1/gallery/map?modality={modality}")
    assert [p["person_id"] for p in answer["points"]] == ids
    assert (answer["people"], answer["total"], answer["probe"]) == (len(set(ids)), 4, None)
    largest = max(max(abs(point["x"]), abs(point["y"])) for point in answer["points"])
    assert largest == pytest.approx(1)
    assert get(people, f"/v1/gallery/map?modality={modality}") == answer, "always the same"


def test_map_with_a_clip(people: FlaskClient) -> None:
    answer = send(
        people, "/v1/gallery/map?modality=face", media=media(face="ben", voice="ben")
    ).get_json()
    near = min(
        answer["points"],
        key=lambda p: (p["x"] - answer["probe"]["x"]) ** 2 + (p["y"] - answer["probe"]["y"]) ** 2,
    )
    assert near["person_id"] == "ben"
    assert people.get("/v1/people/ben").get_json()["templates"] == {"face": 1, "voice": 1}, (
        "nothing is stored"
    )
    assert_error(
        send(people, "/v1/gallery/map?modality=voice", media=media(face="ben")), 422, "no_biometric"
    )


def test_map_of_a_search_and_of_nobody(people: FlaskClient) -> None:
    assert {p["person_id"] for p in get(people, "/v1/gallery/map?search=BEN")["points"]} == {"ben"}
    assert get(people, "/v1/gallery/map?search=nobody")["points"] == []
    assert {p["person_id"] for p in get(people, "/v1/gallery/map?limit=1")["points"]} == {"ann"}


def test_similarity_is_the_mean_cosine(people: FlaskClient, recognizer: Recognizer) -> None:
    answer = get(people, "/v1/gallery/similarity?modality=face")
    assert [p["person_id"] for p in answer["people"]] == ["ann", "ben", "cem"]
    stored = {
        who: unit(
            recognizer.store.vectors_of(who, {Modality.FACE: recognizer.encoder_ids.face})[
                Modality.FACE
            ].vectors
        )
        for who in ("ann", "ben", "cem")
    }
    scores = np.array(answer["scores"], float)
    assert scores[0, 1] == pytest.approx((stored["ann"] @ stored["ben"].T).mean(), abs=1e-3)
    assert scores[0, 0] == pytest.approx(stored["ann"][0] @ stored["ann"][1], abs=1e-3)
    assert answer["scores"][1][1] is None, "a single template is compared with nothing"
    np.testing.assert_allclose(scores, scores.T)
    assert get(people, "/v1/gallery/similarity?search=nobody")["scores"] == []


@pytest.mark.parametrize(
    "url",
    [
        "/v1/gallery/map?modality=nose",
        "/v1/gallery/map?method=umap",
        "/v1/gallery/map?limit=501",
        "/v1/gallery/map?limit=0",
        "/v1/gallery/similarity?limit=201",
        "/v1/gallery/similarity?method=pca",
        "/v1/gallery/map?colour=red",
        "/v1/gallery/duplicates?limit=0",
        "/v1/gallery/duplicates?limit=-1",
    ],
)
def test_refusals(client: FlaskClient, url: str) -> None:
    assert_error(client.get(url), 400, "invalid_request")


@pytest.mark.parametrize(
    ("limit", "total"), [("1", 1), ("002", 2), ("100000001", 3), ("9" * 40, 3)]
)
def test_pairs_are_those_of_any_number_of_people(
    people: FlaskClient, limit: str, total: int
) -> None:
    assert get(people, f"/v1/gallery/duplicates?limit={limit}")["total"] == total


def test_tsne_is_bounded(
    people: FlaskClient, recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overview, "MAX_TSNE_POINTS", 3)
    with pytest.raises(InvalidRequestError, match="at most 3"):
        recognizer.overview.map_of(Modality.FACE, "tsne")


def test_the_latest_of_many_templates() -> None:
    owners = np.repeat(np.array([1, 2]), [3, 20])
    latest, rows = overview._latest(owners, np.arange(23, dtype=np.float32)[:, None])
    assert latest.tolist() == [1] * 3 + [2] * overview.MOST_EACH
    assert rows[-1, 0] == 22
