"""Templates made anew with other models from kept media.

Old templates serve until the switch, a killed run goes on, and nothing is mixed.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from commands.hints import HINTS as COMMAND_HINTS
from gallery.database.open import open_database
from gallery.encryption.sealing import Codec, Sealer
from gallery.store import Store
from gallery.upkeep import reembedding
from gallery.upkeep.reembedding import Reembedding
from recognition.recognizer import Recognizer
from tests.support.asking import enroll, identify
from tests.support.gallery_parts import (
    StubEncoders,
    make_recognizer,
    write_clip,
)
from tests.support.next_models import NEXT, NextFace, NextVoice
from tests.support.postgres import new_database
from tests.support.templates import kept_media
from utils.errors import EncoderMismatchError
from utils.modality import Modality

pytestmark = pytest.mark.slow


@pytest.fixture(params=["clear", "sealed", "postgres"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def codec(kind: str) -> Codec | None:
    return Sealer(b"k" * 32) if kind == "sealed" else None


@pytest.fixture
def url(kind: str) -> str:
    return new_database() if kind == "postgres" else ""


@pytest.fixture
def old(tmp_path: Path, codec: Codec | None, url: str) -> Iterator[Recognizer]:
    """Ten people by the first model, with kept media."""
    made = make_recognizer(tmp_path, codec=codec, keep_media=True, database_url=url)
    for n in range(10):
        enroll(made, f"p{n}", write_clip(tmp_path / "clip", face=n, voice=n, sample=1), create=True)
    yield made
    made.close()


def named(recognizer: Recognizer, folder: Path, n: int) -> str | None:
    match = identify(
        recognizer, write_clip(folder / "probe", face=n, voice=n, sample=2)
    ).decisions.fused.match
    return match.person_id if match else None


def test_old_templates_serve_until_the_switch(
    old: Recognizer, tmp_path: Path, codec: Codec | None, url: str
) -> None:
    fresh = make_recognizer(tmp_path, NEXT, codec=codec, keep_media=True, database_url=url)
    with pytest.raises(EncoderMismatchError) as refused:
        named(fresh, tmp_path, 1)
    assert "reembed" in refused.value.to_dict(COMMAND_HINTS)["hint"]
    work = Reembedding(fresh.store, NEXT)
    assert work.count_left().waiting == 20
    assert work.stage() == 20
    assert named(old, tmp_path, 3) == "p3", "the old model still serves"
    enroll(old, "late", write_clip(tmp_path / "clip", face=20, voice=20, sample=1), create=True)
    with pytest.raises(EncoderMismatchError, match="2 templates are not embedded yet"):
        work.switch()
    assert named(old, tmp_path, 20) == "late"
    work.stage()
    assert work.switch() == 22
    assert [named(fresh, tmp_path, n) for n in (0, 9, 20)] == ["p0", "p9", "late"]
    with pytest.raises(EncoderMismatchError):
        named(old, tmp_path, 3)
    assert work.count_left() == reembedding.Left(0, 0, 0, ())
    assert fresh.store.verify_audit().problems == ()
    fresh.close()


def test_ids_and_kept_media_stay(old: Recognizer) -> None:
    before = old.store.list_templates("p1")
    media = [kept_media(old.store, info.template_id) for info in before]
    work = Reembedding(old.store, NEXT)
    work.stage()
    work.switch()
    after = old.store.list_templates("p1")
    assert [(t.template_id, t.source_sha256, t.quality) for t in after] == [
        (t.template_id, t.source_sha256, t.quality) for t in before
    ]
    assert {t.encoder_id for t in after} == {"face-2", "voice-2"}
    assert [kept_media(old.store, info.template_id) for info in after] == media, (
        "a later model can do it again"
    )


def test_the_same_vectors_as_an_enrolment(old: Recognizer, tmp_path: Path) -> None:
    work = Reembedding(old.store, NEXT)
    work.stage()
    work.switch()
    (tmp_path / "other").mkdir()
    again = make_recognizer(tmp_path / "other", NEXT)
    enroll(again, "p1", write_clip(tmp_path / "clip", face=1, voice=1, sample=1), create=True)
    ids = {Modality.FACE: "face-2", Modality.VOICE: "voice-2"}
    for made, enrolled in zip(
        old.store.vectors_of("p1", ids).values(),
        again.store.vectors_of("p1", ids).values(),
        strict=True,
    ):
        assert np.allclose(made.vectors, enrolled.vectors, atol=1e-6)
    again.close()


def test_what_has_no_media_is_named_or_dropped(tmp_path: Path) -> None:
    recognizer = make_recognizer(tmp_path)
    enroll(recognizer, "bare", write_clip(tmp_path / "clip", face=1, voice=1), create=True)
    recognizer.close()
    recognizer = make_recognizer(tmp_path, keep_media=True)
    enroll(recognizer, "kept", write_clip(tmp_path / "clip", face=2, voice=2), create=True)
    work = Reembedding(recognizer.store, NEXT)
    work.stage()
    with pytest.raises(EncoderMismatchError, match="They are of: bare"):
        work.switch()
    assert named(recognizer, tmp_path, 2) == "kept", "nothing was changed"
    assert work.switch(drop=True) == 2
    assert recognizer.store.list_templates("bare") == ()
    recognizer.close()


def test_only_one_model_changed(old: Recognizer) -> None:
    work = Reembedding(old.store, StubEncoders(face=NextFace()))
    assert work.count_left().waiting == 10
    work.stage()
    work.switch()
    assert {t.encoder_id for t in old.store.list_templates("p2")} == {"face-2", "voice-1"}


def test_yet_another_model_begins_anew(old: Recognizer) -> None:
    Reembedding(old.store, StubEncoders(NextFace("face-3"), NextVoice("voice-3"))).stage()
    work = Reembedding(old.store, NEXT)
    assert work.count_left().waiting == 20
    assert work.stage() == 20
    assert work.switch() == 20
    assert {t.encoder_id for t in old.store.list_templates("p1")} == {"face-2", "voice-2"}


def test_people_who_are_deleted_meanwhile(old: Recognizer) -> None:
    work = Reembedding(old.store, NEXT)
    work.stage()
    old.store.delete_person("p4")
    assert work.switch() == 18


def test_enrolled_again_by_the_new_model_meanwhile(
    old: Recognizer, tmp_path: Path, codec: Codec | None, url: str
) -> None:
    work = Reembedding(old.store, NEXT)
    work.stage()
    fresh = make_recognizer(tmp_path, NEXT, codec=codec, database_url=url)
    enroll(fresh, "p1", write_clip(tmp_path / "clip", face=1, voice=1, sample=1), replace=True)
    assert work.switch() == 18
    assert fresh.store.get_person("p1").templates == {"face": 1, "voice": 1}
    fresh.close()


def _reembed(url: str, cpu_s: float | None) -> None:
    """Re-embed, and be killed by the system after some computing, or after two batches.

    `cpu_s` None = not at all.
    """
    work = Reembedding(Store(open_database(url)), NEXT)
    batches = itertools.count()

    def progress(_: int) -> None:
        if next(batches):
            os.kill(os.getpid(), signal.SIGKILL)
        signal.setitimer(signal.ITIMER_PROF, cpu_s or 0.0)  # SIGPROF ends a process as SIGKILL does

    work.stage(progress if cpu_s else lambda _: None)
    work.switch()


def test_killed_again_and_again_it_ends_whole(tmp_path: Path, store_url: str) -> None:
    (tmp_path / "data").mkdir()
    made = make_recognizer(tmp_path, keep_media=True, database_url=store_url)
    for n in range(60):
        enroll(
            made,
            f"p{n}",
            write_clip(tmp_path / "clip", face=n, voice=n, sample=1),
            create=True,
            force=True,
        )
    context = multiprocessing.get_context("forkserver")
    rng = random.Random(5)
    context.set_forkserver_preload([__name__])
    for cpu_s in [*(rng.uniform(0.001, 0.05) for _ in range(4)), None]:  # of eight batches
        process = context.Process(target=_reembed, args=(store_url, cpu_s))
        process.start()
        process.join()
        assert process.exitcode in ((-signal.SIGPROF, -signal.SIGKILL) if cpu_s else (0,))
    for n in range(60):
        ids = {template.encoder_id for template in made.store.list_templates(f"p{n}")}
        assert ids == {"face-2", "voice-2"}
    assert made.store.verify_audit().problems == ()
    made.close()
