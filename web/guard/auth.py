"""Who may ask: API keys and their roles, and host and origin where there is no key.

A service without a key listens on loopback only, but the browser on this machine runs
pages of strangers. A page may not reach the service by a DNS name that it points at
127.0.0.1 (the Host header must be a loopback name), nor send it requests across origins
(Sec-Fetch-Site and Origin). docs/security.md says what is protected against whom.
"""

from __future__ import annotations

import hmac
import logging
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from flask import Flask, current_app, g, request
from werkzeug.middleware.proxy_fix import ProxyFix

from gallery.audit import ACTOR
from gallery.records.keys import Keys
from gallery.results import Role
from utils.config import Settings, is_loopback
from utils.errors import (
    ConfigError,
    InvalidRequestError,
    KeyRequiredError,
    StorageFullError,
    StoreUnavailableError,
)
from utils.listening import is_reachable
from utils.settings.subject import PREFIX
from web.guard import roles
from web.guard.limits import Limits, address
from web.state import keys, store
from web.wire.errors import (
    CrossOriginError,
    HostForbiddenError,
    RateLimitedError,
    RoleForbiddenError,
)

log = logging.getLogger("duet.web")
MAKE_A_KEY = "Make a key with `cli.py keys create --role admin`"
ROLE_HEADER = "X-Duet-Role"
"""In which role a request is to be served. The page /kiosk asks for the role kiosk where
the service has no key: whoever stands there is a visitor, not the operator.
"""


@dataclass(frozen=True)
class Caller:
    """Who sends a request.

    `actor` is the name in the audit: the id of the key. `by_key`: a key was sent.
    """

    actor: str
    role: Role
    by_key: bool = True


LOCAL = Caller("local", Role.ADMIN, by_key=False)
"""Whoever asks a service that has no key: somebody on this machine."""
ENVIRONMENT = Caller("environment", Role.ADMIN)
"""Whoever has the key in DUET_API_KEY."""
NOBODY = "nobody"


def caller() -> Caller | None:
    """Get who sends this request. None: no good key was sent, and none is needed."""
    asking: Caller | None = g.caller
    return asking


def key_state() -> str:
    """What became of the key of this request, as the field `key` of health states it."""
    if caller() is None:
        return str(g.refused)
    return "good" if _sent_key() else "not_needed"


def admit(key: str) -> Caller:
    """Find who has a key that comes in a message of this connection.

    Raises KeyRequiredError, RoleForbiddenError, RateLimitedError.
    """
    asking: Caller = current_app.extensions["duet_admit"](key)
    return asking


def is_staff() -> bool:
    """Whether an operator or an admin asks."""
    asking = caller()
    return asking is not None and asking.role in roles.STAFF


def staff_only(what: str) -> None:
    """Refuse a part of a route to kiosks and auditors. Raises RoleForbiddenError."""
    asking = caller()
    if not is_staff():
        role = asking.role if asking else "none"
        raise RoleForbiddenError(
            f"{what} needs the role operator or admin. The key has the role {role}.",
            details={"role": str(role), "needed": [str(Role.OPERATOR), str(Role.ADMIN)]},
        )


def take_role(asking: Caller | None) -> Caller | None:
    """Serve a request in the smaller role that it asks for.

    Raises InvalidRequestError for a role that does not exist, and RoleForbiddenError for
    one that the caller does not have.
    """
    text = request.headers.get(ROLE_HEADER, "")
    if not text:
        return asking
    if text not in list(Role):
        raise InvalidRequestError(
            f"{ROLE_HEADER} must be one of {', '.join(Role)}. Received: {text[:40]!r}"
        )
    wanted = Role(text)
    if asking is None or wanted is asking.role:
        return asking
    is_smaller = asking.role is Role.ADMIN or (
        asking.role is Role.OPERATOR and wanted is Role.KIOSK
    )
    if not is_smaller:
        raise RoleForbiddenError(
            f"A key of the role {asking.role} cannot be used in the role {wanted}.",
            details={"role": str(asking.role), "needed": [str(wanted)]},
        )
    return replace(asking, role=wanted)


def check_keys(settings: Settings, stored: Keys) -> None:
    """Raise ConfigError for a service that others could reach, but that has no key."""
    if settings.server.api_key or not is_reachable(settings) or stored.exist(usable=True):
        return
    if not is_loopback(settings.server.host):
        raise ConfigError(
            "Without an API key the service listens on a loopback address only. Received:"
            f" {PREFIX}HOST={settings.server.host}",
            f"{MAKE_A_KEY}, set {PREFIX}API_KEY to a long random value, or use"
            f" {PREFIX}HOST=127.0.0.1.",
        )
    raise ConfigError(
        "Behind a proxy the service needs an API key. Received:"
        f" {PREFIX}TRUSTED_PROXIES={settings.server.trusted_proxies}",
        f"{MAKE_A_KEY}, or set {PREFIX}API_KEY to a long random value.",
    )


def check_host_is_there() -> None:
    """Refuse HTTP/1.1 without a Host header, as RFC 9112 asks. Raises InvalidRequestError."""
    if request.environ.get("SERVER_PROTOCOL") == "HTTP/1.1" and "Host" not in request.headers:
        raise InvalidRequestError("A request of HTTP/1.1 must have the header Host. It has none.")


def check_host(settings: Settings) -> None:
    """Refuse a Host header that is not a loopback name. Raises HostForbiddenError."""
    host = request.headers.get("Host", "")
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        name = ""
    if not (is_loopback(name) or name == settings.server.host.lower()):
        raise HostForbiddenError(
            "A service without an API key answers under this machine's own names only. Received:"
            f" Host={host[:100]!r}"
        )


def check_origin() -> None:
    """Refuse what a page of another origin makes the browser send.

    A link that leads to the service may be followed. Raises CrossOriginError.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        follows_link = (
            request.method in ("GET", "HEAD")
            and request.headers.get("Sec-Fetch-Mode") == "navigate"
        )
        if site not in ("same-origin", "none") and not follows_link:
            raise CrossOriginError(
                "The request comes from a page of another origin. Received:"
                f" Sec-Fetch-Site={site[:40]!r}"
            )
        return
    origin = request.headers.get("Origin")
    if origin is not None and _netloc(origin) != request.host.lower():
        raise CrossOriginError(
            f"The request comes from a page of another origin. Received: Origin={origin[:100]!r}"
        )


def _netloc(origin: str) -> str:
    """Read host and port of an origin. Empty for what is no URL."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def init_app(app: Flask, settings: Settings) -> None:
    """Check every request before its route. Raises ConfigError."""
    guard = _Guard(settings)
    app.before_request(guard.check)
    app.extensions["duet_admit"] = guard.admit
    guard.limits = Limits(app, settings)  # counts after the guard has found out who asks
    if settings.server.trusted_proxies:
        hops = settings.server.trusted_proxies
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops, x_prefix=hops
        )

    @app.teardown_request
    def forget_actor(_error: BaseException | None) -> None:
        ACTOR.set(LOCAL.actor)


class _Guard:
    """The check before every request."""

    limits: Limits

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._for_this_machine = not settings.server.api_key and not is_reachable(settings)

    def check(self) -> None:
        """Find out who asks, and refuse who may not.

        Raises KeyRequiredError, RoleForbiddenError, RateLimitedError and what the checks
        of host and origin raise.
        """
        g.caller = None
        g.refused = "unknown"
        check_host_is_there()
        is_open = roles.allowed_roles() == roles.OPEN
        try:
            g.caller = take_role(self.find(_sent_key()))
        except RateLimitedError:
            if not is_open:
                raise
        ACTOR.set(g.caller.actor if g.caller else NOBODY)
        if g.caller is not None and not g.caller.by_key:
            check_host(self._settings)
        check_origin()
        if not is_open:
            self._check_role(g.caller)

    def admit(self, sent: str) -> Caller:
        """Find who has a key that came later than the request, and may send it.

        Raises KeyRequiredError, RoleForbiddenError, RateLimitedError.
        """
        asking = self.find(sent)
        self._check_role(asking)
        assert asking is not None
        return asking

    def find(self, sent: str) -> Caller | None:
        """Find who has a key. None: nobody. Raises RateLimitedError."""
        if self._settings.server.api_key and hmac.compare_digest(
            sent.encode(), self._settings.server.api_key.encode()
        ):
            return ENVIRONMENT
        key = keys().find(sent, self.limits.check_wrong_keys) if sent else None
        if key is not None and key.revoked_at is None:
            return Caller(key.key_id, key.role)
        if self._for_this_machine and not keys().exist():
            return LOCAL
        g.refused = "missing"
        if sent:
            g.refused = "revoked" if key is not None else "unknown"
        if sent:
            self.limits.count_wrong_key()
        return None

    def _check_role(self, asking: Caller | None) -> None:
        if asking is None:
            reason = g.refused
            self._note(address(), reason)
            raise KeyRequiredError(_REFUSED[reason], details={"key": reason})
        allowed = roles.allowed_roles() or roles.KIOSK  # open: a key that comes in a message
        if asking.role not in allowed:
            self._note(asking.actor, "wrong_role")
            needed = [str(role) for role in roles.SMALLEST_FIRST if role in allowed]
            raise RoleForbiddenError(
                f"This needs a key for the role {' or '.join(needed)}. The key has the role"
                f" {asking.role}.",
                f"The operator makes one with `cli.py keys create --role {needed[0]}`.",
                {"role": str(asking.role), "needed": needed},
            )

    def _note(self, who: str, reason: str) -> None:
        """Note a refused request in the audit, unless it has too many of them already."""
        if self.limits.may_note(who, reason):
            try:
                store().record(
                    "refuse", reason, None, {"address": address(), "route": roles.route()}
                )
            except (StoreUnavailableError, StorageFullError) as error:
                log.error("the audit missed refuse %s: %s", reason, error.code)


_REFUSED = {
    "missing": "This service needs an API key.",
    "unknown": "This service does not know the API key.",
    "revoked": "The API key is revoked.",
}


def _sent_key() -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return request.headers.get("X-API-Key") or (token.strip() if scheme.lower() == "bearer" else "")
