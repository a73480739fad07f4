"""Settings of the service, by subject, from `DUET_*` environment variables.

Each setting is a field of one frozen dataclass (`utils/settings/`), and the field's name in
capitals is its variable: `DUET_PORT` is `settings.server.port`. Values are checked when the
object is made. The reference page of the settings is generated from the fields.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from utils.errors import ConfigError
from utils.settings.backup import BackupSettings
from utils.settings.capture import CaptureSettings
from utils.settings.decision import DecisionSettings
from utils.settings.events import EventSettings
from utils.settings.jobs import JobSettings
from utils.settings.live import LiveSettings
from utils.settings.liveness import LivenessSettings
from utils.settings.privacy import PrivacySettings
from utils.settings.server import LimitSettings, ServerSettings
from utils.settings.speech import SpeechSettings
from utils.settings.storage import ROOT as ROOT
from utils.settings.storage import StorageSettings
from utils.settings.subject import PREFIX, variable_of
from utils.settings.values import parse_value
from utils.settings.visitors import VisitorSettings

# Variables with the same prefix that are no settings of the service: research data for
# training and tests
OTHER_VARIABLES = frozenset({PREFIX + "SHARED_DATA"})


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


def _fields() -> Iterator[tuple[str, dataclasses.Field[Any]]]:
    """Yield the name of the subject and the field of each setting."""
    for subject in dataclasses.fields(Settings):
        for one in dataclasses.fields(subject.default_factory):  # type: ignore[arg-type]
            yield subject.name, one
