"""The terminal client of the voice API: asks a service, or identifies with the gallery
of this machine when the service is not reached.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from commands.microphone import recorded
from commands.shared import FILE, describe, recognizer, refusals, report
from commands.voice_server import RefusedError, UnreachableError, VoiceServer
from utils.errors import DuetError

if TYPE_CHECKING:
    from recognition.recognizer import Recognizer

BATCH = 32
PAGE = 1000
SECONDS = click.FloatRange(0.5, 60)


@dataclass
class Client:
    """A service, and what happens without it. `local` is opened when it is first
    needed, as it loads the networks (seconds).
    """

    server: VoiceServer
    threshold: float
    local_fallback: bool
    as_json: bool
    opened: ExitStack
    local: Recognizer | None = None

    def identify(self, path: Path) -> dict[str, Any]:
        """Who speaks in the file, and who answered. Raises DuetError."""
        return self._answered(lambda: self.server.identify(path, self.threshold), path)

    def batch(self, paths: list[Path]) -> list[dict[str, Any]]:
        """The same for many files, with `error` where one was refused."""
        try:
            body = self.server.batch(paths, self.threshold)
        except UnreachableError as error:
            self._fall_back(error)
            return [self._or_error(path) for path in paths]
        click.echo(f"answered by {self.server.url}", err=True)
        return [
            {"answered_by": "server", **(r.get("result") or {"error": r["error"]})}
            for r in body["results"]
        ]

    def _answered(self, ask: Callable[[], dict[str, Any]], path: Path) -> dict[str, Any]:
        try:
            found = ask()
        except UnreachableError as error:
            self._fall_back(error)
            return self._locally(path)
        click.echo(f"answered by {self.server.url}", err=True)
        return {"answered_by": "server", **found}

    def _fall_back(self, error: UnreachableError) -> None:
        if not self.local_fallback:
            raise UnreachableError(
                error.message,
                "Start it with `make run`, or add --local-fallback to ask the gallery of this"
                " machine.",
            )
        click.echo(f"{error.message}. Answered by the gallery of this machine.", err=True)

    def _locally(self, path: Path) -> dict[str, Any]:
        if self.local is None:
            self.local = self.opened.enter_context(recognizer())
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

    def _or_error(self, path: Path) -> dict[str, Any]:
        try:
            return self._locally(path)
        except DuetError as error:
            return {
                "answered_by": "local",
                "error": {"code": error.code, "message": error.message, "hint": error.hint},
            }

    def show(self, name: str, found: dict[str, Any]) -> None:
        """Print an answer."""
        if self.as_json:
            click.echo(json.dumps({"file": name, **found}, ensure_ascii=False))
        elif "error" not in found:
            who = f"{found['speaker_id']} ({found['name']})" if found["identified"] else "unknown"
            click.echo(
                f"{name}: {who}, confidence {found['confidence']:.3f}, threshold"
                f" {found['threshold']:g}"
            )


@click.group()
def client() -> None:
    """Ask a running service who speaks (docs/voice-api.md)."""


def reaching(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that name the service; the command gets it as `server`."""

    @click.option(
        "--server",
        "url",
        default="http://127.0.0.1:5000",
        show_default=True,
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
        type=click.FloatRange(0.1),
        help="Longest wait for an answer, in seconds.",
    )
    @refusals
    @functools.wraps(command)
    def wrapped(url: str, api_key: str, timeout_s: float, **more: Any) -> Any:
        return command(server=VoiceServer(url, api_key, timeout_s), **more)

    return wrapped


def asking(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options of the commands that identify; the command gets them as a `Client`."""

    @click.option(
        "--threshold",
        default=0.7,
        show_default=True,
        type=click.FloatRange(0, 1),
        help="Confidence that a speaker must reach.",
    )
    @click.option(
        "--local-fallback",
        is_flag=True,
        help="Ask the gallery of this machine when the service cannot be reached.",
    )
    @click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
    @reaching
    @functools.wraps(command)
    def wrapped(
        server: VoiceServer, threshold: float, local_fallback: bool, as_json: bool, **more: Any
    ) -> Any:
        with ExitStack() as opened:
            return command(Client(server, threshold, local_fallback, as_json, opened), **more)

    return wrapped


@client.command("identify")
@click.argument("file", type=FILE, required=False)
@click.option(
    "--microphone",
    "seconds",
    type=SECONDS,
    help="Record so many seconds instead of reading a file.",
)
@asking
def identify(asked: Client, file: Path | None, seconds: float | None) -> None:
    """Who speaks in FILE, or into the microphone?"""
    with source(file, seconds) as (path, name):
        asked.show(name, asked.identify(path))


@client.command("listen")
@click.option(
    "--seconds", default=5.0, show_default=True, type=SECONDS, help="Length of each recording."
)
@click.option(
    "--times", type=click.IntRange(1), help="End after so many recordings; default: with Ctrl-C."
)
@asking
def listen(asked: Client, seconds: float, times: int | None) -> None:
    """Say who speaks into the microphone, again and again. A recording without speech
    is told and passed over.
    """
    done = 0
    while times is None or done < times:
        done += 1
        with recorded(seconds) as path:
            try:
                asked.show(f"{done}", asked.identify(path))
            except DuetError as error:
                if error.code != "no_biometric":
                    raise
                click.echo(f"{done}: nobody speaks")


@client.command("batch")
@click.argument("files", type=FILE, nargs=-1, required=True)
@asking
def batch(asked: Client, files: tuple[Path, ...]) -> None:
    """Who speaks in each of FILES?"""
    failures = []
    for start in range(0, len(files), BATCH):
        part = list(files[start : start + BATCH])
        for path, found in zip(part, asked.batch(part), strict=True):
            asked.show(path.name, found)
            if "error" in found:
                failures.append(f"{path.name}: {describe(RefusedError(**found['error']))}")
    report(failures)


@client.command("register")
@click.argument("speaker_id")
@click.argument("files", type=FILE, nargs=-1)
@click.option("--name", help="Display name; default: the id.")
@click.option(
    "--force",
    is_flag=True,
    help="Also when the voice is like that of somebody else of the gallery.",
)
@click.option(
    "--microphone", "seconds", type=SECONDS, help="Record so many seconds instead of reading files."
)
@reaching
def register(
    server: VoiceServer,
    speaker_id: str,
    files: tuple[Path, ...],
    name: str | None,
    force: bool,
    seconds: float | None,
) -> None:
    """Store FILES as recordings of SPEAKER_ID."""
    if bool(files) == (seconds is not None):
        raise click.UsageError("Name either files or --microphone SECONDS.")
    with recorded(seconds) if seconds is not None else nullcontext() as path:
        click.echo(server.register(speaker_id, [path] if path else files, name, force)["message"])


@client.command("list")
@reaching
def list_speakers(server: VoiceServer) -> None:
    """One line per speaker: id, name, recordings."""
    offset = 0
    while (page := server.speakers(offset, PAGE))["speakers"]:
        for speaker in page["speakers"]:
            click.echo(
                f"{speaker['speaker_id']}\t{speaker['name']}\t{speaker['audioCount']} recordings"
            )
        offset += PAGE
    click.echo(f"{page['total']} speakers", err=True)


@client.command("delete")
@click.argument("speaker_id")
@click.option("--yes", is_flag=True, help="Do not ask.")
@reaching
def delete(server: VoiceServer, speaker_id: str, yes: bool) -> None:
    """Forget a speaker and everything that is stored of the person."""
    if not yes:
        click.confirm(
            f"Delete {speaker_id} and everything that is stored? This cannot be undone.", abort=True
        )
    click.echo(server.delete(speaker_id)["message"])


@contextmanager
def source(file: Path | None, seconds: float | None) -> Iterator[tuple[Path, str]]:
    """The recording to send and what it is called."""
    if (file is None) == (seconds is None):
        raise click.UsageError("Name either a file or --microphone SECONDS.")
    if file is not None:
        yield file, file.name
    else:
        with recorded(seconds or 0.0) as path:
            yield path, "microphone"
