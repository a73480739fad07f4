"""Settings of the service: one frozen dataclass, read from `DUET_*` environment
variables, checked at start.

Every field's `help` is what docs/reference/settings.md prints.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from utils.errors import ConfigError

PREFIX = "DUET_"
ROOT = Path(__file__).resolve().parent.parent


def _setting(
    default: Any,
    text: str,
    low: float | None = None,
    high: float | None = None,
    *,
    secret: bool = False,
) -> Any:
    return field(
        default=default, repr=not secret, metadata={"help": text, "low": low, "high": high}
    )


@dataclass(frozen=True)
class Settings:
    """All settings. `Settings()` holds the defaults; `Settings.from_env()` is what the
    programs use.
    """

    host: str = _setting(
        "127.0.0.1", "address to listen on; anything but loopback needs an API key"
    )
    port: int = _setting(5000, "TCP port", 1, 65535)
    api_key: str = _setting(
        "",
        "an admin key beside those of `cli.py keys`, for the header X-API-Key; without any key:"
        " loopback only",
        secret=True,
    )
    rate_limit: str = _setting(
        "1200/minute",
        "how many clips each key, or address without one, may send (ten times as many other"
        " requests); empty = no limit",
    )
    tls_cert: Path | None = _setting(
        None, "certificate, with the chain, in a PEM file: the service then speaks https"
    )
    tls_key: Path | None = _setting(None, "private key of the certificate, in a PEM file")
    trusted_proxies: int = _setting(
        0,
        "how many proxies before the service say in X-Forwarded-For, -Proto and -Host who asks",
        0,
        10,
    )
    data_dir: Path = _setting(
        ROOT / "data", "folder for everything written at run time: database, temporary media"
    )
    database_url: str = _setting(
        "",
        "SQLAlchemy URL of the gallery; empty = SQLite file duet.db in DUET_DATA_DIR",
        secret=True,
    )
    encryption_key: str = _setting(
        "",
        "key that templates and kept media are encrypted with, 32 bytes in base64; empty = stored"
        " in the clear",
        secret=True,
    )
    encryption_key_file: Path | None = _setting(None, "file with that key, instead of the variable")
    encryption_key_old: str = _setting(
        "", "the key before, for `cli.py keys rotate-encryption` alone", secret=True
    )
    media_root: Path | None = _setting(
        None,
        "the only folder that Identification_Request may read clips from; empty = folder media in"
        " DUET_DATA_DIR",
    )
    model_dir: Path = _setting(
        ROOT / "best_model",
        "folder with face/, voice/ and fusion/, each with weights and card.json",
    )
    max_upload_mb: int = _setting(64, "largest request body, in MB", 1, 4096)
    max_clip_s: float = _setting(600.0, "longest clip that is accepted, in seconds", 1, 36000)
    read_s: float = _setting(60.0, "how much of a clip is read from its start, in seconds", 1, 600)
    max_frames: int = _setting(12, "frames sampled evenly over the clip", 1, 64)
    min_speech_s: float = _setting(0.5, "least net speech for a voice answer, in seconds", 0.2, 60)
    good_speech_s: float = _setting(
        2.0, "net speech below which the person is asked for a whole sentence, in seconds", 0.2, 60
    )
    min_face_px: float = _setting(24.0, "least width of a face in the frame, in pixels", 10, 1000)
    good_face_px: float = _setting(
        60.0, "width of a face below which the person is asked to come closer, in pixels", 10, 2000
    )
    fpir: float = _setting(
        0.01,
        "false positive identification rate that the thresholds aim at: the share of strangers"
        " given a name",
        1e-6,
        0.5,
    )
    keep_media: bool = _setting(
        False,
        "1: keep aligned faces, speech and a thumbnail with each template, to be embedded again by"
        " later models; 0: vectors only",
    )
    feedback_days: int = _setting(
        7,
        "how long it is remembered who was named in which answer, so that people can say that it"
        " was not them, in days; 0 = not at all",
        0,
        90,
    )
    threads: int = _setting(8, "requests served at the same time", 1, 256)
    slots: int = _setting(2, "clips analysed at the same time; others wait", 1, 64)
    broker_url: str = _setting(
        "",
        "Celery broker (redis://host:6379/0) whose workers do the batch jobs; empty = this service"
        " does them",
        secret=True,
    )
    job_days: float = _setting(
        7.0, "how long the results of a finished batch job are kept, in days", 0.001, 3650
    )

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> Settings:
        """Read `DUET_*`. Raises ConfigError for an unknown name or a value out of
        range.
        """
        env = os.environ if env is None else env
        known = {PREFIX + f.name.upper(): f for f in dataclasses.fields(cls)}
        unknown = sorted(
            k for k in env if k.startswith(PREFIX) and k not in known and k not in OTHER_VARIABLES
        )
        if unknown:
            raise ConfigError(
                f"Unknown setting. Received: {', '.join(unknown)}",
                "docs/reference/settings.md lists the settings.",
            )
        return cls(**{f.name: _parse(f, env[k]) for k, f in known.items() if env.get(k, "") != ""})

    def __post_init__(self) -> None:
        for f in dataclasses.fields(self):
            _check_range(f, getattr(self, f.name))
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ConfigError(
                f"{PREFIX}TLS_CERT and {PREFIX}TLS_KEY must be set together. Received: one of them"
            )

    @property
    def url_of_database(self) -> str:
        """The database URL, with the default filled in."""
        return self.database_url or f"sqlite:///{self.data_dir / 'duet.db'}"

    @property
    def media_folder(self) -> Path:
        """The media root, with the default filled in."""
        return self.media_root or self.data_dir / "media"

    @property
    def temporary_folder(self) -> Path:
        """Where uploads lie while their request is answered."""
        return self.data_dir / "tmp"


OTHER_VARIABLES = frozenset({PREFIX + "SHARED_DATA"})
"""Variables with the same prefix that are no settings of the service (research data for
training and tests).
"""


def is_loopback(host: str) -> bool:
    """Whether `host` can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _parse(f: dataclasses.Field[Any], text: str) -> Any:
    name = PREFIX + f.name.upper()
    kind = str(f.type)
    try:
        if kind == "int":
            return int(text)
        if kind == "float":
            return float(text)
        if kind == "bool":
            return bool(("0", "1").index(text))
    except ValueError:
        wanted = "0 or 1" if kind == "bool" else "a number"
        raise ConfigError(f"{name} must be {wanted}. Received: {text!r}") from None
    return Path(text).resolve() if kind.startswith("Path") else text


def _check_range(f: dataclasses.Field[Any], value: Any) -> None:
    low = f.metadata["low"]
    high = f.metadata["high"]
    if low is not None and not low <= value <= high:
        raise ConfigError(
            f"{PREFIX}{f.name.upper()} must be between {low:g} and {high:g}. Received: {value!r}"
        )
