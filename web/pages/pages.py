"""Pages that app_web.py serves beside the API.

They are Swagger UI at /, /kiosk, /verify, /people, /transcribe, /live, and the other pages
of the operator's console. All files come from the service itself.

Texts come from web/pages/static/i18n, a folder a language: the texts that pages share, and
a file for each page. The server fills the page with them, and hands on what its scripts
say later. NAME.html.json holds what scripts never say. The language is what `?lang=` asks
for (and a cookie then remembers), else what the browser prefers, else English.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from functools import cache
from itertools import product
from pathlib import Path

from flask import Blueprint, Response, make_response, render_template, request
from flask_restx import Api

from gallery.results import ACTIONS, Role
from jobs.people_table import AUTO, ENCODINGS
from web.state import scribe, settings

LANGUAGES = {"en": "English", "ko": "한국어", "zh": "中文"}
"""Language tags and what their speakers call them; each has a folder of texts."""
SPOKEN = {
    **LANGUAGES,
    "ja": "日本語",
    "de": "Deutsch",
    "es": "Español",
    "fr": "Français",
    "it": "Italiano",
    "pt": "Português",
    "ru": "Русский",
    "vi": "Tiếng Việt",
    "ar": "العربية",
    "hi": "हिन्दी",
}
"""Languages that /transcribe offers by name. All others are found by themselves."""
LANGUAGE_COOKIE = "duet_lang"
A_YEAR_S = 365 * 24 * 3600
TEXTS = Path(__file__).parent / "static" / "i18n"
COMMON = "common"
"""The file of the texts that several pages use."""
CONSOLE = {
    "people": "/people",
    "enrol": "/console/enrol",
    "visits": "/console/visits",
    "strangers": "/console/strangers",
    "groups": "/console/groups",
    "jobs": "/console/jobs",
    "audit": "/console/audit",
    "keys": "/console/keys",
    "backup": "/console/backup",
    "health": "/console/health",
    "settings": "/console/settings",
}
"""Pages of the operator, by name, in the order of their navigation."""
_SHARED_BY: dict[str, Collection[str]] = {
    "console": CONSOLE,
    "errors": ("verify", "transcribe", "live", *CONSOLE),
    "recorder": ("verify", "people"),
    "speakers": ("transcribe", "live"),
}
"""Files of texts that some pages share, so that the others need not load them."""
STATIC_ENDPOINTS = frozenset({"pages.static", "restx_doc.static"})
PAGE_ENDPOINTS = frozenset(
    f"pages.{name}" for name in ("kiosk", "verify", "transcribe", "live", *CONSOLE)
)
ENDPOINTS = PAGE_ENDPOINTS | STATIC_ENDPOINTS | {"api.doc"}
"""Pages and their files. They hold nothing about anybody: what they show, their scripts
ask for.
"""

# Swagger UI sets styles from its script and draws icons from data: URLs; it loads
# nothing from elsewhere.
SWAGGER_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:"
    " blob:; font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)
# blob: is what the page itself holds: a recording, a face that the service showed.
PAGE_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src"
    " blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
PERMISSIONS = "camera=(self), microphone=(self), geolocation=(), payment=(), usb=()"
NO_PERMISSIONS = "camera=(), microphone=(), geolocation=(), payment=(), usb=()"

blueprint = Blueprint(
    "pages",
    __name__,
    template_folder="templates",
    static_folder="static",
    static_url_path="/static",
)
# Texts are written as they are: escaped, a Korean sign would take 6 bytes rather than 3
blueprint.record(
    lambda state: state.app.jinja_env.policies.update(
        {"json.dumps_kwargs": {"ensure_ascii": False}}
    )
)


def headers_for(endpoint: str | None) -> dict[str, str]:
    """Choose the headers of pages and their files. Empty for other endpoints."""
    if endpoint not in ENDPOINTS:
        return {}
    is_ours = endpoint in PAGE_ENDPOINTS
    return {
        "Content-Security-Policy": PAGE_CSP if is_ours else SWAGGER_CSP,
        "Permissions-Policy": PERMISSIONS if is_ours else NO_PERMISSIONS,
        # Kept, but asked about: Flask answers 304 while a file is the same
        "Cache-Control": "no-cache",
    }


_STAFF = (Role.OPERATOR, Role.ADMIN)
USABLE_BY: dict[str, tuple[Role, ...]] = {
    **dict.fromkeys(("kiosk", "verify", "transcribe"), (Role.KIOSK, *_STAFF)),
    **dict.fromkeys(CONSOLE, _STAFF),
    **dict.fromkeys(("keys", "backup", "settings"), (Role.ADMIN,)),
    "audit": (Role.AUDITOR, *_STAFF),
}
"""The roles that each page is of use to, the smallest first. Swagger UI shows every route."""


def text_files(name: str, *, of_scripts: bool = False) -> list[str]:
    """Name the files of texts that a page uses, or its scripts: shared ones, and its own."""
    parts = (COMMON, *(part for part, users in _SHARED_BY.items() if name in users), name)
    endings = ("",) if of_scripts else ("", ".html")
    files = [f"{part}{ending}.json" for part, ending in product(parts, endings)]
    return [file for file in files if (TEXTS / "en" / file).exists()]


@cache
def texts(language: str, name: str, *, of_scripts: bool = False) -> dict[str, str]:
    """The texts of one page in one language, or of its scripts, by key."""
    translations: dict[str, str] = {}
    for file in text_files(name, of_scripts=of_scripts):
        translations |= json.loads((TEXTS / language / file).read_text(encoding="utf-8"))
    return translations


def language_of_request() -> str:
    """A tag of LANGUAGES."""
    for asked in (request.args.get("lang"), request.cookies.get(LANGUAGE_COOKIE)):
        if asked in LANGUAGES:
            return str(asked)
    return request.accept_languages.best_match(list(LANGUAGES), "en") or "en"


def page(name: str, **values: object) -> Response:
    """The page of this name in the language of the request."""
    language = language_of_request()
    translations = texts(language, name)
    response = make_response(
        render_template(
            f"{name}.html",
            page=name,
            lang=language,
            texts=texts(language, name, of_scripts=True),
            usable_by=USABLE_BY,
            languages=LANGUAGES,
            console=CONSOLE,
            asks_digits=_asks_digits(),
            root=request.script_root,
            t=translations.__getitem__,
            **values,
        )
    )
    response.headers["Content-Language"] = language
    response.vary.update(("Accept-Language", "Cookie"))
    if request.args.get("lang") in LANGUAGES:
        response.set_cookie(
            LANGUAGE_COOKIE,
            language,
            max_age=A_YEAR_S,
            path=request.script_root or "/",
            samesite="Strict",
            httponly=True,
            secure=request.is_secure,
        )
    return response


def _asks_digits() -> bool:
    """Whether who is recorded by the page says digits.

    They do where nobody is named without. `?digits` asks for them otherwise.
    """
    mode = settings().liveness.liveness_challenge
    return mode == "refuse" or (mode == "report" and "digits" in request.args)


def swagger_page(api: Api) -> Response:
    """The page that loads Swagger UI with the description of `api`."""
    return page("swagger", specs_url=f"{request.script_root}/swagger.json", api_title=api.title)


@blueprint.get("/kiosk")
def kiosk() -> Response:
    """Who stands in front of the camera?"""
    return page("kiosk", keeps_media=settings().privacy.keep_media)


@blueprint.get("/verify")
def verify() -> Response:
    """Are two clips of one person?"""
    return page("verify")


def _serve_console(name: str) -> Callable[[], Response]:
    """Make the view of a page of the console."""

    def show() -> Response:
        return page(name)

    return show


def _audit() -> Response:
    """Who did what."""
    return page("audit", actions=ACTIONS)


def _enrol() -> Response:
    """Enrol many people."""
    return page("enrol", encodings=[name for name in ENCODINGS if name != AUTO])


_OWN = {"audit": _audit, "enrol": _enrol}
for _name, _url in CONSOLE.items():
    blueprint.add_url_rule(_url, _name, _OWN.get(_name) or _serve_console(_name))


@blueprint.get("/transcribe")
def transcribe() -> Response:
    """What is said in a recording, and by whom."""
    return page(
        "transcribe",
        spoken=SPOKEN,
        is_kept=settings().privacy.keep_transcripts,
        is_installed=scribe().is_available,
    )


@blueprint.get("/live")
def live() -> Response:
    """Who says what, while it is said."""
    return page("live", spoken=SPOKEN)
