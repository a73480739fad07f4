"""`cli.py doctor` says in words what is wrong, in three languages."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import socket
import sqlite3
import string
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import cli
from commands import diagnosis
from gallery.encryption.sealing import new_key
from gallery.store import open_store
from jobs.push_problem import PROBLEMS, Problem
from tests.support.certificates import write_pair
from tests.support.first_release import old_file
from tests.support.http_server import serving
from utils.config import ROOT, Settings

TEXTS = {
    lang: json.loads((ROOT / f"commands/texts/doctor.{lang}.json").read_text(encoding="utf-8"))
    for lang in ("en", "ko", "zh")
}


class Alive(BaseHTTPRequestHandler):
    """The service, as far as the doctor asks it."""

    def do_GET(self) -> None:
        body = b'{"status": "ok"}' if self.path == "/v1/health/live" else b"{}"
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def alive() -> Iterator[int]:
    """Port at which a service answers."""
    with serving(Alive) as address:
        yield int(address.rpartition(":")[2])


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder, and weights that are not there, which cost nothing to load."""
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    monkeypatch.setenv("DUET_DATA_DIR", str(data))
    monkeypatch.setenv("DUET_MODEL_DIR", str(tmp_path / "models"))
    monkeypatch.setattr(diagnosis, "look_at_speech", lambda _: iter(()))
    return data


def run(*words: str) -> Result:
    return CliRunner().invoke(cli.cli, [*words, "doctor"])


def found(**settings: object) -> dict[str, str]:
    """Level of every finding, by subject and code."""
    env = {f"DUET_{name.upper()}": str(value) for name, value in settings.items()}
    done = CliRunner(env=env).invoke(cli.cli, ["doctor", "--json"])
    findings = json.loads(done.stdout)
    assert done.exit_code == any(one["level"] == "bad" for one in findings)
    return {f"{one['subject']}.{one['code']}": one["level"] for one in findings}


def test_the_shipped_models_and_packages_are_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DUET_MODEL_DIR")
    done = run()
    assert done.exit_code == 0, done.output
    assert "There is no gallery yet" in done.output
    assert done.output.endswith("Nothing is wrong.\n")


def test_it_words_everything_in_three_languages() -> None:
    """Every finding that the code makes has a text, and the texts state the same facts."""
    source = "".join((ROOT / "commands" / f).read_text() for f in ("diagnosis.py", "doctor.py"))
    source += (ROOT / "commands/diagnosis_gallery.py").read_text()
    made = set(_codes(ast.parse(source.replace("from __future__ import annotations", ""))))
    made |= {f"telemetry.{code}" for code in PROBLEMS}
    assert len(made) > 40
    for lang, texts in TEXTS.items():
        assert made <= texts.keys(), lang
        assert {name.removesuffix(".do") for name in texts} == made | {"end.ok", "end.bad"}
        assert {name: _facts(text) for name, text in texts.items()} == {
            name: _facts(text) for name, text in TEXTS["en"].items()
        }, lang
        problems = run("--lang", lang).output
        assert texts["end.bad"].format(n=2) in problems  # face and voice are not there
        assert texts["models.broken.do"] in problems


def _codes(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("bad", "note", "ok"):
            parts = chain.from_iterable(map(ast.walk, node.args))
            subject, *codes = [str(x.value) for x in parts if isinstance(x, ast.Constant)]
            named = [a.id for a in ast.walk(node) if isinstance(a, ast.Name) and a.id == "OK"]
            for code in codes or ["ok"]:
                yield f"{subject}.{code}"
            if named:
                yield f"{subject}.ok"


def _facts(text: str) -> set[str]:
    return {field for _, field, _, _ in string.Formatter().parse(text) if field}


def test_settings_that_cannot_be_used_do_not_end_it() -> None:
    assert found(port="many")["settings.wrong"] == "bad"
    assert found(colour="red")["settings.wrong"] == "bad"


def test_a_look_that_fails_does_not_hide_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def look_at_nothing(_: Settings) -> Iterator[diagnosis.Finding]:
        raise RuntimeError("odd")

    monkeypatch.setattr(diagnosis, "LOOKS", (look_at_nothing, diagnosis.look_at_key))
    assert found()["doctor.failed"] == "bad"
    assert "look_at_nothing itself failed: RuntimeError: odd" in run().output
    assert "Templates are stored in the clear" in run().output


def test_packages(tmp_path: Path) -> None:
    asked = tmp_path / "asked.txt"
    asked.write_text(
        "-r other.txt\nnumpy>=99  # later\nno-such-package>=1,<2\nclick>=8\n"
        "of-another-machine>=1; platform_machine == 'abacus'\n"
    )
    _, packages = diagnosis.look_at_packages(Settings(), asked)
    assert packages.level == "bad"
    assert re.search(r"numpy>=99 \(\d.*no-such-package<2,>=1 \(-\)", packages.facts["packages"])
    for fine in ("click", "another-machine"):
        assert fine not in packages.facts["packages"]


def test_weights_of_another_hash(tmp_path: Path) -> None:
    leave = shutil.ignore_patterns("*.keras")
    shutil.copytree(ROOT / "best_model", tmp_path / "models", ignore=leave)
    card = json.loads((tmp_path / "models/voice/card.json").read_text(encoding="utf-8"))
    with (tmp_path / "models/voice" / card["file"]).open("ab") as weights:
        weights.write(b"\0")
    assert f"voice/{card['file']} are not those of their card" in run().output


def test_folder_disk_and_key(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place.chmod(0o755)
    key = place / "gallery.key"
    assert found(encryption_key_file=key)["key.missing"] == "bad"
    key.write_text(new_key())
    key.chmod(0o644)
    usage = shutil.disk_usage("/")._replace(free=5_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    seen = found(encryption_key_file=key)
    assert {name: seen[name] for name in seen if name.startswith(("folder", "key", "disk"))} == {
        "folder.readable": "note",
        "disk.full": "bad",
        "key.readable": "note",
        "key.beside": "note",
        "key.ok": "ok",
    }
    blocked = place / "file"
    blocked.touch()
    assert found(data_dir=blocked)["folder.unwritable"] == "bad"


def test_ports_and_who_answers_there(alive: int) -> None:
    assert found(port=alive)["ports.serving"] == "ok"
    assert found(port=alive, base_path="/duet")["ports.taken"] == "bad"
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.settimeout(0.1)
        assert found(port=other.getsockname()[1])["ports.taken"] == "bad"


def test_cameras_proxies_and_keys(alive: int, tmp_path: Path) -> None:
    opened = found(host="0.0.0.0", port=alive)
    assert opened["cameras.refused"] == opened["access.no_key"] == "bad"
    good = write_pair(tmp_path, "good")
    https = found(host="0.0.0.0", tls_cert=good[0], tls_key=good[1], api_key="k")
    assert https["cameras.ok"] == https["access.key"] == "ok"
    assert found(tls_cert=good[1], tls_key=good[0])["certificate.wrong"] == "bad"
    behind = found(trusted_proxies=1, api_key="k", host="0.0.0.0", port=alive)
    assert behind["cameras.unstated"] == behind["proxy.passed_by"] == "note"
    gone = found(url="https://127.0.0.1:9/duet", port=alive)
    assert (gone["proxy.untrusted"], gone["proxy.silent"]) == ("note", "bad")
    assert found(url=f"http://127.0.0.1:{alive}", port=alive)["proxy.ok"] == "ok"
    assert found(url="http://duet.example.org")["cameras.refused"] == "bad"


def test_a_receiver_of_figures_that_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"otlp_endpoint": "http://127.0.0.1:9/t0ken"}
    monkeypatch.setattr(diagnosis, "try_receiver", lambda *_: Problem("refused", "401"))
    monkeypatch.setattr(diagnosis, "is_exporter_installed", lambda: True)
    assert found(**settings)["telemetry.refused"] == "bad"
    monkeypatch.setenv("DUET_OTLP_ENDPOINT", settings["otlp_endpoint"])
    told = run("--lang", "zh").output
    where = "http://127.0.0.1:9"
    assert TEXTS["zh"]["telemetry.refused"].format(where=where, fact="401") in told
    assert "t0ken" not in told
    monkeypatch.setattr(diagnosis, "is_exporter_installed", lambda: False)
    assert found(**settings)["telemetry.packages"] == "bad"


def test_a_broker_that_is_silent() -> None:
    assert found(broker_url="redis://:secret@127.0.0.1:9/0")["broker.silent"] == "bad"
    assert (
        "secret"
        not in CliRunner(env={"DUET_BROKER_URL": "redis://:secret@[/0"})
        .invoke(cli.cli, ["doctor"])
        .output
    )


def test_what_is_in_the_gallery(place: Path, tmp_path: Path) -> None:
    store = open_store(Settings.of(data_dir=place))
    store.create_person("zoe")
    store.close()
    sound = found(backup_dir=tmp_path / "kept")
    assert sound["database.ok"] == sound["clock.ok"] == sound["gallery.ok"] == "ok"
    assert sound["backups.missing"] == "bad"
    with sqlite3.connect(place / "duet.db") as connection:
        connection.execute("DELETE FROM meta WHERE name IN ('audit_head', 'clock')")
        connection.execute("DROP TRIGGER events_no_update")
        connection.execute("UPDATE events SET at = '2020-01-01 00:00:00.000000'")
    broken = found()
    assert broken["clock.ahead"] == broken["gallery.broken"] == "bad"
    key = tmp_path / "other.key"
    key.write_text(new_key())
    with sqlite3.connect(place / "duet.db") as connection:
        connection.execute("INSERT INTO meta VALUES ('encryption_key', '0123456789abcdef')")
    assert found(encryption_key_file=key)["key.wrong"] == "bad"


def test_a_gallery_that_is_encrypted_is_not_called_clear(place: Path, tmp_path: Path) -> None:
    assert found()["key.none"] == "note"  # there is no gallery yet
    key = tmp_path / "gallery.key"
    key.write_text(new_key())
    key.chmod(0o600)
    open_store(Settings.of(data_dir=place, encryption_key_file=key)).close()
    assert found(encryption_key_file=key)["key.ok"] == "ok"
    without = found()
    assert without["key.not_set"] == "bad"
    assert "key.none" not in without
    output = run().output
    assert "The gallery is encrypted, and no key is set" in output
    assert "in the clear" not in output


def test_a_database_of_another_release_is_left_as_it_is(place: Path) -> None:
    path = old_file(place)
    before = path.read_bytes()
    assert found()["database.earlier"] == "note"
    assert path.read_bytes() == before
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.execute("INSERT INTO alembic_version VALUES ('9001')")
    assert found()["database.later"] == "bad"
    path.write_bytes(os.urandom(4096))
    assert found()["database.unreadable"] == "bad"


def test_a_unit_with_another_gallery_is_told(
    tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unit = tmp_path / "duet.service"
    variables = tmp_path / "duet.env"
    monkeypatch.setattr(diagnosis, "UNIT_FILES", (unit, variables))
    variables.write_text("# DUET_DATA_DIR=/none\n")
    look = partial(diagnosis.look_at_disk, Settings.from_env())
    assert "other" not in [one.code for one in look()], "no unit is installed"
    shutil.copy(ROOT / "deploy/duet.service", unit)
    told = next(look())
    assert (told.code, told.level, told.facts["other"]) == ("other", "note", "/var/lib/duet")
    variables.write_text(f'DUET_DATA_DIR="{place}"\n')
    assert "other" not in [one.code for one in look()]
