"""Settings: their defaults, their variables, and what cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from utils.config import OTHER_VARIABLES, ROOT, Settings, describe_settings, is_loopback
from utils.errors import ConfigError


def test_an_empty_environment_gives_the_defaults() -> None:
    settings = Settings.from_env({"PATH": "/bin", "DUET_API_KEY": ""})
    assert settings == Settings() == Settings.of()
    assert settings.server.port == 5000
    assert settings.storage.data_dir == ROOT / "data"


def test_variables_are_parsed_by_their_type() -> None:
    settings = Settings.from_env(
        {
            "DUET_PORT": "8080",
            "DUET_FPIR": "0.001",
            "DUET_KEEP_MEDIA": "1",
            "DUET_RATE_LIMIT": "9/hour",
            "DUET_MEDIA_ROOT": "media",
        }
    )
    assert settings.server.port == 8080
    assert settings.decision.fpir == 0.001
    assert settings.privacy.keep_media is True
    assert settings.limits.rate_limit == "9/hour"
    assert settings.storage.media_root == Path.cwd() / "media"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("PORT", "80x", "must be a number"),
        ("BACKUP_DIR", " ", "must be a path"),
        ("PORT", "0", "must be between 1 and 65535"),
        ("FPIR", "0.6", "must be between"),
        ("FPIR", "nan", "must be between"),
        ("SLOTS", "1.5", "must be a number"),
        ("KEEP_MEDIA", "yes", "must be 0 or 1"),
        ("KEEP_MEDIA", "01", "must be 0 or 1"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(name: str, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=f"DUET_{name} {message}"):
        Settings.from_env({f"DUET_{name}": text})


def test_an_unknown_variable_is_named_and_research_data_are_none() -> None:
    with pytest.raises(ConfigError, match="Received: DUET_COLOUR, DUET_PROT"):
        Settings.from_env({"DUET_PROT": "1", "DUET_COLOUR": "red"})
    assert Settings.from_env(dict.fromkeys(OTHER_VARIABLES, "x")) == Settings()


def test_settings_by_name_are_those_of_their_subject() -> None:
    settings = Settings.of(fpir=0.05, slots=1)
    changed = settings.replace(threads=2, job_days=1.0)
    assert (changed.decision.fpir, changed.limits.slots) == (0.05, 1)
    assert (changed.limits.threads, changed.jobs.job_days) == (2, 1.0)
    assert settings.limits.threads == 32
    with pytest.raises(ConfigError, match="DUET_SLOTS"):
        settings.replace(slots=0)
    with pytest.raises(TypeError, match="colour"):
        settings.replace(colour="red")


def test_secrets_are_in_no_text() -> None:
    settings = Settings.of(
        api_key="s3cret",
        database_url="postgresql://u:s3cret@h/d",
        encryption_key="s3cret",
        encryption_key_old="s3cret",
        broker_url="redis://:s3cret@h",
    )
    assert "s3cret" not in repr(settings)


def test_folders_follow_the_data_folder(tmp_path: Path) -> None:
    storage = Settings.of(data_dir=tmp_path).storage
    assert storage.gallery_url == f"sqlite:///{tmp_path / 'duet.db'}"
    assert storage.media_folder == tmp_path / "media"
    assert storage.temporary_folder == tmp_path / "tmp"
    chosen = Settings.of(data_dir=tmp_path, database_url="sqlite://", media_root=ROOT).storage
    assert (chosen.gallery_url, chosen.media_folder) == ("sqlite://", ROOT)


def test_every_setting_has_a_variable_of_its_own_and_a_sentence() -> None:
    described = describe_settings()
    assert len({setting.variable for setting in described}) == len(described) == 72
    for setting in described:
        assert setting.variable.startswith("DUET_")
        assert setting.help.endswith(".")
        assert setting.kind in ("str", "int", "float", "bool", "Path", "Path | None")
        subject = getattr(Settings(), setting.subject)
        name = setting.variable.removeprefix("DUET_").lower()
        assert getattr(subject, name) == setting.default


@pytest.mark.parametrize(
    ("host", "local"),
    [("localhost", True), ("127.0.0.1", True), ("::1", True), ("0.0.0.0", False), ("a.b", False)],
)
def test_loopback(host: str, local: bool) -> None:
    assert is_loopback(host) is local
