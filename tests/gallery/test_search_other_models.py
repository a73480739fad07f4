"""Search of galleries whose templates are of other models than those in use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from commands.hints import HINTS as COMMAND_HINTS
from gallery.ports import Encoders
from gallery.search.codes import CodeIndex
from gallery.search.memory import ALL, Index, MemoryIndex
from gallery.search.postgres import DatabaseIndex
from gallery.store import NewPerson, Store
from tests.support.asking import identify, verify_person
from tests.support.gallery_parts import StubEncoders, make_recognizer, write_clip
from tests.support.searching import best, probe
from tests.support.templates import templates
from utils.errors import EncoderMismatchError
from utils.modality import Modality

KINDS: dict[str, Callable[[Store, Encoders], Index]] = {
    "memory": MemoryIndex,
    "codes": CodeIndex,
    "postgres": DatabaseIndex,
}
FACE, VOICE, FUSED = ALL


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def store_url(request: pytest.FixtureRequest, kind: str) -> str:
    name = "postgres_url" if kind == "postgres" else "sqlite_url"
    return str(request.getfixturevalue(name))


@pytest.fixture
def index(store: Store, kind: str) -> Index:
    return KINDS[kind](store, StubEncoders())


def old_templates(store: Store, person_id: str, identity: int) -> None:
    """Enrol a person by face and voice with models before those in use."""
    old = [
        *templates(identity, "f", encoder_id="face-0"),
        *templates(identity, "v", encoder_id="voice-0"),
    ]
    store.enroll(NewPerson(person_id), old)


@pytest.mark.parametrize("modalities", ["fv", "f", "v"])
def test_nobody_is_near_where_all_templates_are_of_other_models(
    store: Store, index: Index, modalities: str
) -> None:
    old_templates(store, "old", 1)
    snapshot = index.near(probe(1, modalities))
    assert (snapshot.people, snapshot.keys.tolist()) == (0, [])
    assert [snapshot.count(modality) for modality in ALL] == [0, 0, 0]
    stale = [(s.modality, s.templates, s.people) for s in snapshot.stale]
    assert stale == [(FACE, 1, 1), (VOICE, 1, 1)]


def test_who_has_the_models_in_use_is_found_beside_others(store: Store, index: Index) -> None:
    store.enroll(NewPerson("new"), templates(2))
    with pytest.raises(EncoderMismatchError):
        old_templates(store, "old", 1)
    store.enroll(NewPerson("face"), templates(3, "f"))
    snapshot = index.near(probe(2))
    assert best(snapshot, probe(2), FUSED)[0] == "new"
    assert [snapshot.count(modality) for modality in ALL] == [2, 1, 1]


def test_one_modality_of_another_model(store: Store, index: Index) -> None:
    mixed = [*templates(1, "f"), *templates(1, "v", encoder_id="voice-0")]
    store.enroll(NewPerson("ann"), mixed)
    snapshot = index.near(probe(1))
    assert best(snapshot, probe(1), FACE)[0] == "ann"
    assert [snapshot.count(modality) for modality in ALL] == [1, 0, 0]
    alone = index.near(probe(1, "v"))
    assert (alone.people, alone.count(VOICE)) == (1, 0)
    assert [s.modality for s in alone.stale] == [VOICE]


def test_the_recognizer_says_that_the_models_changed(tmp_path: Path) -> None:
    recognizer = make_recognizer(tmp_path)
    old_templates(recognizer.store, "old", 1)
    clip = write_clip(tmp_path / "clip", face=1, voice=1)
    for ask in (identify, lambda made, path: verify_person(made, path, "old")):
        with pytest.raises(EncoderMismatchError, match="1 face template of 1 person") as caught:
            ask(recognizer, clip)
        assert "reembed" in caught.value.to_dict(COMMAND_HINTS)["hint"]
    for modality in Modality:
        assert recognizer.overview.map_of(modality).places == ()
        assert recognizer.overview.similarity(modality).people == ()
    recognizer.close()
