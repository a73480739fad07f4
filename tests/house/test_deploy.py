"""The files that run the service, held to the code.

What they name exists; the layout itself is started by `python -m deploy.check`.
"""

from __future__ import annotations

import configparser
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import cli
from utils.config import Settings, describe_settings

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
SETTINGS = {setting.variable for setting in describe_settings()}


@pytest.mark.parametrize("file", sorted(DEPLOY.glob("*")), ids=lambda f: f.name)
def test_settings_that_are_named_exist(file: Path) -> None:
    if file.is_file():
        named = set(re.findall(r"\bDUET_[A-Z_]+\b", file.read_text(encoding="utf-8")))
        assert named <= SETTINGS, named - SETTINGS


def test_the_image_holds_every_package_that_the_service_imports() -> None:
    copied = set(re.findall(r"^COPY (\w+) \w+$", DOCKERFILE, re.MULTILINE))
    packages = {f.parent.name for f in ROOT.glob("*/__init__.py")} - {"tests", "bench"}
    assert copied >= packages, packages - copied
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for name in copied:
        assert f"!{name}" in ignored, f"{name} would not reach the build"


def test_the_image_runs_without_root() -> None:
    last = DOCKERFILE.rsplit("FROM ", 1)[1]
    assert re.search(r"^USER duet$", last, re.MULTILINE)
    assert "HEALTHCHECK" in last


def test_replicas_are_alike_read_only_and_not_reached_from_outside() -> None:
    services = COMPOSE["services"]
    assert services["replica-1"] == services["replica-2"]
    for name in ("replica-1", "replica-2", "worker"):
        assert services[name]["read_only"]
        assert services[name]["cap_drop"] == ["ALL"]
    assert [name for name, about in services.items() if "ports" in about] == ["proxy"]
    assert COMPOSE["networks"]["inside"]["internal"]


def test_files_that_compose_mounts_are_there() -> None:
    for service in COMPOSE["services"].values():
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            if source.startswith("./") and source != "./tls":  # the operator's own certificate
                assert (DEPLOY / source).exists(), source
    values = set(re.findall(r"\$\{(\w+)", (DEPLOY / "compose.yaml").read_text(encoding="utf-8")))
    assert values <= {
        line.split("=")[0]
        for line in (DEPLOY / "example.env").read_text(encoding="utf-8").splitlines()
    }


@pytest.mark.parametrize("unit", ["duet.service", "duet-worker.service"])
def test_units_start_what_exists(unit: str) -> None:
    parsed = configparser.ConfigParser(strict=False, interpolation=None)
    parsed.optionxform = str  # type: ignore[assignment,method-assign]
    parsed.read(DEPLOY / unit, encoding="utf-8")
    words = shlex.split(parsed["Service"]["ExecStart"])
    assert (ROOT / words[1]).exists()
    if words[1] == "cli.py":
        cli.cli.commands[words[2]].make_context(words[2], words[3:])
    assert parsed["Service"]["User"] == "duet"
    # else systemd ends the decoders of the clips that the service finishes
    assert parsed["Service"]["KillMode"] == "mixed"


def test_the_command_has_the_settings_of_the_unit() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.read(DEPLOY / "duet.service", encoding="utf-8")
    service = unit["Service"]
    words = shlex.split((DEPLOY / "duet").read_text(encoding="utf-8"), comments=True)
    expected = {f"--setenv={pair}" for pair in service["Environment"].split()}
    expected |= {
        f"--uid={service['User']}",
        f"--working-directory={service['WorkingDirectory']}",
        f"--property=EnvironmentFile={service['EnvironmentFile']}",
        f"--property=UMask={service['UMask']}",
    }
    assert expected <= set(words), expected - set(words)


def test_the_limit_of_uploads_is_that_of_the_service() -> None:
    limit = re.search(
        r"client_max_body_size (\d+)m;", (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
    )
    assert limit
    assert int(limit[1]) >= Settings().limits.max_upload_mb


def test_the_check_says_what_it_needs(tmp_path: Path) -> None:
    """Without the programs it does not fail with a traceback, and starts nothing."""
    done = subprocess.run(
        [sys.executable, "-m", "deploy.check"],
        cwd=ROOT,
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (2, "")
    assert "nginx" in done.stdout
