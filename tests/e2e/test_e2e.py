"""End to end over a real socket, with the weights that are shipped.

Media that the tests make, and the real clips when they are there.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.media import (
    music,
    scene,
    silence,
    speech,
    text_as_video,
    truncate,
    write_clip,
    write_photo,
    write_sound,
)
from tests.support.service import ROOT, Service, running

MODALITIES = ("fused", "face", "voice")
CLIPS = Path(os.environ.get("DUET_SHARED_DATA", ROOT.parent / "shared" / "data")) / "clips"
FEW = 6
"""People and strangers of the real clips that are asked about, to stay within a minute
or two.
"""

HEAP_BYTES = 64 << 20
HEAP = re.compile(r"^(\w+)-(\w+) rw-p .*\n\2-(\w+) ---p ", re.MULTILINE)

LARGE = {"tensorflow", "numba"}
"""Packages that make a start slow and a process large."""

pytestmark = pytest.mark.skipif(
    not (ROOT / "best_model/fusion/card.json").exists(), reason="no weights in best_model/"
)


class Client:
    """What a user's program does."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.http = requests.Session()

    def post(self, route: str, clip: Path, **form: str) -> requests.Response:
        with clip.open("rb") as file:
            return self.http.post(
                self.service.url + route, files={"media": (clip.name, file)}, data=form, timeout=120
            )

    def enroll(self, who: str, clip: Path, **form: str) -> dict[str, Any]:
        self.http.post(
            f"{self.service.url}/v1/people", json={"person_id": who, "name": who}, timeout=60
        )
        answer = self.post(f"/v1/people/{who}/templates", clip, **form)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def identify(self, clip: Path) -> dict[str, Any]:
        answer = self.post("/v1/identify", clip)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def error(self, clip: Path) -> tuple[int, str]:
        answer = self.post("/v1/identify", clip)
        error = answer.json()["error"]
        assert set(error) - {"details"} == {"code", "message", "hint", "request_id"}
        assert str(self.service.data_dir) not in answer.text
        return answer.status_code, error["code"]


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder = tmp_path_factory.mktemp("e2e")
    (folder / "media" / "lobby").mkdir(parents=True)
    with running(folder, media_root=folder / "media") as service:
        yield Client(service)


@pytest.fixture
def client(started: Client) -> Client:
    """The client of a service that knows nobody."""
    for person in started.http.get(
        started.service.url + "/v1/people?limit=1000", timeout=60
    ).json()["people"]:
        assert (
            started.http.delete(
                f"{started.service.url}/v1/people/{person['person_id']}", timeout=60
            ).status_code
            == 204
        )
    return started


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("made")


def packages_of(process: int) -> set[str]:
    """Packages whose libraries a process has loaded."""
    lines = Path(f"/proc/{process}/maps").read_text().splitlines()
    places = (line.partition("site-packages/")[2].split("/") for line in lines)
    return {place[0] for place in places}


def count_heaps(process: int) -> int:
    """Heaps of glibc's arenas beside the first: 64 MB each, of which the rest is not in use."""
    spans = HEAP.findall(Path(f"/proc/{process}/maps").read_text())
    return sum(int(stop, 16) - int(start, 16) == HEAP_BYTES for start, _, stop in spans)


def who(decision: dict[str, Any]) -> str | None:
    return decision["match"]["person_id"] if decision["match"] else None


def test_main_job_on_media_of_our_own(client: Client, made: Path) -> None:
    """Enrol two drawn people, ask about another take in another container, forget them
    again.

    Drawn faces and synthetic voices are more alike than those of two real people ever
    are: hence `force`.
    """
    people = (1, 3)
    for person in people:
        stored = client.enroll(
            f"drawn{person}", write_clip(made / f"{person}.mp4", person=person), force="true"
        )
        assert {t["modality"] for t in stored["templates"]} == {"face", "voice"}
    for person in people:
        answer = client.identify(
            write_clip(made / f"again{person}.webm", person=person, take=1, seekable=False)
        )
        for m in MODALITIES:
            assert who(answer[m]) in (f"drawn{person}", None), "nobody is given another's name"
        assert who(answer["face"]) == f"drawn{person}"
        assert answer["quality"]["face"]["size_px"] > 50
        assert answer["quality"]["voice"]["speech_s"] > 1
    decoders = client.service.decoder_pids()
    for process in (*client.service.worker_pids(), *decoders):
        large = LARGE & packages_of(process)
        assert large <= (set() if process in decoders else {"numba"}), "librosa alone needs one"
        assert count_heaps(process) == 0, "all threads share one"
    one = client.post("/v1/verify", made / "again1.webm", person_id="drawn1").json()
    other = client.post("/v1/verify", made / "again1.webm", person_id="drawn3").json()
    for m in MODALITIES:
        assert one[m]["score"] > other[m]["score"]
    for person in people:
        assert (
            client.http.delete(
                f"{client.service.url}/v1/people/drawn{person}", timeout=60
            ).status_code
            == 204
        )
    assert client.identify(made / "1.mp4")["fused"]["outcome"] == "unknown"


def test_one_modality_is_enough(client: Client, made: Path) -> None:
    no_sound = client.identify(write_clip(made / "mute.mp4", person=1, voice=None))
    assert (no_sound["voice"]["outcome"], no_sound["face"]["outcome"]) == ("no_probe", "unknown")
    photo = client.identify(write_photo(made / "photo.jpg", person=1))
    assert (photo["voice"]["outcome"], photo["face"]["outcome"]) == ("no_probe", "unknown")
    sound = client.identify(write_sound(made / "voice.wav", speech(1, 3.0)))
    assert (sound["face"]["outcome"], sound["voice"]["outcome"]) == ("no_probe", "unknown")
    several = client.identify(
        write_clip(
            made / "two.mp4", person=1, face_px=220, at=(0.3, 0.5), others=((2, (0.75, 0.5)),)
        )
    )
    assert several["people_in_view"] == 2


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("empty.mp4", 422, "media_empty"),
        ("text.mp4", 415, "media_type"),
        ("cut.mp4", 422, "media_corrupt"),
        ("black.jpg", 422, "no_biometric"),
        ("silence.wav", 422, "no_biometric"),
        ("music.wav", 422, "no_biometric"),
    ],
)
def test_bad_input(client: Client, made: Path, name: str, status: int, code: str) -> None:
    path = made / name
    makers: dict[str, Callable[[], object]] = {
        "empty.mp4": path.touch,
        "text.mp4": lambda: text_as_video(path),
        "cut.mp4": lambda: truncate(write_clip(made / "whole.mp4", person=1), path, 0.5),
        "black.jpg": lambda: write_photo(path, scene(None, light=0.0)),
        "silence.wav": lambda: write_sound(path, silence(3.0)),
        "music.wav": lambda: write_sound(path, music(3.0)),
    }
    makers[name]()
    assert client.error(path) == (status, code)
    assert client.service.temporary_files() == []


def test_compatible_route(client: Client, made: Path) -> None:
    clip = write_clip(made / "eve@example.com-1.mp4", person=3)
    (client.service.data_dir.parent / "media" / "lobby" / clip.name).write_bytes(clip.read_bytes())
    for _ in range(2):
        answer = client.http.post(
            f"{client.service.url}/Identification_Request",
            json={"name": clip.name, "path_dir": "lobby", "re_register": "False"},
            timeout=120,
        )
        assert answer.status_code == 200, answer.text
        assert (
            answer.json()["100002"]
            == "Image Based Speaker Recognition - Speaker ID : eve@example.com"
        )
    assert set(answer.json()) == {"100001", "100002", "100003"}


def test_the_terminal_client(client: Client, made: Path) -> None:
    clip = write_clip(made / "fay@example.com-1.mp4", person=4)
    done = subprocess.run(
        [sys.executable, "Request.py", str(clip), "--url", client.service.url],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split(":")[0] for line in lines[:3]] == ["100001", "100002", "100003"]
    assert all(line.endswith("fay@example.com") for line in lines[:3])
    assert (
        client.http.delete(
            f"{client.service.url}/v1/people/fay@example.com", timeout=60
        ).status_code
        == 204
    )


def test_parallel_equals_serial(client: Client, made: Path) -> None:
    clips = [write_clip(made / f"p{n}.mp4", person=n) for n in (1, 2)] * 4

    def ask(clip: Path) -> dict[str, Any]:
        answer = Client(client.service).identify(clip)
        return {k: answer[k] for k in (*MODALITIES, "quality")}

    serial = [ask(clip) for clip in clips]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, clips)) == serial


@pytest.mark.skipif(not CLIPS.exists(), reason="the research clips are not here (DUET_SHARED_DATA)")
class TestRealClips:
    """Real faces and voices."""

    def test_people_and_strangers(self, client: Client) -> None:
        people = sorted((CLIPS / "people").iterdir())[::3][:FEW]
        for person in people:
            for clip in sorted((person / "enroll").iterdir()):
                client.enroll(person.name, clip)
        named = [
            (person.name, who(client.identify(min((person / "test").iterdir()))["fused"]))
            for person in people
        ]
        assert sum(truth == named_id for truth, named_id in named) >= FEW - 1, named
        assert all(named_id in (truth, None) for truth, named_id in named), named
        strangers = {
            clip.name: who(client.identify(clip)["fused"])
            for clip in sorted((CLIPS / "strangers").iterdir())[:FEW]
        }
        assert sum(named_id is not None for named_id in strangers.values()) <= 1, strangers

    def test_awkward_clips_never_break_the_service(self, client: Client) -> None:
        answers = {
            clip.name: client.post("/v1/identify", clip)
            for clip in sorted((CLIPS / "awkward").iterdir())
        }
        assert not {name: a.text for name, a in answers.items() if a.status_code >= 500}
        assert client.service.temporary_files() == []
