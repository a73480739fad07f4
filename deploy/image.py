"""The steps of the Dockerfile, run in a clean root without a container engine.

    sudo debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates \
        bookworm /var/tmp/base
    sudo unshare --mount .venv/bin/python -m deploy.image /var/tmp/base /var/tmp/image

Each instruction is run in a copy of the base, as `docker build` runs it. The image is then
started as its user, with a read-only root, and its health check is asked until it passes.
The base is Debian's Python in place of the official image of Python. Needs root.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
START_S = 600.0
BASE_ENV = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "LANG": "C.UTF-8"}
HANDED_ON = ("PIP_", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
"""Variables of this machine that only tell pip where packages come from."""
UNRUN = frozenset({"EXPOSE", "VOLUME"})
"""Instructions that tell the engine something, and run nothing."""


@dataclass
class Stage:
    """A stage of the build: its root, and what its instructions set."""

    root: Path
    env: dict[str, str] = field(default_factory=lambda: dict(BASE_ENV))
    folder: str = "/"
    user: str = "root"
    command: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)


def read_instructions(text: str) -> Iterator[tuple[str, str]]:
    """Read instructions and their arguments, with continued lines joined."""
    joined = re.sub(r"\\\n\s*", "", text)
    for line in joined.splitlines():
        if line.strip() and not line.startswith("#"):
            name, _, rest = line.partition(" ")
            yield name, rest.strip()


def run(stage: Stage, words: list[str], **options: object) -> subprocess.Popen[bytes]:
    """Start a program in the root of a stage, as its user."""
    user = [f"--userspec={stage.user}"] if stage.user != "root" else []
    command = ["chroot", *user, str(stage.root), "/bin/sh", "-c", 'cd "$0" && exec "$@"']
    handed = {k: v for k, v in os.environ.items() if k.upper().startswith(HANDED_ON)}
    env = {**handed, **stage.env}
    return subprocess.Popen([*command, stage.folder, *words], env=env, **options)  # type: ignore[call-overload,no-any-return]


def do(name: str, rest: str, stage: Stage, stages: dict[str, Stage]) -> None:
    """Do an instruction. Raises SystemExit where it fails."""
    if name == "RUN":
        if run(stage, ["/bin/sh", "-c", rest]).wait():
            raise SystemExit(f"FAILED: RUN {rest[:100]}")
    elif name == "COPY":
        copy(shlex.split(rest), stage, stages)
    elif name == "ENV":
        pairs = dict(pair.split("=", 1) for pair in shlex.split(rest))
        stage.env |= {k: v.replace("$PATH", stage.env["PATH"]) for k, v in pairs.items()}
    elif name == "WORKDIR":
        stage.folder = rest
        (stage.root / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)
    elif name == "USER":
        stage.user = rest
    elif name == "CMD":
        stage.command = json.loads(rest)
    elif name == "HEALTHCHECK":
        stage.health = json.loads(rest.split("CMD", 1)[1])
    elif name not in UNRUN:
        raise SystemExit(f"FAILED: the instruction {name} is not known here")


def copy(words: list[str], stage: Stage, stages: dict[str, Stage]) -> None:
    """Copy from another stage, or from what `.dockerignore` lets into the build."""
    source = ROOT
    if words[0].startswith("--from="):
        source = stages[words[0].removeprefix("--from=")].root
        words = words[1:]
    else:
        lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        patterns = [line[1:] for line in lines if line.startswith("!")]
        allowed = set(chain.from_iterable(map(ROOT.glob, patterns)))
        hidden = [word for word in words[:-1] if ROOT / word not in allowed]
        if hidden:
            raise SystemExit(f"FAILED: .dockerignore keeps out {', '.join(hidden)}")
    place = stage.root / os.path.normpath(Path("/", stage.folder, words[-1])).lstrip("/")
    leave = shutil.ignore_patterns("__pycache__", "node_modules", "*.keras")
    for word in words[:-1]:
        path = source / word.lstrip("/")
        if path.is_dir():
            shutil.copytree(path, place, symlinks=True, dirs_exist_ok=True, ignore=leave)
        else:
            shutil.copy2(path, place / path.name if words[-1].endswith("/") else place)


def build(base: Path, out: Path) -> Stage:
    """Do every instruction of the Dockerfile. Returns the last stage."""
    stages: dict[str, Stage] = {}
    stage = Stage(base)
    for name, rest in read_instructions((ROOT / "deploy/Dockerfile").read_text(encoding="utf-8")):
        print(f"{time.strftime('%H:%M:%S')}  {name} {rest[:90]}", flush=True)
        if name != "FROM":
            do(name, rest, stage, stages)
            continue
        label = rest.partition(" AS ")[2] or "image"
        stage = stages[label] = Stage(out / label)
        subprocess.run(["cp", "-a", str(base), str(stage.root)], check=True)
        python = stage.root / "usr/local/bin/python"
        if not python.exists():
            python.symlink_to("/usr/bin/python3")
    return stage


def mount(stage: Stage) -> None:
    """Make the root read-only, with /data and /tmp to write to.

    `unshare --mount` takes the mounts away when the program ends.
    """
    root = str(stage.root)
    for words in (
        ["--make-rprivate", "/"],
        ["--bind", root, root],
        ["--bind", f"{root}/data", f"{root}/data"],
        ["-t", "tmpfs", "tmpfs", f"{root}/tmp"],
        ["-t", "proc", "proc", f"{root}/proc"],
        ["--rbind", "/dev", f"{root}/dev"],
        ["-o", "remount,ro,bind", root],
    ):
        subprocess.run(["mount", *words], check=True)


def start(stage: Stage) -> None:
    """Start the image and ask its health check. Raises SystemExit where it does not pass."""
    stage.env["DUET_API_KEY"] = secrets.token_hex(16)
    service = run(stage, stage.command)
    deadline = time.monotonic() + START_S
    try:
        while run(stage, stage.health, stderr=subprocess.DEVNULL).wait():
            if service.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("FAILED: the health check does not pass")
            time.sleep(2)
        print("ok  the health check passes", flush=True)
        for what in ("touch /srv/duet/x", "touch /usr/x"):
            if not run(stage, ["/bin/sh", "-c", what], stderr=subprocess.DEVNULL).wait():
                raise SystemExit(f"FAILED: the root can be written: {what}")
        check_findings(stage)
    finally:
        service.send_signal(signal.SIGTERM)
        service.wait(60)
    print("ok  the service ends at SIGTERM")


def check_findings(stage: Stage) -> None:
    """Ask `cli.py doctor`, which must miss https alone: a proxy brings it."""
    command = ["python", "cli.py", "doctor", "--json"]
    findings = json.loads(run(stage, command, stdout=subprocess.PIPE).communicate()[0])
    wrong = {f"{x['subject']}.{x['code']}" for x in findings if x["level"] == "bad"}
    if wrong != {"cameras.refused"}:
        raise SystemExit(f"FAILED: doctor finds {', '.join(sorted(wrong)) or 'nothing'}")
    print("ok  doctor finds nothing but the missing proxy with https")


def main(base: str, out: str) -> None:
    """Build below `out` from the root `base`, and start what was built."""
    Path(out).mkdir(parents=True)
    stage = build(Path(base), Path(out))
    mount(stage)
    start(stage)


if __name__ == "__main__":
    main(*sys.argv[1:])
