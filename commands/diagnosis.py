"""What is looked at to say what is wrong with an installation: `cli.py doctor`.

Nothing is changed. Each look gives findings, which `commands/texts/` words. What the
gallery holds is looked at in `commands/diagnosis_gallery.py`.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import socket
import ssl
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import HTTPSHandler, ProxyHandler, build_opener

from packaging.requirements import InvalidRequirement, Requirement

from gallery.database.file import is_there
from jobs.broker import missing_packages
from jobs.hindrances import find_lack_of_room
from jobs.telemetry import REQUIREMENTS, is_exporter_installed, try_receiver
from network.serving.card import read_card
from speech.models import is_installed, list_models
from utils.certificates import check_files, read_dates
from utils.config import ROOT, Settings, is_loopback
from utils.errors import ConfigError, DuetError, say_body
from utils.listening import WYOMING_PORT, check_port, is_reachable, local_url, url_of
from utils.settings.values import host_of

OK = "ok"
NOTE = "note"
BAD = "bad"
ANSWER_S = 3.0
"""Seconds in which an address must answer."""
SOON = timedelta(days=14)
"""A certificate that ends within this time is told of."""
LITTLE_ROOM_BYTES = 2 << 30
UNIT_FILES = (Path("/etc/systemd/system/duet.service"), Path("/etc/duet.env"))
"""The unit that docs/deployment.md installs, and its settings, which count more."""
_FOLDER_OF_UNIT = re.compile(r"^(?!\s*[#;]).*\bDUET_DATA_DIR=[\"']?([^\s\"']+)", re.MULTILINE)


@dataclass(frozen=True)
class Finding:
    """What was found of one subject.

    Attributes:
        subject: what was looked at.
        code: what was found of it. Both name the text.
        level: "ok", "note" (it works, and could be better) or "bad".
        facts: what is filled into the text.
    """

    subject: str
    code: str = OK
    level: str = OK
    facts: dict[str, str] = field(default_factory=dict)


Look = Callable[[Settings], Iterator[Finding]]


def bad(subject: str, code: str, **facts: object) -> Finding:
    """Make a finding of something that keeps the product from working as it should."""
    return Finding(subject, code, BAD, {name: str(value) for name, value in facts.items()})


def note(subject: str, code: str, **facts: object) -> Finding:
    """Make a finding of something that works, and could be better."""
    return Finding(subject, code, NOTE, {name: str(value) for name, value in facts.items()})


def ok(subject: str, code: str = OK, **facts: object) -> Finding:
    """Make a finding of something that is as it should be."""
    return Finding(subject, code, OK, {name: str(value) for name, value in facts.items()})


def say(error: DuetError) -> str:
    """Say an error with its own hint."""
    return say_body(error.to_dict())


def look_at_packages(_: Settings, file: Path = ROOT / "requirements.txt") -> Iterator[Finding]:
    """Compare the packages that are installed with those that are asked for."""
    yield ok("python", version=platform.python_version(), machine=platform.machine())
    wanted = _read_requirements(file)
    problems = [text for one in wanted if (text := _judge_package(one))]
    if problems:
        yield bad("packages", "wrong", packages=", ".join(problems), python=sys.executable)
    elif wanted:
        yield ok("packages", count=len(wanted))
    else:
        yield note("packages", "unlisted", file=file.name)


def _read_requirements(file: Path) -> list[Requirement]:
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    wanted = []
    for line in lines:
        try:
            wanted.append(Requirement(line.split("#")[0]))
        except InvalidRequirement:  # a comment, or a line for pip alone
            continue
    return [one for one in wanted if one.marker is None or one.marker.evaluate()]


def _judge_package(wanted: Requirement) -> str:
    try:
        installed = version(wanted.name)
    except PackageNotFoundError:
        return f"{wanted} (-)"
    return (
        "" if wanted.specifier.contains(installed, prereleases=True) else f"{wanted} ({installed})"
    )


def look_at_models(settings: Settings) -> Iterator[Finding]:
    """Read the cards, and compare the weights with the hashes that these state."""
    from network.serving.concat_fusion import ConcatFusion
    from network.serving.encoder import load_encoders

    folder = settings.storage.model_dir
    problems = {name: text for name in ("face", "voice") if (text := _judge_model(folder / name))}
    for name, text in problems.items():
        yield bad("models", "broken", model=name, reason=text)
    if problems:
        return
    try:
        encoders = load_encoders(folder)  # with calibrations, cohorts and the fusion
    except DuetError as error:
        yield bad("models", "broken", model=folder, reason=say(error))
        return
    both = (encoders.face.encoder_id, encoders.voice.encoder_id)
    if isinstance(encoders.fusion, ConcatFusion):
        yield note("models", "no_fusion", folder=folder / "fusion")
    yield ok("models", names=", ".join((*both, encoders.fusion.encoder_id)))


def _judge_model(folder: Path) -> str:
    try:
        read_card(folder)
    except DuetError as error:
        return say(error)
    return ""


def look_at_speech(settings: Settings) -> Iterator[Finding]:
    """Look for speech to text, which is an extra."""
    name = settings.speech.speech_model
    if not is_installed(name):
        yield bad("speech", "missing", model=name) if name else ok("speech", "absent")
        return
    for entry in list_models(name):
        if entry.state == "ready":
            yield ok("speech", model=entry.name)
        elif entry.state != "not installed":
            yield bad("speech", "broken", model=entry.name, reason=entry.state)


def look_at_disk(settings: Settings) -> Iterator[Finding]:
    """Look at the data folder: who may read it, and how much room there is."""
    folder = settings.storage.data_dir
    if (other := find_folder_of_unit()) not in (None, folder):
        yield note("folder", "other", folder=folder, other=other)
    there = next(place for place in (folder, *folder.parents) if is_there(place))
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        yield bad("folder", "unwritable", folder=folder, owner=there)
        return
    is_open = there == folder and bool(folder.stat().st_mode & 0o077)
    yield note("folder", "readable", folder=folder) if is_open else ok("folder", folder=folder)
    free = shutil.disk_usage(there).free
    is_full = there == folder and find_lack_of_room(settings) is not None
    megabytes = f"{free / 1e6:.0f}"
    if is_full:
        yield bad("disk", "full", megabytes=megabytes, folder=folder)
    elif free < LITTLE_ROOM_BYTES:
        yield note("disk", "little", megabytes=megabytes, folder=folder)
    else:
        yield ok("disk", gigabytes=f"{free / 1e9:.0f}")


def find_folder_of_unit() -> Path | None:
    """Find the data folder of the service that systemd starts here. None without one."""
    folder = None
    for file in UNIT_FILES if UNIT_FILES[0].is_file() else ():
        with suppress(OSError):
            named = _FOLDER_OF_UNIT.findall(file.read_text("utf-8", "replace"))
            folder = Path(named[-1]) if named else folder
    return folder


def look_at_key(settings: Settings) -> Iterator[Finding]:
    """Look at the file of the encryption key. Whether it opens the gallery comes later."""
    file = settings.privacy.encryption_key_file
    if file is None:
        if settings.privacy.encryption_key:
            yield ok("key", "variable")
        return
    if not file.is_file():
        yield bad("key", "missing", file=file)
        return
    if file.stat().st_mode & 0o077:
        yield note("key", "readable", file=file)
    if settings.storage.data_dir in file.parents:
        yield note("key", "beside", file=file)
    yield ok("key", file=file)


def look_at_ports(settings: Settings) -> Iterator[Finding]:
    """Look whether the ports are free, or the service itself answers at them."""
    url = local_url(settings)
    try:
        check_port(settings, "PORT", settings.server.port)
        if settings.live.live_port:
            check_port(settings, "LIVE_PORT", settings.live.live_port)
        if settings.live.wyoming_port:
            check_port(settings, WYOMING_PORT, settings.live.wyoming_port)
        yield ok("ports", port=settings.server.port)
    except ConfigError as error:
        is_ours = not ask(url, trusting=True)
        yield (
            ok("ports", "serving", url=url) if is_ours else bad("ports", "taken", reason=say(error))
        )


def ask(url: str, *, trusting: bool = False) -> str:
    """Ask a service whether it lives. Returns why it is not this product ("" = it is).

    `trusting` takes any certificate: which service it is counts, not who signed it.
    """
    context = ssl.create_default_context()
    if trusting:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    opener = build_opener(ProxyHandler({}), HTTPSHandler(context=context))
    try:
        with opener.open(f"{url}/v1/health/live", timeout=ANSWER_S) as answer:
            return "" if json.loads(answer.read(1000)) == {"status": "ok"} else "another program"
    except URLError as error:
        return str(error.reason)
    except (OSError, ValueError) as error:
        return type(error).__name__


def look_at_access(settings: Settings) -> Iterator[Finding]:
    """Look at certificate, cameras and proxy. Keys are looked at with the gallery."""
    yield from _look_at_certificate(settings)
    yield from _look_at_cameras(settings)
    yield from _look_at_proxy(settings)


def _look_at_certificate(settings: Settings) -> Iterator[Finding]:
    certificate = settings.server.tls_cert
    key = settings.server.tls_key
    if certificate is None or key is None:
        return
    try:
        check_files(certificate, key)
    except ConfigError as error:
        yield bad("certificate", "wrong", reason=say(error))
        return
    _, end = read_dates(certificate)
    day = f"{end:%Y-%m-%d}"
    is_ending = end - datetime.now(UTC) < SOON
    yield note("certificate", "ends", day=day) if is_ending else ok("certificate", day=day)


def _look_at_cameras(settings: Settings) -> Iterator[Finding]:
    """Browsers open cameras and microphones over https, and on localhost."""
    if settings.server.trusted_proxies and not settings.server.url:
        yield note("cameras", "unstated")
        return
    url = urlsplit(url_of(settings))
    is_local = is_loopback(url.hostname or "")
    if is_local and not settings.server.url and not is_loopback(settings.server.host):
        url = url._replace(netloc=f"{socket.gethostname()}:{settings.server.port}")
        is_local = False  # which other machines open by the name of this one
    if url.scheme != "https" and not is_local:
        yield bad("cameras", "refused", url=url.geturl())
    else:
        yield ok("cameras", "here" if is_local else OK, url=url.geturl())


def _look_at_proxy(settings: Settings) -> Iterator[Finding]:
    server = settings.server
    if server.url.startswith("https:") and not server.tls_cert and not server.trusted_proxies:
        yield note("proxy", "untrusted", url=server.url)
    if server.trusted_proxies and not is_loopback(server.host):
        yield note("proxy", "passed_by", host=server.host, port=server.port)
    if server.url and not ask(local_url(settings), trusting=True):
        reason = ask(url_of(settings))
        yield (
            bad("proxy", "silent", url=server.url, reason=reason)
            if reason
            else ok("proxy", url=server.url)
        )
    if is_reachable(settings) and not server.url:
        yield note("proxy", "no_url")


def look_at_broker(settings: Settings) -> Iterator[Finding]:
    """Look for the broker of the batch jobs, where one is set."""
    url = settings.jobs.broker_url
    if not url:
        return
    if missing := missing_packages():
        yield bad("broker", "packages", packages=", ".join(missing))
        return
    place = urlsplit(url)
    where = f"{place.hostname}:{place.port or 6379}"
    try:
        socket.create_connection((place.hostname or "", place.port or 6379), ANSWER_S).close()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        yield bad("broker", "silent", where=where, reason=reason)
    else:
        yield ok("broker", where=where)


def look_at_telemetry(settings: Settings) -> Iterator[Finding]:
    """Ask the receiver of the figures, where one is named."""
    if not settings.server.otlp_endpoint:
        return
    if not is_exporter_installed():
        yield bad("telemetry", "packages", file=REQUIREMENTS)
        return
    where = host_of(settings.server.otlp_endpoint)
    problem = try_receiver(settings, ANSWER_S)
    if problem:
        yield bad("telemetry", problem.code, where=where, fact=problem.fact)
    else:
        yield ok("telemetry", where=where)


LOOKS: tuple[Look, ...] = (
    look_at_packages,
    look_at_models,
    look_at_speech,
    look_at_disk,
    look_at_key,
    look_at_ports,
    look_at_access,
    look_at_broker,
    look_at_telemetry,
)
"""Everything outside the gallery, in the order in which it is told."""
