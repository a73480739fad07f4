"""The log of the service: a line of text an event, or an object of JSON a line.

Neither holds names, vectors or bodies of requests. Of an exception, the type is written
and never its text.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

from flask import g, has_request_context

LOG_FORMAT = "%(asctime)s %(levelname)s %(message)s"


class JsonFormatter(logging.Formatter):
    """Writes each event as one JSON object, with the id of the request that it is about."""

    def format(self, record: logging.LogRecord) -> str:
        """Format an event as a line of JSON."""
        content: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if has_request_context() and "request_id" in g:
            content["request_id"] = g.request_id
        if record.exc_info and record.exc_info[0]:
            content["exception"] = record.exc_info[0].__name__
        return json.dumps(content | getattr(record, "facts", {}), ensure_ascii=False)


def start_log(form: str) -> None:
    """Write the log to standard error, in the `form` "text" or "json"."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else logging.Formatter(LOG_FORMAT))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("duet").setLevel(logging.INFO)
