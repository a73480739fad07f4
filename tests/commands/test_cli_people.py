"""`cli.py people ...` over a real gallery. None of it loads the networks."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import update

import cli
from gallery.records.people import NewPerson
from gallery.store import Store
from gallery.tables import people
from recognition import all_pairs
from recognition.recognizer import Recognizer
from tests.support.asking import enroll, identify
from tests.support.gallery_parts import make_recognizer, write_clip
from tests.support.templates import face, voice

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = make_recognizer(tmp_path / "data")
    enroll(made, "ann", write_clip(tmp_path / "clip", face=1, voice=1), create=True)
    identify(made, write_clip(tmp_path / "clip", face=1, voice=1, sample=3), request_id="r1")
    made.store.enroll(NewPerson("ben", "Ben"), [face(2), voice(2)])
    yield made.store
    made.close()


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, store: Store) -> Callable[..., Result]:
    monkeypatch.setenv("DUET_DATA_DIR", str(tmp_path / "data"))

    def invoke(command: str, *words: object, **more: Any) -> Result:
        return CliRunner().invoke(cli.cli, ["people", *command.split(), *map(str, words)], **more)

    return invoke


def test_create_update_show(run: Callable[..., Result], store: Store) -> None:
    made = run("create cem --name Cem --consent signed --retention-days 30")
    assert made.exit_code == 0, made.output
    shown = run("show", "cem").output
    assert "consent: signed" in shown
    end = store.get_person("cem").created_at + timedelta(days=30)
    assert f"expires: {end:%Y-%m-%d %H:%M:%S}Z" in shown
    assert run("update cem --name", "Cem Roe", "--retention-days", "none").exit_code == 0
    person = store.get_person("cem")
    assert (person.name, person.consent, person.expires_at) == ("Cem Roe", "signed", None)
    assert run("update", "cem", "--consent", "").exit_code == 0
    assert store.get_person("cem").consent == ""


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        (["update", "ann"], 2, "Nothing to change"),
        (["update", "ann", "--retention-days", "soon"], 2, "whole number"),
        (["update", "ann", "--retention-days", "0"], 1, "retention_days"),
        (["create", "ann"], 1, "person_exists"),
        (["create", "../x"], 1, "invalid_name"),
        (["merge", "ann", "ann", "--yes"], 1, "invalid_request"),
        (["merge", "ann", "nobody", "--yes"], 1, "person_not_found"),
        (["distinct", "ann", "ann"], 1, "invalid_request"),
        (["distinct", "ann", "nobody"], 1, "person_not_found"),
        (["templates", "ann", "--move", "0"], 2, "--to"),
        (["templates", "ann", "--create"], 2, "--to"),
        (["templates", "ann", "--delete", "0"], 1, "template_not_found"),
        (["feedback", "r1", "ann"], 2, "same"),
        (["feedback", "r1", "ann", "yes"], 2, "same"),
        (["feedback", "r1", "ben", "same"], 1, "identification_not_found"),
        (["export", "nobody"], 1, "person_not_found"),
    ],
)
def test_what_is_refused(
    run: Callable[..., Result], store: Store, words: list[str], status: int, text: str
) -> None:
    result = run(*words)
    assert result.exit_code == status
    assert text in result.output
    assert store.count() == 2


def test_templates_are_listed_moved_and_deleted(run: Callable[..., Result], store: Store) -> None:
    first, second = store.list_templates("ann")
    assert run("templates", "ann").output.splitlines()[0].split("\t")[:2] == [
        first.template_id,
        "face",
    ]
    assert run(f"templates ann --to ben --move {first.template_id}").exit_code == 0
    assert store.get_person("ben").templates == {"face": 2, "voice": 1}
    taken = run(f"templates ann --create --to ben --move {second.template_id}")
    assert (taken.exit_code, "Leave `create` out" in taken.output) == (1, True)
    assert (
        "last_template"
        in run(f"templates ann --create --to cem --move {second.template_id}").output
    )
    ours = store.list_templates("ben")[0].template_id
    assert run(f"templates ben --create --to cem --move {ours}").exit_code == 0
    assert store.get_person("cem").templates == {"face": 1, "voice": 0}
    left = next(t for t in store.list_templates("ben") if t.modality == "face")
    assert run("templates", "ben", "--delete", left.template_id).exit_code == 0
    assert store.get_person("ben").templates == {"face": 0, "voice": 1}


def test_merge_asks(run: Callable[..., Result], store: Store) -> None:
    assert run("merge", "ann", "ben", input="n\n").exit_code == 1
    assert store.count() == 2
    assert "2 face, 2 voice" in run("merge", "ann", "ben", input="y\n").output
    assert store.count() == 1


def test_duplicates_are_listed_until_they_are_two_people(
    run: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(make_recognizer(tmp_path / "data")) as recognizer:
        again = write_clip(tmp_path / "clip", face=1, voice=1, sample=7)
        enroll(recognizer, "ann2", again, create=True, force=True)

    def open_again() -> closing[Recognizer]:
        return closing(make_recognizer(tmp_path / "data"))

    monkeypatch.setattr("commands.people_list.open_recognizer", open_again)
    suspects = run("list --kind duplicate").stdout
    assert [line.split("\t")[0] for line in suspects.splitlines()] == ["ann", "ann2"]
    found = run("duplicates")
    assert found.stdout.split("\t")[:2] == ["ann", "ann2"], found.output
    assert found.stderr.endswith("1 pair among 3 entries\n")
    assert run("distinct ann2 ann").exit_code == 0
    assert run("duplicates").stdout == ""
    assert run("list --kind duplicate").stdout == ""


def test_a_search_compares_those_it_finds_alone(
    run: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: Store
) -> None:
    """A terminal sees how far it is."""
    for name in ("cem", "cem2", "cem3"):
        store.enroll(NewPerson(name), [face(1), voice(1)])

    def open_again() -> closing[Recognizer]:
        return closing(make_recognizer(tmp_path / "data"))

    compared: list[int] = []
    real = all_pairs.AllPairs._compare

    def watch(pairs: all_pairs.AllPairs, connection: Any, snapshot: Any, some: Any) -> float:
        compared.extend(some.keys.tolist())
        return real(pairs, connection, snapshot, some)

    monkeypatch.setattr("commands.people_list.open_recognizer", open_again)
    monkeypatch.setattr("click._termui_impl.isatty", lambda _: True)
    monkeypatch.setattr(all_pairs, "AT_ONCE", 2)
    monkeypatch.setattr(all_pairs.AllPairs, "_compare", watch)
    found = run("duplicates --search cem")
    assert len(found.stdout.splitlines()) == 3, found.output
    assert compared == [3, 4, 5]
    assert "2/3  about" in found.stderr
    assert "3 pairs among 3 entries" in found.stderr
    nobody = run("list --kind duplicate --search nobody")
    assert (nobody.stdout, compared) == ("", [3, 4, 5]), "nobody is compared for nobody"
    nobody = run("duplicates --search nobody")
    assert nobody.stdout == ""
    assert nobody.stderr.splitlines()[-1] == "0 pairs among 0 entries"
    assert "Comparing" not in nobody.stderr, "nobody is read for nobody"


def test_export(run: Callable[..., Result], tmp_path: Path) -> None:
    file = tmp_path / "ann.json"
    file.touch(mode=0o644)  # its owner alone may read what it holds from now on
    assert json.loads(run("export", "ann").output)["person"]["person_id"] == "ann"
    assert run("export", "ann", "--to", file).exit_code == 0
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(json.loads(file.read_text())["templates"]) == 2


def test_feedback(run: Callable[..., Result], store: Store) -> None:
    assert "face, fused, voice" in run("feedback", "r1", "ann", "different").output
    encoders = {"face": "face-1", "voice": "voice-1", "fused": "fusion-1"}
    scales = {"face": "", "voice": "", "fused": ""}
    assert [t.same for t in store.feedback_trials(encoders, scales)] == [False] * 3


def test_purge(run: Callable[..., Result], store: Store) -> None:
    run("update", "ben", "--retention-days", 1)
    assert "0 people forgotten" in run("purge").output
    with store.database.write() as connection:
        connection.execute(
            update(people)
            .where(people.c.person_id == "ben")
            .values(enrolled_at=datetime.now(UTC) - timedelta(days=2))
        )
    assert "1 person forgotten" in run("purge").output
    assert [p.person_id for p in store.list_people().people] == ["ann"]


def test_no_network_is_loaded(tmp_path: Path, store: Store) -> None:
    code = (
        "import sys, cli; cli.cli(['people', 'list'], standalone_mode=False);"
        "assert not {'tensorflow', 'keras', 'onnxruntime', 'mtcnn', 'flask'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"DUET_DATA_DIR": str(tmp_path / "data"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "ann\tann\t1 face, 1 voice" in done.stdout


def test_advice_is_about_commands(run: Callable[..., Result]) -> None:
    shown = CliRunner().invoke(cli.cli, ["people", "show", "nobody"])
    assert shown.output.rstrip().endswith("List the people with: cli.py people list")
    job = CliRunner().invoke(cli.cli, ["jobs", "show", "x"])
    assert job.output.rstrip().endswith("List the jobs with: cli.py jobs list")
