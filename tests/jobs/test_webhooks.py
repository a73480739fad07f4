"""Events reach a real receiver over HTTP, signed, once each, and outlive its failures."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import cli
import jobs.webhooks
from gallery.records.groups import NewGroup
from gallery.records.sightings import BACK_OFF_S, Rules
from gallery.store import Store, open_store
from jobs.webhooks import WebhookThread, post, sign
from recognition.recognizer import Recognizer
from recognition.requests import ClipFile, IdentificationRequest
from tests.support.addresses import BAD_ADDRESSES
from tests.support.fixtures import clip, gallery, recognizer, settings
from tests.support.http_server import in_thread
from tests.support.service import free_port
from utils.config import Settings
from utils.errors import ConfigError

__all__ = ["clip", "gallery", "recognizer", "settings"]
SECRET = "correct horse battery staple"


class Receiver(ThreadingHTTPServer):
    """Answers with the next of `answers`, else 200, and keeps what it was sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.answers: list[int] = []
        self.url = f"http://127.0.0.1:{self.server_port}/hook?room=1"

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, _, body in self.got]


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, dict(self.headers), body))
        status = self.server.answers.pop(0) if self.server.answers else 200
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/elsewhere")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


def is_authentic(signature: str, body: bytes, secret: str, now_s: float) -> bool:
    """What docs/groups.md asks receivers to check."""
    stated = dict(part.split("=", 1) for part in signature.split(","))
    signed = stated["t"].encode() + b"." + body
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    return hmac.compare_digest(digest, stated["v1"]) and abs(now_s - int(stated["t"])) < 300


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    with in_thread(server):
        yield server


def with_receivers(settings: Settings, *urls: str) -> Settings:
    return settings.replace(webhook_urls=" ".join(urls), webhook_secret=SECRET)


def told(store: Store, settings: Settings, *urls: str) -> WebhookThread:
    """A sender to these addresses, which the store knows."""
    chosen = with_receivers(settings, *urls)
    store.rules = Rules(unknown=True, receivers=tuple(chosen.events.receivers))
    return WebhookThread(store, chosen)


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    """A gallery with ann on a watch list, and bob in a group that is not watched."""
    settings.storage.data_dir.mkdir(exist_ok=True)
    opened = open_store(settings)
    watch_ann(opened)
    yield opened
    opened.close()


def watch_ann(store: Store) -> None:
    for person in ("ann", "bob"):
        if store.find_person(person) is None:
            store.create_person(person, person.title())
    store.create_group(NewGroup("reported", watched=True))
    store.create_group(NewGroup("staff"))
    store.add_to_group("reported", "ann")
    store.add_to_group("staff", "bob")


def test_whoever_is_watched_or_unknown_is_told(
    gallery: Recognizer, clip: Callable[..., Path], settings: Settings, receiver: Receiver
) -> None:
    watch_ann(gallery.store)
    sender = told(gallery.store, settings, receiver.url)
    for number, group in ((1, None), (2, None), (4, None), (4, "staff"), (1, None)):
        asked = ClipFile(clip(face=number, voice=number, sample=7))
        request = IdentificationRequest(asked, request_id=f"r{number}", group=group)
        gallery.identify(request)
    assert sender.deliver() == 2
    assert sender.deliver() == 0
    first, second = receiver.events()
    assert {name: first[name] for name in first if name not in ("at", "event_id")} == {
        "event": "group_member",
        "source": "identify",
        "request_id": "r1",
        "group_id": "reported",
        "person_id": "ann",
        "name": "Ann",
    }
    assert (second["event"], second["person_id"], second["request_id"]) == ("unknown", None, "r4")
    assert second["event_id"] > first["event_id"]
    path, headers, body = receiver.got[0]
    assert path == "/hook?room=1"
    assert "vector" not in body.decode()
    signature = headers["X-Duet-Signature"]
    now_s = datetime.now(UTC).timestamp()
    assert is_authentic(signature, body, SECRET, now_s)
    assert not is_authentic(signature, body, "another secret of sixteen", now_s)
    assert not is_authentic(signature, body.replace(b"ann", b"bob"), SECRET, now_s)
    assert not is_authentic(signature, body, SECRET, now_s + 600)  # sent again later
    assert not is_authentic(sign(SECRET, 1, body), body, SECRET, now_s)


def test_a_receiver_that_fails_is_asked_again_and_given_up(
    store: Store, settings: Settings, receiver: Receiver
) -> None:
    dead = f"http://127.0.0.1:{free_port()}/"
    sender = told(store, settings, receiver.url, dead)
    receiver.answers = [500, 302]
    assert store.note_sighting("identify", "ann") == 1
    now = datetime.now(UTC)
    assert sender.deliver(now) == 2
    assert sender.deliver(now) == 0  # not before its time
    later = now + timedelta(seconds=BACK_OFF_S[0])
    assert sender.deliver(later) == 2
    errors = {one.error for one in store.list_deliveries()}
    assert "It answers 302." in errors
    for _ in range(len(BACK_OFF_S)):
        later += timedelta(days=1)
        sender.deliver(later)
    assert [path for path, _, _ in receiver.got] == ["/hook?room=1"] * 3  # never /elsewhere
    (given_up,) = store.list_deliveries()
    assert given_up.next_at is None
    assert given_up.attempts == len(BACK_OFF_S) + 1
    assert "ConnectionRefusedError" in given_up.error
    assert sender.deliver(later + timedelta(days=1)) == 0
    assert store.resend_deliveries(later) == 1
    assert sender.deliver(later) == 1
    assert sender.deliver(later - timedelta(days=3)) == 1, "the clock was set back"


def test_a_receiver_that_never_answers_costs_a_bounded_time(
    store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs.webhooks, "LIMIT_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        error = post(f"http://127.0.0.1:{silent.getsockname()[1]}/", b"{}", SECRET)
    assert error


def test_what_was_deleted_is_not_told(store: Store, settings: Settings, receiver: Receiver) -> None:
    sender = told(store, settings, receiver.url)
    store.note_sighting("identify", "ann", "r1")
    exported = store.export_person("ann")
    assert [one["group_id"] for one in exported["sightings"]] == ["reported"]
    store.delete_person("ann")
    assert store.list_sightings() == ()
    assert store.list_deliveries() == ()
    assert sender.deliver() == 0
    assert receiver.got == []
    store.note_sighting("live", None)
    store.delete_group("reported")
    assert sender.deliver() == 1


def test_somebody_damaged_holds_up_no_other_event(
    store: Store, settings: Settings, receiver: Receiver
) -> None:
    sender = told(store, settings, receiver.url)
    for person_id in (None, "ann", None):
        store.note_sighting("identify", person_id)
    with store.database.write() as connection:
        connection.exec_driver_sql("UPDATE people SET name = CAST(x'ff' AS TEXT)")
    assert sender.deliver() == 2
    assert [event["event_id"] for event in receiver.events()] == [1, 3]
    assert sender.deliver() == 0, "it is given up"


def test_two_services_send_an_event_once(
    store: Store, settings: Settings, receiver: Receiver
) -> None:
    senders = [told(store, settings, receiver.url) for _ in range(2)]
    for _ in range(5):
        store.note_sighting("identify", None)
    threads = [threading.Thread(target=sender.deliver) for sender in senders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(event["event_id"] for event in receiver.events()) == [1, 2, 3, 4, 5]


def test_a_receiver_that_left_the_settings_gets_nothing(
    store: Store, settings: Settings, receiver: Receiver
) -> None:
    told(store, settings, receiver.url)
    store.note_sighting("identify", "ann")
    other = told(store, settings, receiver.url + "&other=1")
    assert other.deliver() == 0
    assert store.list_deliveries() == ()


def test_events_end_with_their_days(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.rules = Rules(unknown=True, days=1)
    store.note_sighting("identify", None)
    with store.database.write() as connection:
        connection.exec_driver_sql("UPDATE sightings SET at = '2020-01-01 00:00:00.000000'")
    store.note_sighting("identify", None)
    assert len(store.list_sightings()) == 1
    store.rules = Rules(unknown=True, days=0)
    assert store.note_sighting("identify", "ann") == 0


@pytest.mark.parametrize("days", [0.0, 1.0])
def test_nobody_has_to_come_for_events_to_end(
    store: Store, settings: Settings, receiver: Receiver, days: float
) -> None:
    told(store, settings, receiver.url)
    store.note_sighting("identify", "ann")
    with store.database.write() as connection:
        connection.exec_driver_sql("UPDATE sightings SET at = '2020-01-01 00:00:00.000000'")
    store.rules = Rules(unknown=True, days=days)
    assert (store.list_sightings(), store.list_latest_sightings()) == ((), ())
    store.forget_expired()
    assert store.list_deliveries() == ()
    assert store.export_person("ann")["sightings"] == []


@pytest.mark.parametrize("url", BAD_ADDRESSES)
def test_bad_addresses_are_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ConfigError, match="https://host/path") as refused:
        Settings.of(webhook_urls=url, webhook_secret=SECRET)
    assert "pw" not in refused.value.message
    with pytest.raises(ConfigError, match="16 characters"):
        Settings.of(webhook_urls="https://host/", webhook_secret="short")


def test_the_commands(
    store: Store, settings: Settings, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DUET_DATA_DIR", str(settings.storage.data_dir))
    monkeypatch.setenv("DUET_WEBHOOK_URLS", receiver.url)
    monkeypatch.setenv("DUET_WEBHOOK_SECRET", SECRET)
    assert "takes events." in CliRunner().invoke(cli.cli, ["webhooks", "test"]).output
    assert receiver.events()[0]["source"] == "test"
    receiver.answers = [404]
    refused = CliRunner().invoke(cli.cli, ["webhooks", "test"])
    assert (refused.exit_code, "It answers 404." in refused.output) == (1, True)
    told(store, settings, receiver.url)
    store.note_sighting("identify", "ann")
    assert "\tidentify\treported\tann\t" in CliRunner().invoke(cli.cli, ["events"]).output
    assert "\twaiting\t0\t" in CliRunner().invoke(cli.cli, ["webhooks", "list"]).output
    resent = CliRunner().invoke(cli.cli, ["webhooks", "resend"]).output
    assert resent == "0 events will be sent again.\n"
    monkeypatch.setenv("DUET_WEBHOOK_URLS", "")
    untried = CliRunner().invoke(cli.cli, ["webhooks", "test"])
    assert (untried.exit_code, "DUET_WEBHOOK_URLS" in untried.output) == (1, True)
