"""The service below a path of a proxy: pages, Swagger UI, links and cookies."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient

from recognition.recognizer import Recognizer
from utils.config import Settings
from utils.errors import ConfigError
from utils.settings.server import ServerSettings
from web.factory import create_app

KEY = {"X-API-Key": "k" * 20}
STATED = {"X-Forwarded-Prefix": "/duet", **KEY}
NO_PREFIXES = (
    "https://evil.example",
    "//evil.example",
    '/"><script>',
    "/a b",
    "duet",
    "/a/../b%0d",
)


def client_of(recognizer: Recognizer, settings: Settings, **more: object) -> FlaskClient:
    settings = settings.replace(**more)
    return create_app({"SETTINGS": settings, "SWAGGER_UI": True}, recognizer).test_client()


@pytest.fixture
def proxied(recognizer: Recognizer, settings: Settings) -> FlaskClient:
    """Behind one proxy that takes its path off."""
    return client_of(recognizer, settings, trusted_proxies=1, api_key="k" * 20)


@pytest.fixture
def based(recognizer: Recognizer, settings: Settings) -> FlaskClient:
    """With the path in its settings."""
    return client_of(recognizer, settings, base_path="/duet")


def check_page(client: FlaskClient, url: str, base: str, headers: dict[str, str]) -> None:
    """Every link of a page leads below `base`."""
    text = client.get(url, headers=headers).get_data(as_text=True)
    links = re.findall(r'(?:src|href|data-specs-url)="([^"?#][^"]*)"', text)
    assert len(links) >= 7
    assert [link for link in links if not re.match(rf"{base}/[^/]", f"{link}x")] == []
    assert f'data-root="{base}"' in text


@pytest.mark.parametrize("url", ["/kiosk", "/verify", "/people", "/"])
def test_pages_link_below_the_path(proxied: FlaskClient, based: FlaskClient, url: str) -> None:
    check_page(proxied, url, "/duet", STATED)
    check_page(proxied, f"/duet{url}", "/duet", STATED)  # a proxy that leaves the path there
    check_page(based, url, "/duet", {})
    check_page(based, f"/duet{url}", "/duet", {})


def test_scripts_swagger_and_links(based: FlaskClient, proxied: FlaskClient) -> None:
    for client, headers in ((based, {}), (proxied, STATED)):
        script = client.get("/duet/static/js/kiosk.js", headers=headers)
        assert "import" in script.get_data(as_text=True)
        script.close()
        described = client.get("/duet/swagger.json", headers=headers).get_json()
        assert described["basePath"] == "/duet"
        created = client.post("/duet/v1/people", json={"person_id": "ann"}, headers=headers)
        assert created.headers["Location"] == "/duet/v1/people/ann"
        assert client.delete(created.headers["Location"], headers=headers).status_code == 204
        cookie = client.get("/duet/kiosk?lang=ko", headers=headers).headers["Set-Cookie"]
        assert "Path=/duet" in cookie


def test_what_one_request_came_by_is_nothing_to_the_next(proxied: FlaskClient) -> None:
    for headers, base in ((STATED, "/duet"), (KEY, "/"), (STATED, "/duet")):
        assert proxied.get("/swagger.json", headers=headers).get_json()["basePath"] == base


def test_a_path_that_only_begins_like_it_is_another_one(based: FlaskClient) -> None:
    assert based.get("/duets/kiosk").status_code == 404
    assert based.get("/duet").status_code == 200


@pytest.mark.parametrize("prefix", NO_PREFIXES)
def test_what_is_no_path_moves_no_link(proxied: FlaskClient, prefix: str) -> None:
    check_page(proxied, "/kiosk", "", {"X-Forwarded-Prefix": prefix, **KEY})


def test_without_a_trusted_proxy_the_header_is_not_believed(
    recognizer: Recognizer, settings: Settings
) -> None:
    check_page(client_of(recognizer, settings), "/kiosk", "", {"X-Forwarded-Prefix": "/duet"})


@pytest.mark.parametrize("path", ["duet", "/duet/", "//duet", "/a b", "/ü"])
def test_a_setting_that_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(ConfigError, match="DUET_BASE_PATH"):
        ServerSettings(base_path=path)
