"""The pages as they are served: policies, languages, texts, cache validators.

What they do in a browser is in tests/browser.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable
from html import unescape
from itertools import chain
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

import web.wire.errors
from align.hints import CODES
from docs.reference.generate import openapi_document
from recognition.recognizer import Recognizer
from tests.support.page_texts import read_texts
from utils.config import Settings
from web.factory import create_app
from web.live.conversation import IdleError, ServiceEndsError
from web.pages import pages

STATIC = Path(pages.__file__).parent / "static"
TEMPLATES = Path(pages.__file__).parent / "templates"
TEXTS = {tag: read_texts(tag) for tag in pages.LANGUAGES}
PAGES = ("/kiosk", "/verify", "/transcribe", *pages.CONSOLE.values())
NAMES = ["kiosk", "verify", "transcribe", "live", "swagger", *pages.CONSOLE]
KIOSK_ASKS = (
    ("get", "/v1/health"),
    ("post", "/v1/challenges"),
    ("post", "/v1/identify"),
    ("post", "/v1/identifications/{request_id}/feedback"),
    ("post", "/v1/people"),
    ("delete", "/v1/people/{person_id}"),
    ("post", "/v1/people/{person_id}/templates"),
)
"""Routes that the scripts of the kiosk ask."""
KINDS = {key.split(".")[0] for key in TEXTS["en"]}


@pytest.fixture
def page_client(settings: Settings, recognizer: Recognizer) -> FlaskClient:
    return create_app({"SETTINGS": settings, "SWAGGER_UI": True}, recognizer).test_client()


def without_texts(answer: TestResponse) -> str:
    """The page without the texts that its scripts read."""
    text = answer.get_data(as_text=True)
    return re.sub(r'<script type="application/json" id="texts">.*?</script>', "", text)


def test_texts_come_with_the_page(page_client: FlaskClient) -> None:
    text = page_client.get("/kiosk?lang=ko").get_data(as_text=True)
    found = re.search(r'<script type="application/json" id="texts">(.*?)</script>', text)
    assert found
    assert json.loads(found[1]) == pages.texts("ko", "kiosk", of_scripts=True)


@pytest.mark.parametrize("url", [*PAGES, "/"])
def test_every_page_has_the_header_and_comes_from_the_service_alone(
    page_client: FlaskClient, url: str
) -> None:
    answer = page_client.get(url)
    text = answer.get_data(as_text=True)
    assert answer.mimetype == "text/html"
    current = re.findall(r'<a href="([^"]+)"[^>]*aria-current="page"', text)
    assert current == ([] if url == "/kiosk" else [url]), "visitors see no pages of operators"
    assert all(f'hreflang="{tag}"' in text for tag in TEXTS)
    assert "http" not in re.sub(r'xmlns="[^"]*"', "", text)
    for link in re.findall(r'(?:src|href|data-specs-url)="(/[^"]*)"', text):
        assert page_client.get(link, buffered=True).status_code == 200, link
    code = without_texts(answer)
    assert not re.search(r"<script(?![^>]*src=)|\son\w+=|\sstyle=", code), "nothing inline"


@pytest.mark.parametrize("url", PAGES)
def test_policies(page_client: FlaskClient, url: str) -> None:
    headers = page_client.get(url).headers
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "camera=(self), microphone=(self)" in headers["Permissions-Policy"]
    assert page_client.get("/").headers["Permissions-Policy"].startswith("camera=(), microphone=()")
    assert (
        page_client.get("/v1/health").headers["Content-Security-Policy"]
        == "default-src 'none'; frame-ancestors 'none'"
    )


@pytest.mark.parametrize(
    ("keeps", "said"), [(False, "enrol.consent"), (True, "enrol.consent_media")]
)
def test_who_enrols_agrees_to_what_is_stored(
    settings: Settings, recognizer: Recognizer, keeps: bool, said: str
) -> None:
    app = create_app(
        {"SETTINGS": settings.replace(keep_media=keeps), "SWAGGER_UI": True}, recognizer
    )
    text = without_texts(app.test_client().get("/kiosk"))
    assert [
        key for key in ("enrol.consent", "enrol.consent_media") if TEXTS["en"][key] in text
    ] == [said]


def test_files_are_asked_about_and_not_sent_again(page_client: FlaskClient) -> None:
    first = page_client.get("/static/js/kiosk.js", buffered=True)
    assert first.headers["Cache-Control"] == "no-cache"
    again = page_client.get(
        "/static/js/kiosk.js", headers={"If-None-Match": first.headers["ETag"]}, buffered=True
    )
    assert (again.status_code, again.data) == (304, b"")


def test_no_pages_in_the_bare_api(client: FlaskClient) -> None:
    for url in (*PAGES, "/static/js/kiosk.js"):
        assert client.get(url).status_code == 404


@pytest.mark.parametrize(
    ("wanted", "tag"),
    [("ko-KR,ko;q=0.9,en;q=0.8", "ko"), ("zh-TW", "zh"), ("fr", "en"), ("", "en")],
)
def test_the_browsers_language(page_client: FlaskClient, wanted: str, tag: str) -> None:
    answer = page_client.get("/kiosk", headers={"Accept-Language": wanted})
    assert answer.headers["Content-Language"] == tag
    assert {"Accept-Language", "Cookie"} <= set(answer.headers["Vary"].split(", "))
    text = answer.get_data(as_text=True)
    assert f'<html lang="{tag}" ' in text
    assert TEXTS[tag]["kiosk.start"] in text


def test_the_switch_is_remembered(page_client: FlaskClient) -> None:
    answer = page_client.get("/kiosk?lang=ko")
    assert "SameSite=Strict" in answer.headers["Set-Cookie"]
    assert "HttpOnly" in answer.headers["Set-Cookie"]
    assert (
        page_client.get("/people", headers={"Accept-Language": "en"}).headers["Content-Language"]
        == "ko"
    )
    assert page_client.get("/people?lang=xx").headers["Content-Language"] == "ko"


def test_the_switch_keeps_the_rest_of_the_address(page_client: FlaskClient) -> None:
    text = page_client.get("/kiosk?digits&lang=ko&x=%22%3E%3Cb%3E").get_data(as_text=True)
    links = re.findall(r'href="(\?[^"]*)"', text)
    asked = [parse_qs(unescape(link)[1:], keep_blank_values=True) for link in links]
    kept = {"digits": [""], "x": ['"><b>']}
    assert asked == [{**kept, "lang": [tag]} for tag in TEXTS]
    assert 'data-digits="true"' in text


def test_languages_say_the_same() -> None:
    files = list(pages.TEXTS.glob("*/*.json"))
    assert len(files) == len(TEXTS) * len({file.name for file in files})
    for tag, texts in TEXTS.items():
        assert list(texts) == list(TEXTS["en"]), tag
        for key, text in texts.items():
            assert text.strip(), (tag, key)
            assert set(re.findall(r"\{\w+\}", text)) == set(
                re.findall(r"\{\w+\}", TEXTS["en"][key])
            ), (tag, key)


def templates_of(page: str) -> str:
    """The templates of one page, one after the other."""
    template = (TEMPLATES / f"{page}.html").read_text(encoding="utf-8")
    included = [file.read_text(encoding="utf-8") for file in included_by(template)]
    return "\n".join([template, *included])


def scripts_of(page: str) -> str:
    """The scripts of one page, one after the other."""
    scripts = {STATIC / "js" / f"{page}.js", STATIC / "js" / "header.js"}
    while more := set().union(*map(imports_of, scripts)) - scripts:
        scripts |= more
    return "\n".join(file.read_text(encoding="utf-8") for file in sorted(scripts))


def included_by(template: str) -> list[Path]:
    """The templates that a template includes or extends, and those of them."""
    names = re.findall(r'{% (?:include|extends) "(\w+\.html)"', template)
    files = [TEMPLATES / name for name in names]
    further = map(included_by, [file.read_text(encoding="utf-8") for file in files])
    return files + list(chain.from_iterable(further))


def imports_of(script: Path) -> set[Path]:
    code = re.sub(r"/\*\*.*?\*/", "", script.read_text(encoding="utf-8"), flags=re.DOTALL)
    return {
        (script.parent / name).resolve()
        for name in re.findall(r'(?:from|import\(?) ?"(\.[^"]+)"', code)
    }


def named_texts(sources: str) -> set[str]:
    """Keys and (ending with a dot) beginnings of keys that templates or scripts name."""
    named = re.findall(r"""["'`]([a-z]+\.[a-z0-9_]*)(?:["'`]|\$\{)""", sources)
    return {key for key in named if key.split(".")[0] in KINDS}


def used_texts(page: str) -> set[str]:
    return named_texts(templates_of(page)) | named_texts(scripts_of(page))


def has_text(key: str, texts: Collection[str]) -> bool:
    return key in texts or any(text.startswith(key) for text in texts)


def missing_texts(used: set[str], texts: Collection[str]) -> set[str]:
    return {key for key in used if not has_text(key, texts)}


@pytest.mark.parametrize("page", NAMES)
def test_every_text_that_a_page_uses_is_in_its_files(page: str) -> None:
    assert missing_texts(used_texts(page), pages.texts("en", page)) == set()
    said = named_texts(scripts_of(page))
    assert said
    assert missing_texts(said, pages.texts("en", page, of_scripts=True)) == set()


def test_every_text_is_used() -> None:
    used = set().union(*map(used_texts, NAMES))
    beginnings = tuple(key for key in used if key.endswith((".", "_")))
    assert not {text for text in set(TEXTS["en"]) - used if not text.startswith(beginnings)}


def test_hints_are_translated() -> None:
    assert {f"hint.{code}" for code in CODES} <= set(TEXTS["en"])


def untranslated(codes: Iterable[str], page: str) -> set[str]:
    """Codes that the scripts of a page have no text for."""
    return {f"error.{code}" for code in codes} - set(pages.texts("en", page, of_scripts=True))


@pytest.mark.parametrize("page", sorted(set(NAMES) - {"kiosk", "swagger"}))
def test_every_code_has_a_text_on_every_page(page: str) -> None:
    assert untranslated(web.wire.errors.STATUS, page) == set()


def test_every_code_that_the_kiosk_meets_has_a_text() -> None:
    paths = openapi_document()["paths"]
    answers = [paths[path][method]["responses"].values() for method, path in KIOSK_ASKS]
    codes = {*chain.from_iterable(answer.get("x-examples", ()) for answer in chain(*answers))}
    assert len(codes) > 30
    assert untranslated(codes, "kiosk") == set()


def test_errors_of_a_live_session_have_texts() -> None:
    ends = {IdleError.code, ServiceEndsError.code}
    assert {f"live.error.{code}" for code in ends} <= set(TEXTS["en"])
