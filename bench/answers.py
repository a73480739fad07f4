"""What a service answers to real clips, recorded whole, and how two records differ.

The folder of clips holds people/<person>/{enroll,test}/*, strangers/* and awkward/*. The
service starts with an empty gallery, has the folder as its media root and asks for no
key. The requests come one after another in a fixed order, so that two services that
work alike give the same record. `compare` prints every field that differs.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import requests

from bench.differences import Answer, Answers, compare
from utils.path_option import PathOption

# One clip in so many is compared one to one.
STEP = 4
JOB_LIMIT_S = 600
REQUEST_LIMIT_S = 180


@dataclass
class Recorder:
    """Asks the service at `server` about clips of `folder` and keeps its answers."""

    server: str
    folder: Path
    answers: Answers = field(default_factory=dict)
    http: requests.Session = field(default_factory=requests.Session)

    def ask(
        self,
        route: str,
        values: Mapping[str, str] | None = None,
        *,
        clips: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        title: str = "",
    ) -> Answer:
        """Send a request and keep the answer.

        Args:
            route: Method and path, such as `GET /v1/people`.
            values: Fields of the multipart form.
            clips: Paths of the uploads below `folder`, by the name of their field.
            body: JSON object, in place of a form.
            title: Key of the answer. By default the request itself.
        """
        method, path = route.split(" ", 1)
        with ExitStack() as stack:
            parts: dict[str, Any] = {name: (None, value) for name, value in (values or {}).items()}
            for name, clip in (clips or {}).items():
                file = stack.enter_context((self.folder / clip).open("rb"))
                parts[name] = (Path(clip).name, file)
            address = self.server.rstrip("/") + path
            response = self.http.request(
                method, address, files=parts or None, json=body, timeout=REQUEST_LIMIT_S
            )
        answer = {"status": response.status_code, "body": read_body(response)}
        self._keep(title or describe(route, values or body or {}, clips or {}), answer)
        return answer

    def _keep(self, title: str, answer: Answer) -> None:
        """Store an answer under its request. A repeated request gets a number."""
        repeats = sum(key.partition(" #")[0] == title for key in self.answers)
        self.answers[f"{title} #{repeats + 1}" if repeats else title] = answer


def describe(route: str, values: Mapping[str, Any], clips: Mapping[str, str]) -> str:
    """Write a request on one line."""
    pairs = [f"{name}={value}" for name, value in {**values, **clips}.items()]
    return " ".join([route, *pairs])


def read_body(response: requests.Response) -> Any:
    """Read the JSON of a response, or its text where it is no JSON."""
    try:
        return response.json()
    except ValueError:
        return response.text


def list_clips(folder: Path, pattern: str) -> list[str]:
    """List the clips below `folder` that fit a pattern, sorted, as relative paths."""
    paths = sorted(path for path in folder.glob(pattern) if path.is_file())
    return [path.relative_to(folder).as_posix() for path in paths]


def list_probes(folder: Path) -> list[str]:
    """List the clips that are asked about: of people, of strangers, awkward ones."""
    clips = []
    for pattern in ("people/*/test/*", "strangers/*", "awkward/*"):
        clips += list_clips(folder, pattern)
    return clips


def list_people(folder: Path) -> list[str]:
    """List the ids of the people to enrol."""
    return sorted(path.name for path in (folder / "people").iterdir())


def record(server: str, folder: Path) -> Answers:
    """Ask every question and return the answers.

    Raises:
        ValueError: The gallery is not empty.
    """
    recorder = Recorder(server, folder)
    people = recorder.ask("GET /v1/people", title="GET /v1/people before")
    if people["body"].get("total") != 0:
        raise ValueError(f"The gallery must be empty. Received: {people}")
    enroll_people(recorder)
    identify_clips(recorder)
    verify_clips(recorder)
    provoke_errors(recorder)
    run_jobs(recorder)
    send_first_sights(recorder)
    read_gallery(recorder)
    return recorder.answers


def enroll_people(recorder: Recorder) -> None:
    """Create every person and enrol their clips, then list them."""
    for person in list_people(recorder.folder):
        name = {"person_id": person, "name": f"Person {person}"}
        recorder.ask("POST /v1/people", body=name)
        for clip in list_clips(recorder.folder, f"people/{person}/enroll/*"):
            recorder.ask(f"POST /v1/people/{person}/templates", clips={"media": clip})
    recorder.ask("GET /v1/people")


def identify_clips(recorder: Recorder) -> None:
    """Ask who is in each clip, by every modality and by the voice alone."""
    for clip in list_probes(recorder.folder):
        recorder.ask("POST /v1/identify", clips={"media": clip})
        recorder.ask("POST /speakers/identify", clips={"audio": clip})


def select_pairs(items: Sequence[str], step: int = STEP) -> list[tuple[str, str]]:
    """Select pairs of neighbours, and pairs that lie half the list apart."""
    pairs = []
    for place in range(0, len(items), step):
        others = (items[(place + distance) % len(items)] for distance in (1, len(items) // 2))
        pairs += [(items[place], other) for other in others]
    return pairs


def verify_clips(recorder: Recorder) -> None:
    """Compare clips with each other, with their own person and with another one."""
    probes = list_probes(recorder.folder)
    people = list_people(recorder.folder)
    for clip, reference in select_pairs(probes):
        clips = {"media": clip, "reference": reference}
        recorder.ask("POST /v1/verify", {"show": "true"}, clips=clips)
    for place, clip in enumerate(probes[::STEP]):
        own = {Path(clip).parts[1]} & set(people)
        for person in sorted(own | {people[place % len(people)]}):
            recorder.ask("POST /v1/verify", {"person_id": person}, clips={"media": clip})


def provoke_errors(recorder: Recorder) -> None:
    """Send requests that must be refused."""
    clip = list_probes(recorder.folder)[0]
    person = list_people(recorder.folder)[0]
    upload = {"media": clip}
    for route in ("POST /v1/identify", "POST /speakers/identify", "POST /v1/jobs"):
        recorder.ask(route)
    recorder.ask("POST /v1/verify", clips=upload)
    recorder.ask("POST /v1/verify", {"person_id": "nobody"}, clips=upload)
    recorder.ask("POST /v1/people", body={"person_id": person})
    recorder.ask("POST /v1/people", body={"person_id": "../x"})
    recorder.ask("GET /v1/people/nobody")
    recorder.ask("GET /v1/jobs/nothing")
    recorder.ask("GET /v1/nothing")
    recorder.ask("PATCH /v1/people")
    recorder.ask("GET /v1/people?limit=no")
    recorder.ask("POST /v1/people/nobody/templates", clips=upload)
    recorder.ask(f"DELETE /v1/people/{person}/templates/nothing")
    other = list_people(recorder.folder)[1]
    # A clip of somebody else.
    recorder.ask(f"POST /v1/people/{other}/templates", clips=upload)
    recorder.ask("POST /v1/identifications/nothing/feedback", body={"same": True})


def run_jobs(recorder: Recorder) -> None:
    """Identify the awkward clips and enrol those of one person, as batch jobs."""
    person = list_people(recorder.folder)[0]
    run_job(recorder, {"action": "identify", "folder": "awkward"})
    folder = f"people/{person}"
    run_job(recorder, {"action": "enroll", "folder": folder, "person_id": person})


def run_job(recorder: Recorder, values: Mapping[str, str]) -> None:
    """Send a job, wait until it has ended and keep the results of its files.

    Raises:
        TimeoutError: It does not end within `JOB_LIMIT_S`.
    """
    job = recorder.ask("POST /v1/jobs", values)["body"]
    address = f"/v1/jobs/{job['job_id']}?limit=1000"
    deadline = time.monotonic() + JOB_LIMIT_S
    while job["state"] in ("waiting", "running"):
        if time.monotonic() > deadline:
            raise TimeoutError(f"The job does not end. Received: {job}")
        time.sleep(0.5)
        job = recorder.http.get(recorder.server + address, timeout=REQUEST_LIMIT_S).json()
    title = describe("GET /v1/jobs/{job_id}", values, {})
    recorder.ask(f"GET {address}", title=title)


def send_first_sights(recorder: Recorder) -> None:
    """Ask the route that registers on first sight, by files of the media root."""
    strangers = list_clips(recorder.folder, "strangers/*")
    probes = list_probes(recorder.folder)
    awkward = list_clips(recorder.folder, "awkward/*")
    again = [strangers[0], strangers[-1]]
    for clip in [probes[0], *again, *again, probes[len(probes) // 2], *awkward[:3]]:
        send_first_sight(recorder, clip)
    send_first_sight(recorder, strangers[0], re_register="True")
    send_first_sight(recorder, probes[0], force="True")
    send_first_sight(recorder, "../outside.mp4")
    send_first_sight(recorder, "strangers/missing.mp4")


def send_first_sight(recorder: Recorder, clip: str, **flags: str) -> None:
    """Ask about one clip below the media root."""
    path = Path(clip)
    values = {"name": path.name, "path_dir": path.parent.as_posix(), **flags}
    recorder.ask("POST /Identification_Request", values)


def read_gallery(recorder: Recorder) -> None:
    """Read what the gallery holds at the end, with the vectors of every template."""
    recorder.ask("GET /v1/health")
    recorder.ask("GET /v1/people?limit=200")
    recorder.ask("GET /speakers?limit=200")
    for modality in ("fused", "face", "voice"):
        recorder.ask(f"GET /v1/gallery/map?modality={modality}")
        recorder.ask(f"GET /v1/gallery/similarity?modality={modality}")
    for person in list_people(recorder.folder):
        recorder.ask(f"GET /v1/people/{person}/templates")
        recorder.ask(f"GET /v1/people/{person}/export")
    recorder.ask("GET /v1/audit?limit=1000")
    recorder.ask("GET /v1/audit/verify")


def parse_renames(texts: Sequence[str]) -> dict[str, str]:
    """Read `old=new` into new names by old ones.

    Raises:
        ValueError: A text has another form.
    """
    pairs = [text.split("=") for text in texts]
    for pair in pairs:
        if len(pair) != 2 or not all(pair):
            raise ValueError(f"A renamed field is written old=new. Received: {'='.join(pair)}")
    return {pair[0]: pair[1] for pair in pairs}


@click.group(help=__doc__)
def main() -> None:
    """Record and compare."""


@main.command("record")
@click.argument("folder", type=PathOption(path_type=Path, file_okay=False))
@click.option(
    "--server", default="http://127.0.0.1:5000", show_default=True, help="URL of the service."
)
@click.option(
    "--to",
    "record_file",
    type=PathOption(path_type=Path, dir_okay=False),
    required=True,
    help="File of the record.",
)
def record_answers(folder: Path, server: str, record_file: Path) -> None:
    """Ask a service about the clips of FOLDER and keep its answers."""
    answers = record(server, folder)
    text = json.dumps(answers, indent=1, ensure_ascii=False)
    record_file.write_text(text, encoding="utf-8")
    print(f"{len(answers)} answers in {record_file}")


RECORD = PathOption(path_type=Path, dir_okay=False)


@main.command("compare")
@click.argument("before", type=RECORD)
@click.argument("after", type=RECORD)
@click.option(
    "--renamed", multiple=True, metavar="OLD=NEW", help="A field with a new name. May be repeated."
)
@click.option("--ignore", multiple=True, metavar="FIELD", help="A field to skip. May be repeated.")
def compare_records(
    before: Path, after: Path, *, renamed: Sequence[str], ignore: Sequence[str]
) -> None:
    """Print what differs in two records.

    The exit status is 1 if anything does.
    """
    records = [json.loads(path.read_text(encoding="utf-8")) for path in (before, after)]
    differences = compare(*records, renamed=parse_renames(renamed), ignored=ignore)
    for difference in differences:
        print(difference)
    lengths = f"{len(records[0])} answers before, {len(records[1])} after"
    print(f"{lengths}: {len(differences)} differences")
    if differences:
        click.get_current_context().exit(1)


if __name__ == "__main__":
    main()
