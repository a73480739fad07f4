"""Settings of the service, by subject, from `DUET_*` environment variables.

Each setting is a field of one frozen dataclass below, and the field's name in capitals
is its variable: `DUET_PORT` is `settings.server.port`. Values are checked when the
object is made. The reference page of the settings is generated from the fields.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from utils.backup_settings import BackupSettings
from utils.errors import ConfigError
from utils.event_settings import EventSettings
from utils.live_settings import LiveSettings
from utils.liveness_settings import LivenessSettings
from utils.privacy_settings import PrivacySettings
from utils.setting_values import host_of, is_address, parse_value, url_of
from utils.subjects import PREFIX, Subject, setting, variable_of
from utils.visitor_settings import VisitorSettings

ROOT = Path(__file__).resolve().parent.parent

# Variables with the same prefix that are no settings of the service: research data for
# training and tests
OTHER_VARIABLES = frozenset({PREFIX + "SHARED_DATA"})

_BASE_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)*", re.ASCII)
LOG_FORMS = ("text", "json")

ACCURACIES = ("fast", "balanced", "thorough")


@dataclass(frozen=True)
class ServerSettings(Subject):
    """Where the service listens, and who may reach it."""

    host: str = setting(
        "127.0.0.1", "Address to listen on. Any address but loopback needs an API key."
    )
    port: int = setting(5000, "TCP port.", 1, 65535)
    url: str = setting(
        "",
        "Address at which clients reach the service: printed at start, and asked by Request.py"
        " and `cli.py client`. Empty: this machine at DUET_PORT.",
    )
    api_key: str = setting(
        "",
        "An admin key for the header X-API-Key, beside those of `cli.py keys`. Without any key"
        " the service listens on loopback only.",
        secret=True,
    )
    tls_cert: Path | None = setting(
        None,
        "Certificate with its chain, in a PEM file. With it, the service speaks HTTPS.",
    )
    tls_key: Path | None = setting(None, "Private key of the certificate, in a PEM file.")
    log: str = setting(
        "text", "Form of the log: text, or json with one object a line and the request id."
    )
    otlp_endpoint: str = setting(
        "",
        "Address of an OpenTelemetry receiver, to which the figures of /metrics are pushed over"
        " HTTP (usually port 4318). Empty: none.",
    )
    trusted_proxies: int = setting(
        0,
        "Number of proxies before the service that set X-Forwarded-For, -Proto, -Host and -Prefix.",
        0,
        10,
    )
    base_path: str = setting(
        "",
        "Path of a proxy below which the service is, such as /duet. Empty: the root of the host,"
        " or what a trusted proxy states in X-Forwarded-Prefix.",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ConfigError(f"{PREFIX}TLS_CERT and {PREFIX}TLS_KEY must be set together.")
        if self.log not in LOG_FORMS:
            raise ConfigError(
                f"{PREFIX}LOG must be one of {', '.join(LOG_FORMS)}. Received: {self.log[:40]!r}"
            )
        if self.otlp_endpoint and not _is_receiver(self.otlp_endpoint):
            raise ConfigError(
                f"{PREFIX}OTLP_ENDPOINT must be an address such as http://127.0.0.1:4318, without a"
                f" user name and a query. Received: {host_of(self.otlp_endpoint)!r}"
            )
        if not _BASE_PATH.fullmatch(self.base_path):
            raise ConfigError(
                f"{PREFIX}BASE_PATH must be a path such as /duet, without a slash at its end."
                f" Received: {self.base_path[:80]!r}"
            )


@dataclass(frozen=True)
class LimitSettings(Subject):
    """How much the service takes on."""

    rate_limit: str = setting(
        "1200/minute",
        "Clips that each key, or each address without one, may send. Ten times as many other"
        " requests are allowed. Empty: no limit.",
    )
    max_upload_mb: int = setting(64, "Largest request body, in MB.", 1, 4096)
    threads: int = setting(32, "Requests that are served at the same time.", 1, 256)
    slots: int = setting(
        2,
        "Clips that are analysed at the same time. Others wait, at most half as many as there"
        " are threads.",
        1,
        64,
    )


@dataclass(frozen=True)
class StorageSettings(Subject):
    """Where data and models lie."""

    data_dir: Path = setting(
        ROOT / "data",
        "Folder for everything that is written at run time: database, temporary media.",
    )
    database_url: str = setting(
        "",
        "SQLAlchemy URL of the gallery. Empty: SQLite file duet.db in DUET_DATA_DIR.",
        secret=True,
    )
    media_root: Path | None = setting(
        None,
        "The only folder that clips are read from by path: Identification_Request, and folders"
        " of jobs. Empty: folder media in DUET_DATA_DIR.",
    )
    model_dir: Path = setting(
        ROOT / "best_model",
        "Folder with face/, voice/ and fusion/, each with weights and card.json.",
    )

    @property
    def gallery_url(self) -> str:
        """The database URL, with the default filled in."""
        return self.database_url or url_of(self.data_dir / "duet.db")

    @property
    def media_folder(self) -> Path:
        """The media root, with the default filled in."""
        return self.media_root or self.data_dir / "media"

    @property
    def temporary_folder(self) -> Path:
        """Where uploads lie while their request is answered."""
        return self.data_dir / "tmp"


@dataclass(frozen=True)
class CaptureSettings(Subject):
    """What is read of a clip, and what is enough of a face or of speech."""

    max_clip_s: float = setting(600.0, "Longest clip that is accepted, in seconds.", 1, 36000)
    read_s: float = setting(60.0, "How much of a clip is read from its start, in seconds.", 1, 600)
    max_frames: int = setting(
        12,
        "Frames that are sampled evenly over the clip. Below 3, a clear face that does not tell"
        " the person is no conflict with the voice, as a poor one is not.",
        1,
        64,
    )
    accuracy: str = setting(
        "balanced",
        "How much work a clip is worth. thorough: every face is seen as it is and mirrored."
        " balanced: faces in turn, and of a question six of them where they are clear and alike."
        " fast: the same, and of a question of 7 s and more no more than its first seconds where"
        " these are plain. Where a check for liveness refuses, all is looked at.",
        choices=ACCURACIES,
    )
    min_speech_s: float = setting(0.5, "Least net speech for a voice answer, in seconds.", 0.2, 60)
    good_speech_s: float = setting(
        2.0,
        "Net speech below which the service asks for a whole sentence, in seconds.",
        0.2,
        60,
    )
    min_face_px: float = setting(24.0, "Least width of a face in the frame, in pixels.", 10, 1000)
    good_face_px: float = setting(
        60.0,
        "Width of a face below which the service asks the person to come closer, in pixels.",
        10,
        2000,
    )
    min_enroll_quality: float = setting(
        0.2,
        "Quality, from 0 to 1, below which a face or speech is enrolled by force alone.",
        0,
        1,
    )


@dataclass(frozen=True)
class DecisionSettings(Subject):
    """How sure an answer must be."""

    fpir: float = setting(
        0.01,
        "False positive identification rate that the thresholds aim at: the share of strangers"
        " who are given a name.",
        1e-6,
        0.5,
    )
    mixed_odds: float = setting(
        0.8,
        "Prior odds of a mixed clip, with the face of one person and the voice of another, to a"
        " clip of one person. Lower: a voice that speaks against the face is heeded less.",
        1e-6,
        100,
    )
    require_both: bool = setting(
        False,
        "Name a person by face and voice only where each of the two names that person, as a"
        " door should.",
    )


@dataclass(frozen=True)
class JobSettings(Subject):
    """Batch jobs."""

    broker_url: str = setting(
        "",
        "Celery broker (redis://host:6379/0) whose workers run the batch jobs. Empty: this"
        " service runs them.",
        secret=True,
    )
    job_days: float = setting(
        7.0, "Days for which the results of a finished batch job are kept.", 0.001, 3650
    )


@dataclass(frozen=True)
class SpeechSettings(Subject):
    """Speech to text, which is an extra (docs/speech.md)."""

    speech_model: str = setting(
        "",
        "What writes down speech: base, tiny.en, or a folder: a Whisper model for CTranslate2, or"
        " what cli.py train speech made. Empty: base where it is installed, else tiny.en.",
    )
    speech_threads: int = setting(
        0,
        "Threads that write down speech. 0: half of the processors, so that the rest is left for"
        " clips.",
        0,
        256,
    )
    max_speech_s: float = setting(
        14400.0, "Longest recording that is written down, in seconds.", 1, 86400
    )


@dataclass(frozen=True)
class Settings:
    """All settings of the service, by subject.

    `Settings()` holds the defaults. The programs use `Settings.from_env()`.
    """

    server: ServerSettings = field(default_factory=ServerSettings)
    limits: LimitSettings = field(default_factory=LimitSettings)
    storage: StorageSettings = field(default_factory=StorageSettings)
    privacy: PrivacySettings = field(default_factory=PrivacySettings)
    capture: CaptureSettings = field(default_factory=CaptureSettings)
    decision: DecisionSettings = field(default_factory=DecisionSettings)
    jobs: JobSettings = field(default_factory=JobSettings)
    speech: SpeechSettings = field(default_factory=SpeechSettings)
    live: LiveSettings = field(default_factory=LiveSettings)
    liveness: LivenessSettings = field(default_factory=LivenessSettings)
    backup: BackupSettings = field(default_factory=BackupSettings)
    events: EventSettings = field(default_factory=EventSettings)
    visitors: VisitorSettings = field(default_factory=VisitorSettings)

    @classmethod
    def of(cls, **values: Any) -> Settings:
        """Make settings from values by their names, such as `Settings.of(fpir=0.05)`.

        Raises:
            ConfigError: a value is out of range.
            TypeError: there is no setting of a name.
        """
        return cls().replace(**values)

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> Settings:
        """Read the settings from `DUET_*` variables. An empty one is its default.

        Raises:
            ConfigError: a variable is unknown, or its value cannot be used.
        """
        env = os.environ if env is None else env
        fields = {variable_of(setting): setting for _, setting in _fields()}
        ours = [name for name in env if name.startswith(PREFIX)]
        unknown = sorted(set(ours) - fields.keys() - OTHER_VARIABLES)
        if unknown:
            raise ConfigError(
                f"Unknown setting. Received: {', '.join(unknown)}",
                "See the table of settings in docs/reference/settings.md.",
            )
        given = {name: setting for name, setting in fields.items() if env.get(name)}
        return cls.of(
            **{s.name: parse_value(name, str(s.type), env[name]) for name, s in given.items()}
        )

    def replace(self, **values: Any) -> Settings:
        """Copy the settings with other values, by their names as in `of`."""
        subjects: dict[str, dict[str, Any]] = {}
        subject_of = {setting.name: subject for subject, setting in _fields()}
        for name, value in values.items():
            if name not in subject_of:
                raise TypeError(f"There is no such setting. Received: {name}")
            subjects.setdefault(subject_of[name], {})[name] = value
        changed = {
            subject: dataclasses.replace(getattr(self, subject), **changes)
            for subject, changes in subjects.items()
        }
        return dataclasses.replace(self, **changed)


@dataclass(frozen=True)
class SettingDescription:
    """What the reference and `--help` print of a setting.

    `subject` is the field of `Settings` that holds it, `kind` the name of its type.
    """

    variable: str
    subject: str
    kind: str
    default: Any
    help: str
    is_secret: bool


def describe_settings() -> list[SettingDescription]:
    """Describe all settings, by subject and in the order of their fields."""
    return [
        SettingDescription(
            variable=variable_of(setting),
            subject=subject,
            kind=str(setting.type),
            default=setting.default,
            help=setting.metadata["help"],
            is_secret=not setting.repr,
        )
        for subject, setting in _fields()
    ]


def url_of_service() -> str:
    """Address that a client on this machine asks: DUET_URL, else the port of DUET_PORT."""
    port = os.environ.get(PREFIX + "PORT") or ServerSettings.port
    return os.environ.get(PREFIX + "URL") or f"http://127.0.0.1:{port}"


def is_loopback(host: str) -> bool:
    """Whether `host` can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_receiver(url: str) -> bool:
    """Whether the path of OTLP can be put to an address."""
    return is_address(url) and "?" not in url


def _fields() -> Iterator[tuple[str, dataclasses.Field[Any]]]:
    """Yield the name of the subject and the field of each setting."""
    for subject in dataclasses.fields(Settings):
        for one in dataclasses.fields(subject.default_factory):  # type: ignore[arg-type]
            yield subject.name, one
