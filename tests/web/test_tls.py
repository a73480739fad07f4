"""https by certificate and key file.

What is wrong with the files is said at start, and a real service speaks https.
"""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.support.certificates import write_pair
from tests.support.media import write_clip
from tests.support.service import ROOT, Service, running
from tests.support.tiny import tiny_models
from utils.certificates import check_files
from utils.config import Settings
from utils.errors import ConfigError


def test_a_pair_that_is_good(tmp_path: Path) -> None:
    check_files(*write_pair(tmp_path, "good"))


@pytest.mark.parametrize(
    ("case", "part"),
    [
        ("missing", "DUET_TLS_CERT must be a file that the service can read"),
        ("missing_key", "DUET_TLS_KEY must be a file that the service can read"),
        ("folder", "DUET_TLS_CERT must be a file that the service can read"),
        ("other", "must be the key of DUET_TLS_CERT"),
        ("swapped", "must be a certificate and its key in PEM files"),
        ("no_pem", "must be a certificate and its key in PEM files"),
        ("empty", "must be a certificate and its key in PEM files"),
        ("expired", "valid now"),
        ("later", "valid now"),
        ("passphrase", "without passphrase"),
    ],
)
def test_what_is_wrong_with_a_pair(tmp_path: Path, case: str, part: str) -> None:
    certificate, key = write_pair(tmp_path, "good")
    noise = tmp_path / "noise"
    noise.write_bytes(b"" if case == "empty" else b"certificate")
    pairs = {
        "missing": lambda: (tmp_path / "none.crt", key),
        "missing_key": lambda: (certificate, tmp_path / "none.key"),
        "folder": lambda: (tmp_path, key),
        "other": lambda: (certificate, write_pair(tmp_path, "other")[1]),
        "swapped": lambda: (key, certificate),
        "no_pem": lambda: (noise, noise),
        "empty": lambda: (noise, noise),
        "expired": lambda: write_pair(tmp_path, "old", -9, -1),
        "later": lambda: write_pair(tmp_path, "new", 1, 9),
        "passphrase": lambda: write_pair(tmp_path, "sealed", passphrase=b"secret"),
    }
    with pytest.raises(ConfigError, match=part):
        check_files(*pairs[case]())


def test_one_without_the_other(tmp_path: Path) -> None:
    for one in ({"tls_cert": tmp_path}, {"tls_key": tmp_path}):
        with pytest.raises(ConfigError, match="set together"):
            Settings.of(**one)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_pair(tmp_path_factory.mktemp("tls"), "service")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, pair: tuple[Path, Path]) -> Iterator[Service]:
    models = tiny_models(tmp_path_factory.mktemp("models"))
    with running(
        tmp_path_factory.mktemp("https"),
        model_dir=models,
        tls_cert=pair[0],
        tls_key=pair[1],
        threads=2,
        api_key="correct-horse",
        max_upload_mb=2,
    ) as started:
        yield started


@pytest.mark.e2e
class TestRunning:
    """One service for all of these."""

    def test_says_https(self, service: Service) -> None:
        assert f"Duet ID is ready: https://127.0.0.1:{service.port}" in service.log.read_text()

    def test_a_browser_gets_an_answer_and_a_stranger_none(
        self, service: Service, pair: tuple[Path, Path]
    ) -> None:
        url = service.url.replace("http:", "https:") + "/v1/health"
        assert requests.get(url, verify=str(pair[0]), timeout=30).json()["status"] == "ok"
        with pytest.raises(requests.exceptions.SSLError):
            requests.get(url, timeout=30)
        for forged in (
            {"X-Forwarded-Proto": "http"},
            {"SCRIPT_NAME": "/v1"},
            {"X-Forwarded-For": "10.0.0.1"},
        ):
            assert (
                requests.get(url, verify=str(pair[0]), headers=forged, timeout=30).status_code
                == 200
            )

    def test_prometheus_needs_the_key(self, service: Service, pair: tuple[Path, Path]) -> None:
        url = service.url.replace("http:", "https:") + "/metrics"
        assert requests.get(url, verify=str(pair[0]), timeout=30).status_code == 401
        headers = {"Authorization": "Bearer correct-horse"}  # as Prometheus sends it
        shown = requests.get(url, verify=str(pair[0]), headers=headers, timeout=30)
        assert shown.status_code == 200
        assert "duet_decoder_deaths_total 0.0" in shown.text

    def test_old_protocols_are_refused(self, service: Service, pair: tuple[Path, Path]) -> None:
        for version, good in ((ssl.TLSVersion.TLSv1_2, True), (ssl.TLSVersion.TLSv1_3, True)):
            context = ssl.create_default_context(cafile=str(pair[0]))
            context.minimum_version = context.maximum_version = version
            with (
                socket.create_connection(("127.0.0.1", service.port), timeout=30) as raw,
                context.wrap_socket(raw, server_hostname="127.0.0.1") as connection,
            ):
                assert (connection.version() is not None) is good

    def test_plain_http_is_told_so(self, service: Service) -> None:
        with socket.create_connection(("127.0.0.1", service.port), timeout=30) as connection:
            connection.sendall(b"GET /v1/health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        assert answer.startswith(b"HTTP/1.1 400")
        assert b"https://" in answer

    def test_the_terminal_client(
        self, service: Service, pair: tuple[Path, Path], tmp_path: Path
    ) -> None:
        clip = write_clip(tmp_path / "ann-1.mp4", person=1)
        command = [
            sys.executable,
            "Request.py",
            str(clip),
            "--url",
            service.url.replace("http:", "https:"),
            "--api-key",
            "correct-horse",
        ]
        refused = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
        )
        assert refused.returncode == 2
        assert "--ca" in refused.stderr
        answered = subprocess.run(
            [*command, "--ca", str(pair[0])],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert answered.returncode == 0, answered.stderr
        assert "Registered: ann" in answered.stdout

    def test_a_large_upload_over_the_limit(self, service: Service, pair: tuple[Path, Path]) -> None:
        """The body is read off, so that the answer arrives instead of a reset."""
        answer = requests.post(
            service.url.replace("http:", "https:") + "/v1/identify",
            files={"media": b"x" * 20_000_000},
            headers={"X-API-Key": "correct-horse"},
            verify=str(pair[0]),
            timeout=120,
        )
        assert answer.status_code == 413
