"""Encryption at rest: a value opens with the right key in the right row only."""

from __future__ import annotations

import base64
import logging
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gallery.encryption.sealing import (
    KEY_BYTES,
    PlainText,
    Sealer,
    codec_of,
    new_key,
    parse_key,
)
from gallery.store import NewPerson
from tests.support.sealed_gallery import (
    KEY,
    OTHER,
    bytes_of,
    is_any_plain,
    is_plain,
    open_sealed,
)
from tests.support.templates import CURRENT, face, voice
from utils.config import Settings
from utils.errors import ConfigError, StoreUnavailableError
from utils.modality import Modality

# ---- values


def test_what_is_sealed_opens_again() -> None:
    stored = KEY.seal(b"vector", "id", "face")
    assert KEY.open(stored, KEY.key_id, "id", "face") == b"vector"
    assert len(stored) == len(b"vector") + 28
    assert b"vector" not in stored


def test_every_value_has_its_own_nonce() -> None:
    assert len({KEY.seal(b"same", "id")[:12] for _ in range(100)}) == 100


def test_the_form_is_that_of_the_standard() -> None:
    """Test case 14 of the GCM specification (McGrew and Viega, 2005).

    Key and nonce are zeros, and so are the 16 bytes.
    """
    stored = bytes(12) + bytes.fromhex(
        "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"
    )
    sealer = Sealer(bytes(32))
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    assert AESGCM(bytes(32)).encrypt(bytes(12), bytes(16), None) == stored[12:]
    with pytest.raises(StoreUnavailableError):
        sealer.open(stored, sealer.key_id, "somebody")  # what is bound to nothing opens for nobody


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s[:-1],
        lambda s: b"",
        lambda s: s[:5],
        lambda s: s[:20] + b"\0" + s[21:],
        lambda s: s + b"x",
    ],
)
def test_what_was_changed_does_not_open(change: Callable[[bytes], bytes]) -> None:
    stored = KEY.seal(b"vector" * 10, "id", "face")
    with pytest.raises(StoreUnavailableError, match="damaged, or was exchanged"):
        KEY.open(change(stored), KEY.key_id, "id", "face")


def test_a_value_of_another_row_does_not_open() -> None:
    stored = KEY.seal(b"vector", "id", "face")
    for about in (("other", "face"), ("id", "voice"), ("id",), ("idface",)):
        with pytest.raises(StoreUnavailableError):
            KEY.open(stored, KEY.key_id, *about)


def test_a_value_of_another_key_is_named() -> None:
    stored = KEY.seal(b"vector", "id")
    with pytest.raises(StoreUnavailableError, match=KEY.key_id):
        OTHER.open(stored, KEY.key_id, "id")
    with pytest.raises(StoreUnavailableError, match=KEY.key_id):
        PlainText().open(stored, KEY.key_id, "id")
    with pytest.raises(StoreUnavailableError, match="without a key"):
        KEY.open(b"vector", None, "id")


# ---- keys


def test_a_new_key_is_32_random_bytes() -> None:
    assert len(base64.b64decode(new_key())) == KEY_BYTES
    assert new_key() != new_key()


def test_the_id_tells_nothing_about_the_key() -> None:
    assert parse_key(new_key(), "x").key_id != parse_key(new_key(), "x").key_id
    assert (len(KEY.key_id), KEY.key_id) == (16, Sealer(b"k" * KEY_BYTES).key_id)
    assert b"k" * 4 not in KEY.key_id.encode()


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "short",
        base64.b64encode(b"k" * 31).decode(),
        base64.b64encode(b"k" * 33).decode(),
        "é" * 44,
        "k" * 32,
    ],
)
def test_bad_keys_are_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        codec_of(Settings.of(encryption_key=text))
    assert "DUET_ENCRYPTION_KEY" in caught.value.message
    assert "new-encryption-key" in caught.value.hint
    assert len(text) < 6 or text not in caught.value.message


def test_both_alphabets_of_base64_and_a_line_end() -> None:
    key = b"\xfb\xff" * 16
    for text in (
        base64.b64encode(key),
        base64.urlsafe_b64encode(key),
        base64.b64encode(key) + b"\n",
    ):
        assert parse_key(text.decode(), "x").key_id == Sealer(key).key_id


def test_key_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "key"
    path.write_text(new_key() + "\n")
    path.chmod(0o644)
    with caplog.at_level(logging.WARNING):
        assert (
            codec_of(Settings.of(encryption_key_file=path)).key_id
            == parse_key(path.read_text(), "x").key_id
        )
    assert "chmod 600" in caplog.text
    with pytest.raises(ConfigError, match="are set"):
        codec_of(Settings.of(encryption_key_file=path, encryption_key=new_key()))
    for bad in (tmp_path / "nothing", tmp_path):
        with pytest.raises(ConfigError, match="DUET_ENCRYPTION_KEY_FILE"):
            codec_of(Settings.of(encryption_key_file=bad))
    path.write_bytes(os.urandom(32) + b"\xff")
    with pytest.raises(ConfigError, match="no text"):
        codec_of(Settings.of(encryption_key_file=path))
    path.write_text("-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\n")
    with pytest.raises(ConfigError, match="for https"):
        codec_of(Settings.of(encryption_key_file=path))


def test_no_setting_means_in_the_clear() -> None:
    assert codec_of(Settings()).key_id is None


def test_settings_do_not_print_the_key() -> None:
    key = new_key()
    assert key not in repr(Settings.of(encryption_key=key, encryption_key_old=key))


# ---- in the store


def test_a_stolen_file_tells_no_vector(tmp_path: Path) -> None:
    plain = open_sealed(tmp_path / "plain", PlainText())
    sealed = open_sealed(tmp_path / "sealed")
    for store in (plain, sealed):
        for i in range(20):
            store.enroll(NewPerson(f"p{i}"), [face(i), voice(i)])
    assert all(is_plain(bytes_of(tmp_path / "plain"), face(i)) for i in range(20)), (
        "the test finds what is there"
    )
    assert not is_any_plain(bytes_of(tmp_path / "sealed"), 20)
    for store in (plain, sealed):
        store.close()
    assert not is_any_plain(bytes_of(tmp_path / "sealed"), 20)


def test_vectors_come_back_as_they_were(tmp_path: Path) -> None:
    store = open_sealed(tmp_path)
    store.enroll(NewPerson("ann"), [face(1), voice(1)])
    for _ in range(2):
        vectors = store.vectors_of("ann", CURRENT)
        assert np.array_equal(vectors[Modality.FACE].vectors[0], face(1).embedding.vector)
        assert np.array_equal(vectors[Modality.VOICE].vectors[0], voice(1).embedding.vector)
        store.close()
        store = open_sealed(tmp_path)
    store.close()


def test_vectors_exchanged_between_people_do_not_open(tmp_path: Path) -> None:
    store = open_sealed(tmp_path)
    store.enroll(NewPerson("ann"), [face(1)])
    store.enroll(NewPerson("ben"), [face(2)])
    with sqlite3.connect(tmp_path / "duet.db") as thief:
        (a,), (b,) = thief.execute("SELECT vector FROM templates ORDER BY key").fetchall()
        thief.execute(
            "UPDATE templates SET vector = CASE vector WHEN ? THEN ? ELSE ? END", (a, b, a)
        )
    thief.close()
    with pytest.raises(StoreUnavailableError, match="exchanged"):
        store.vectors_of("ann", CURRENT)
    template = store.list_templates("ann")[0].template_id
    store.delete_template("ann", template)  # the way out that the message names
    assert store.vectors_of("ann", CURRENT) == {}
    store.close()


@pytest.mark.parametrize("filled", [True, False])
def test_wrong_or_missing_key_stops_the_start(tmp_path: Path, filled: bool) -> None:
    """Also with an empty gallery: else two halves of one would be stored with two keys."""
    store = open_sealed(tmp_path)
    if filled:
        store.enroll(NewPerson("ann"), [face(1)])
    store.close()
    for codec in (OTHER, PlainText()):
        with pytest.raises(ConfigError, match=KEY.key_id) as caught:
            open_sealed(tmp_path, codec)
        assert "DUET_ENCRYPTION_KEY" in caught.value.hint
    open_sealed(tmp_path).close()


def test_a_plain_gallery_with_a_key_is_not_opened(tmp_path: Path) -> None:
    store = open_sealed(tmp_path, PlainText())
    store.enroll(NewPerson("ann"), [face(1)])
    store.close()
    with pytest.raises(ConfigError, match="in the clear") as caught:
        open_sealed(tmp_path)
    assert "rotate-encryption" in caught.value.hint
    open_sealed(tmp_path, PlainText()).close()


def test_a_plain_gallery_without_templates_takes_the_key_on(tmp_path: Path) -> None:
    store = open_sealed(tmp_path, PlainText())
    store.create_person("ann")
    store.close()
    with pytest.raises(ConfigError, match=KEY.key_id):
        open_sealed(tmp_path).close()
        open_sealed(tmp_path, PlainText())
