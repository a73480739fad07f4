"""The routes of the service, those that need a key among them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from flask import Flask

from web.guard import roles


def routes(app: Flask) -> Iterator[tuple[str, str, str]]:
    """(key in the table of roles, method, URL) of everything that the service answers."""
    for rule in app.url_map.iter_rules():
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            url = re.sub("<[^>]+>", "ann", rule.rule.replace("<int:position>", "0"))
            yield f"{method} {rule.rule}", method, url


def closed(app: Flask) -> list[tuple[str, str, str]]:
    """Those that need a key."""
    return [route for route in routes(app) if roles.ROUTES[route[0]] != roles.OPEN]
