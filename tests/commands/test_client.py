"""The terminal client against a real service over a real socket.

What it prints, who answered, and what happens when nobody does.
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
from click.testing import CliRunner, Result

import cli
from tests.support.media import silence, speech, write_sound
from tests.support.service import ROOT, Service, environment, free_port, running
from tests.support.tiny import tiny_models

KEY = "a-key-that-is-long-enough-for-a-test"

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Networks with random weights, and recordings.

    ann.wav, again.wav (of the same bytes), quiet.wav, text.wav.
    """
    made = tmp_path_factory.mktemp("client")
    tiny_models(made / "models")
    write_sound(made / "ann.wav", speech(0))
    (made / "again.wav").write_bytes((made / "ann.wav").read_bytes())
    write_sound(made / "quiet.wav", silence(2.0))
    (made / "text.wav").write_text("no sound")
    return made


@pytest.fixture(scope="module")
def service(folder: Path) -> Iterator[Service]:
    with running(folder, "app.py", model_dir=folder / "models", api_key=KEY) as started:
        yield started


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Callable[..., Result]:
    """The command, with the settings of this machine.

    Its gallery is the file of the service.
    """
    for name, value in (("DATA_DIR", folder / "data"), ("MODEL_DIR", folder / "models")):
        monkeypatch.setenv(f"DUET_{name}", str(value))

    def invoke(command: str, *words: object, **more: Any) -> Result:
        return CliRunner().invoke(cli.cli, ["client", *command.split(), *map(str, words)], **more)

    return invoke


@pytest.fixture
def at(service: Service) -> tuple[str, ...]:
    return ("--server", service.url, "--api-key", KEY)


@pytest.fixture
def ann(run: Callable[..., Result], at: tuple[str, ...], folder: Path) -> Iterator[None]:
    registered = run("register ann", folder / "ann.wav", "--name", "Ann Lee", *at)
    assert registered.exit_code == 0, registered.output
    assert "1 recording of ann" in registered.stdout
    yield
    assert run("delete", "ann", "--yes", *at).exit_code == 0


def test_the_way_of_a_speaker(
    run: Callable[..., Result], at: tuple[str, ...], ann: None, service: Service, folder: Path
) -> None:
    answer = run("identify", folder / "again.wav", *at)
    assert answer.exit_code == 0, answer.output
    assert answer.stdout.startswith("again.wav: ann (Ann Lee), confidence 1.0")
    assert answer.stderr == f"answered by {service.url}\n"
    listed = run("list", *at)
    assert (listed.stdout, listed.stderr) == ("ann\tAnn Lee\t1 recording\n", "1 speaker\n")
    body = json.loads(run("identify", folder / "again.wav", "--json", *at).stdout)
    assert (body["file"], body["answered_by"], body["speaker_id"], body["threshold"]) == (
        "again.wav",
        "server",
        "ann",
        0.7,
    )
    registered = run("register ann", folder / "ann.wav", *at)
    assert registered.stdout == "Registered: 0 recordings of ann. Already there: 1.\n"
    asked = run("delete", "ann", *at, input="n\n")
    assert asked.exit_code == 1
    assert "Delete Ann Lee (ann) and everything" in asked.output
    assert "ann" in run("list", *at).stdout


def test_the_key_comes_from_the_environment_too(
    run: Callable[..., Result],
    ann: None,
    service: Service,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DUET_API_KEY", KEY)
    assert run("identify", folder / "ann.wav", "--server", service.url).exit_code == 0


def test_batch_with_a_bad_file(
    run: Callable[..., Result], at: tuple[str, ...], ann: None, folder: Path
) -> None:
    result = run("batch", folder / "ann.wav", folder / "text.wav", folder / "again.wav", *at)
    assert result.exit_code == 1
    assert [line.split(",")[0] for line in result.stdout.splitlines()] == [
        "ann.wav: ann (Ann Lee)",
        "again.wav: ann (Ann Lee)",
    ]
    assert "text.wav: media_type" in result.stderr


# ---- refusals are no reason to fall back


@pytest.mark.parametrize("key", ["", "wrong"])
def test_a_wrong_key_is_told_and_nobody_else_is_asked(
    run: Callable[..., Result], service: Service, folder: Path, key: str
) -> None:
    result = run(
        f"identify --local-fallback --server {service.url} --api-key", key, folder / "ann.wav"
    )
    assert result.exit_code == 1
    assert "key_required" in result.stderr
    assert "this machine" not in result.stderr
    assert result.stdout == ""


def test_what_the_service_refuses_is_told(
    run: Callable[..., Result], at: tuple[str, ...], folder: Path
) -> None:
    for name, code in (("text.wav", "media_type"), ("quiet.wav", "no_biometric")):
        result = run("identify", folder / name, "--local-fallback", *at)
        assert (result.exit_code, result.stdout) == (1, "")
        assert code in result.stderr
    for words in (("nobody",), ("nobody", "--yes")):
        refused = run("delete", *words, *at)
        assert "person_not_found" in refused.stderr
        assert refused.stdout == "", "nothing is asked about nobody"


def test_something_else_on_the_port(run: Callable[..., Result], folder: Path) -> None:
    """A server that answers with what is not ours."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            peer, _ = listening.accept()
            with peer:
                peer.recv(1 << 20)
                peer.sendall(
                    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"
                )
                time.sleep(0.2)

        threading.Thread(target=answer, daemon=True).start()
        result = run("list", "--server", f"http://127.0.0.1:{listening.getsockname()[1]}")
    assert result.exit_code == 1
    assert "no_service" in result.stderr


# ---- nobody answers


def test_without_a_service_it_says_so(run: Callable[..., Result], folder: Path) -> None:
    result = run("identify", folder / "ann.wav", "--server", f"http://127.0.0.1:{free_port()}")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "server_unreachable" in result.stderr
    assert "--local-fallback" in result.stderr
    assert "server_unreachable" in run("list", "--server", f"http://127.0.0.1:{free_port()}").stderr


def test_without_a_service_the_gallery_of_this_machine_answers(
    run: Callable[..., Result], at: tuple[str, ...], ann: None, folder: Path
) -> None:
    nobody = ("--server", f"http://127.0.0.1:{free_port()}", "--local-fallback")
    there, here = (
        json.loads(run("identify", folder / "again.wav", "--json", *where).stdout)
        for where in (at, nobody)
    )
    assert (there["answered_by"], here["answered_by"]) == ("server", "local")
    for field in ("identified", "speaker_id", "name", "threshold", "reason"):
        assert here[field] == there[field]
    assert here["confidence"] == pytest.approx(there["confidence"], abs=1e-6)
    answer = run("identify", folder / "again.wav", *nobody)
    assert answer.stdout.startswith("again.wav: ann (Ann Lee)")
    assert "no connection" in answer.stderr
    assert "Answered by the gallery of this machine" in answer.stderr
    many = run("batch", folder / "ann.wav", folder / "text.wav", *nobody)
    assert many.exit_code == 1
    assert "ann.wav: ann (Ann Lee)" in many.stdout
    assert "text.wav: media_type" in many.stderr


def test_a_service_that_was_stopped(
    run: Callable[..., Result], folder: Path, tmp_path: Path
) -> None:
    with running(tmp_path, "app.py", model_dir=folder / "models") as short:
        assert run("register zoe", folder / "ann.wav", "--server", short.url).exit_code == 0
    result = run(
        f"identify --local-fallback --server {short.url}",
        folder / "again.wav",
        env={"DUET_DATA_DIR": str(tmp_path / "data")},
    )
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("again.wav: zoe (zoe)")


def test_a_service_that_hangs(run: Callable[..., Result], folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        where = ("--server", f"http://127.0.0.1:{mute.getsockname()[1]}", "--timeout", "0.3")
        result = run("identify", folder / "ann.wav", *where)
        assert "no answer in time" in result.stderr
        assert run("identify", folder / "ann.wav", "--local-fallback", *where).exit_code == 0


def test_a_client_that_does_not_fall_back_loads_no_network(folder: Path) -> None:
    code = (
        "import sys, cli\ntry:\n    cli.cli(['client', 'identify', sys.argv[1], '--server',"
        " sys.argv[2]])\nexcept SystemExit:\n    pass\nprint(sorted(set(sys.modules) &"
        " {'tensorflow', 'keras', 'onnxruntime', 'flask', 'cv2'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder / "ann.wav"), f"http://127.0.0.1:{free_port()}"],
        cwd=ROOT,
        env=environment({}),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stdout.strip() == "[]"


# ---- the documentation


@pytest.mark.skipif(not shutil.which("curl"), reason="no curl on this machine")
def test_the_lines_of_the_documentation_work(
    service: Service, folder: Path, tmp_path: Path
) -> None:
    """Every block of docs/voice-api.md with curl is run as it stands.

    Only the port is another.
    """
    blocks = [
        b
        for b in re.findall(
            r"```sh\n(.*?)```", (ROOT / "docs/voice-api.md").read_text(encoding="utf-8"), re.DOTALL
        )
        if "curl" in b
    ]
    for name in set(re.findall(r"@?([\w-]+\.wav)", "".join(blocks))):
        (tmp_path / name).write_bytes((folder / "ann.wav").read_bytes())
    answers = []
    for block in blocks:
        lines = (
            block.replace("http://127.0.0.1:5000", service.url)
            .replace("curl ", "curl -sS ")
            .replace("\\\n", " ")
        )
        for line in lines.splitlines():
            done = subprocess.run(
                ["bash", "-c", line],
                cwd=tmp_path,
                env=environment({"api_key": KEY}),
                capture_output=True,
                text=True,
                timeout=120,
                check=True,
            )
            if "curl" in line:
                answers.append((line, json.loads(done.stdout)))
    assert len(answers) == 8
    assert not [answer for answer in answers if "error" in answer[1]]
    assert answers[1][1]["speaker_id"] == "ann"
    assert answers[7][1]["identified"] is False, "ann was deleted"


# ---- wrong use


def test_wrong_use(run: Callable[..., Result], folder: Path) -> None:
    for words in (
        ("identify",),
        ("identify", folder / "ann.wav", "--microphone", "1"),
        ("identify", folder / "nothing.wav"),
        ("identify", folder / "ann.wav", "--threshold", "2"),
        ("register", "ann"),
        ("batch",),
        ("delete",),
        ("identify", folder / "ann.wav", "--timeout", "0"),
    ):
        assert run(*words).exit_code == 2, words
    for address in ("localhost", "127.0.0.1:5000", ""):
        refused = run("list", "--server", address).stderr
        assert f"server_address: The server is named by its URL. Received: '{address}'" in refused
        assert "Begin it with http://" in refused


# ---- microphone


class Microphone(types.ModuleType):
    """What the package sounddevice does, with a recording instead of a device.

    Tests run where nobody listens.
    """

    class PortAudioError(Exception):
        pass

    def __init__(self, *samples: np.ndarray) -> None:
        super().__init__("sounddevice")
        self.left = list(samples)

    def RawInputStream(
        self, samplerate: int, blocksize: int, channels: int, dtype: str
    ) -> Microphone:
        if not self.left:
            raise self.PortAudioError("no device")
        assert (samplerate, blocksize, channels, dtype) == (16_000, 1600, 1, "int16")
        self.sound = (self.left.pop(0) * 32767).astype("<i2").tobytes()
        return self

    def __enter__(self) -> Self:
        if not self.sound:
            raise self.PortAudioError("Device unavailable")
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def read(self, frames: int) -> tuple[bytes, bool]:
        if not self.sound:
            raise self.PortAudioError("Unplugged")
        block = self.sound[: 2 * frames]
        self.sound = self.sound[2 * frames :]
        return block, False


def test_microphone(
    run: Callable[..., Result], at: tuple[str, ...], ann: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = [speech(person, rate_hz=16_000) for person in (0, 3)]
    monkeypatch.setitem(sys.modules, "sounddevice", Microphone(*said))
    named = run("identify", "--microphone", "4", *at)
    assert "microphone: " in named.stdout, named.output
    assert run("register zoe --microphone 4 --force", *at).exit_code == 0
    assert run("delete", "zoe", "--yes", *at).exit_code == 0
    result = run("identify", "--microphone", "4", *at)
    assert "needs a microphone" in result.stderr


@pytest.mark.parametrize(("samples", "fault"), [(0, "Device unavailable"), (8000, "was lost")])
def test_a_microphone_that_is_busy_or_lost_is_no_recording(
    run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, samples: int, fault: str
) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", Microphone(np.zeros(samples)))
    result = run("identify --microphone 4 --server", f"http://127.0.0.1:{free_port()}")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert fault in result.stderr


@pytest.mark.parametrize("missing", [None, OSError])
def test_no_microphone(
    run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, missing: type[OSError] | None
) -> None:
    if missing is None:
        monkeypatch.setitem(sys.modules, "sounddevice", None)
        assert "no sounddevice" in run("identify", "--microphone", "1").stderr
    else:  # whatever this machine has: neither PortAudio nor a device is a traceback
        result = run("identify --microphone 0.5 --server", f"http://127.0.0.1:{free_port()}")
        assert result.exit_code == 1
        assert result.stderr.startswith("Error: ")
