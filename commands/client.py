"""The terminal client of the voice API.

It asks a service, or identifies with the gallery of this machine when the service is
not reached.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from commands.hints import HINTS, SERVER_HINTS
from commands.microphone import record
from commands.shared import FILE, format_error, open_recognizer, refusals, report, to_json
from commands.voice_server import UnreachableError, VoiceServer, read_error
from utils.config import url_of_service
from utils.errors import DuetError
from utils.finite_range import FiniteRange
from utils.wording import count_noun

if TYPE_CHECKING:
    from recognition.recognizer import Recognizer

BATCH = 32
PAGE = 1000
SECONDS = FiniteRange(0.5, 60)


@dataclass
class Client:
    """A service, and what happens without it.

    `local` is opened when it is first needed, as it loads the networks (seconds).
    """

    server: VoiceServer
    threshold: float
    local_fallback: bool
    as_json: bool
    opened: ExitStack
    local: Recognizer | None = None

    def identify(self, path: Path) -> dict[str, Any]:
        """Ask who speaks in the file, and note who answered. Raises DuetError."""
        try:
            answer = self.server.identify(path, self.threshold)
        except UnreachableError as error:
            self._fall_back(error)
            return self._identify_locally(path)
        click.echo(f"answered by {self.server.url}", err=True)
        return {"answered_by": "server", **answer}

    def identify_many(self, paths: list[Path]) -> list[dict[str, Any]]:
        """Ask the same of many files. An answer has `error` where one was refused."""
        try:
            body = self.server.batch(paths, self.threshold)
        except UnreachableError as error:
            self._fall_back(error)
            return [self._try_locally(path) for path in paths]
        click.echo(f"answered by {self.server.url}", err=True)
        return [{"answered_by": "server", **_read_result(result)} for result in body["results"]]

    def _fall_back(self, error: UnreachableError) -> None:
        if not self.local_fallback:
            raise UnreachableError(
                error.message,
                "Start it with `make run`, or add --local-fallback to ask the gallery of this"
                " machine.",
            )
        click.echo(f"{error.message} Answered by the gallery of this machine.", err=True)

    def _identify_locally(self, path: Path) -> dict[str, Any]:
        if self.local is None:
            self.local = self.opened.enter_context(open_recognizer())
        from recognition import as_json, voice_confidence
        from recognition.requests import ClipFile

        answer = self.local.identify(
            voice_confidence.ask_by_voice(ClipFile(path, path.name), self.threshold)
        )
        voice = answer.decisions.voice
        match = voice.match
        return {
            "answered_by": "local",
            "identified": match is not None,
            "speaker_id": match.person_id if match else None,
            "name": match.name if match else None,
            "confidence": as_json.number(voice_confidence.confidence(voice, self.threshold)),
            "threshold": self.threshold,
            "reason": voice.reason,
            "hints": as_json.hints(answer.observation.hints),
        }

    def _try_locally(self, path: Path) -> dict[str, Any]:
        try:
            return self._identify_locally(path)
        except DuetError as error:
            return {"answered_by": "local", "error": error.to_dict(HINTS)}

    def show(self, name: str, answer: dict[str, Any]) -> None:
        """Print an answer."""
        if self.as_json:
            click.echo(to_json({"file": name, **answer}))
        elif "error" not in answer:
            who = "unknown"
            if answer["identified"]:
                who = f"{answer['speaker_id']} ({answer['name']})"
            click.echo(
                f"{name}: {who}, confidence {answer['confidence']:.3f}, threshold"
                f" {answer['threshold']:g}"
            )


def _read_result(result: dict[str, Any]) -> dict[str, Any]:
    """Read one result of a batch of the server."""
    if result.get("result"):
        answer: dict[str, Any] = result["result"]
        return answer
    return {"error": read_error(result["error"]).to_dict(SERVER_HINTS)}


@click.group()
def client() -> None:
    """Ask a running service who speaks (docs/voice-api.md)."""


def add_server_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add options that name the service. The command gets it as `server`."""

    @click.option(
        "--server",
        "url",
        default=url_of_service,
        show_default="DUET_URL, or http://127.0.0.1 at DUET_PORT",
        help="Address of the service.",
    )
    @click.option(
        "--api-key",
        envvar="DUET_API_KEY",
        default="",
        help="API key; default: environment variable DUET_API_KEY.",
    )
    @click.option(
        "--timeout",
        "timeout_s",
        default=60.0,
        show_default=True,
        type=FiniteRange(0.1),
        help="Longest wait for an answer, in seconds.",
    )
    @refusals
    @functools.wraps(command)
    def wrapped(url: str, api_key: str, timeout_s: float, **more: Any) -> Any:
        return command(server=VoiceServer(url, api_key, timeout_s), **more)

    return wrapped


def add_client_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add options of the commands that identify. The command gets them as a `Client`."""

    @click.option(
        "--threshold",
        default=0.7,
        show_default=True,
        type=FiniteRange(0, 1),
        help="Confidence that a speaker must reach.",
    )
    @click.option(
        "--local-fallback",
        is_flag=True,
        help="Ask the gallery of this machine when the service cannot be reached.",
    )
    @click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
    @add_server_options
    @functools.wraps(command)
    def wrapped(
        server: VoiceServer,
        *,
        threshold: float,
        local_fallback: bool,
        as_json: bool,
        **more: Any,
    ) -> Any:
        with ExitStack() as opened:
            client = Client(
                server=server,
                threshold=threshold,
                local_fallback=local_fallback,
                as_json=as_json,
                opened=opened,
            )
            return command(client, **more)

    return wrapped


@client.command("identify")
@click.argument("file", type=FILE, required=False)
@click.option(
    "--microphone",
    "seconds",
    type=SECONDS,
    help="Record so many seconds instead of reading a file.",
)
@add_client_options
def identify(client: Client, file: Path | None, seconds: float | None) -> None:
    """Say who speaks in FILE, or into the microphone."""
    with open_recording(file, seconds) as (path, name):
        client.show(name, client.identify(path))


@client.command("batch")
@click.argument("files", type=FILE, nargs=-1, required=True)
@add_client_options
def batch(client: Client, files: tuple[Path, ...]) -> None:
    """Say who speaks in each of FILES."""
    failures = []
    for start in range(0, len(files), BATCH):
        part = list(files[start : start + BATCH])
        for path, answer in zip(part, client.identify_many(part), strict=True):
            client.show(path.name, answer)
            if "error" in answer:
                failures.append(f"{path.name}: {format_error(**answer['error'])}")
    report(failures)


@client.command("register")
@click.argument("speaker_id")
@click.argument("files", type=FILE, nargs=-1)
@click.option("--name", help="Display name; default: the id.")
@click.option(
    "--force",
    is_flag=True,
    help="Register even if the voice matches somebody else, or there are two voices.",
)
@click.option(
    "--microphone", "seconds", type=SECONDS, help="Record so many seconds instead of reading files."
)
@add_server_options
def register(
    server: VoiceServer,
    *,
    speaker_id: str,
    files: tuple[Path, ...],
    name: str | None,
    force: bool,
    seconds: float | None,
) -> None:
    """Store FILES as recordings of SPEAKER_ID."""
    if bool(files) == (seconds is not None):
        raise click.UsageError("Name either files or --microphone SECONDS.")
    with record(seconds) if seconds is not None else nullcontext() as path:
        paths = [path] if path else files
        answer = server.register(speaker_id, paths, name=name, force=force)
    click.echo(answer["message"])


@client.command("list")
@add_server_options
def list_speakers(server: VoiceServer) -> None:
    """List the speakers, one a line: id, name, recordings."""
    offset = 0
    while (page := server.list_speakers(offset, PAGE))["speakers"]:
        for speaker in page["speakers"]:
            recordings = count_noun(speaker["audioCount"], "recording")
            click.echo(f"{speaker['speaker_id']}\t{speaker['name']}\t{recordings}")
        offset += PAGE
    click.echo(count_noun(page["total"], "speaker"), err=True)


@client.command("delete")
@click.argument("speaker_id")
@click.option("--yes", is_flag=True, help="Do not ask.")
@add_server_options
def delete(server: VoiceServer, speaker_id: str, yes: bool) -> None:
    """Forget a speaker and everything that is stored of the person."""
    if not yes:
        name = server.get(speaker_id)["name"]
        click.confirm(
            f"Delete {name} ({speaker_id}) and everything that is stored on them?"
            " This cannot be undone.",
            abort=True,
        )
    click.echo(server.delete(speaker_id)["message"])


@contextmanager
def open_recording(file: Path | None, seconds: float | None) -> Iterator[tuple[Path, str]]:
    """Give the recording to send, and what it is called."""
    if (file is None) == (seconds is None):
        raise click.UsageError("Name either a file or --microphone SECONDS.")
    if file is not None:
        yield file, file.name
    else:
        with record(seconds or 0.0) as path:
            yield path, "microphone"
