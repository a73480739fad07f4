"""Who may ask: the API key, and for a service without one the names and origins that a browser may use.

A service without a key listens on loopback only, but the browser on this machine runs pages of strangers. A page may not reach the
service by a DNS name that it points at 127.0.0.1 (the Host header must be a loopback name), nor send it requests across origins
(Sec-Fetch-Site and Origin).
"""
from __future__ import annotations

import hmac
from urllib.parse import urlsplit

from flask import Flask, request

from utils.config import Settings, is_loopback
from utils.errors import KeyRequiredError
from web.errors import CrossOriginError, HostForbiddenError

OPEN_ENDPOINTS = frozenset({"api.doc", "api.specs", "api.health", "pages.static", "restx_doc.static"})
"""What is answered without a key: health (then minimal), and Swagger UI, which must load before a key can be typed into it."""


def key_is_good(settings: Settings) -> bool:
    """Whether this request may do all: no key is set, or it brought the right one (compared in constant time)."""
    if not settings.api_key:
        return True
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    received = request.headers.get("X-API-Key") or (token.strip() if scheme.lower() == "bearer" else "")
    return hmac.compare_digest(received.encode(), settings.api_key.encode())


def check_host(settings: Settings) -> None:
    """Refuse a Host header that is not a loopback name. Raises HostForbiddenError."""
    host = request.headers.get("Host", "")
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        name = ""
    if not (is_loopback(name) or name == settings.host.lower()):
        raise HostForbiddenError(f"A service without an API key answers under this machine's own names only. Received: Host={host[:100]!r}")


def check_origin() -> None:
    """Refuse what a page of another origin makes the browser send; a link followed to the service is fine. Raises CrossOriginError."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        follows_link = request.method in ("GET", "HEAD") and request.headers.get("Sec-Fetch-Mode") == "navigate"
        if site not in ("same-origin", "none") and not follows_link:
            raise CrossOriginError(f"The request comes from a page of another origin. Received: Sec-Fetch-Site={site[:40]!r}")
        return
    origin = request.headers.get("Origin")
    if origin is not None and _netloc(origin) != request.host.lower():
        raise CrossOriginError(f"The request comes from a page of another origin. Received: Origin={origin[:100]!r}")


def _netloc(origin: str) -> str:
    """Host and port of an origin; empty for what is no URL."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def init_app(app: Flask, settings: Settings) -> None:
    """Check every request before its route."""

    @app.before_request
    def guard() -> None:
        if not settings.api_key:
            check_host(settings)
        check_origin()
        if request.endpoint not in OPEN_ENDPOINTS and not key_is_good(settings):
            raise KeyRequiredError("This service needs an API key. Received: " + ("none" if not _sent_key() else "one that is not known"))


def _sent_key() -> bool:
    return bool(request.headers.get("X-API-Key") or request.headers.get("Authorization"))
