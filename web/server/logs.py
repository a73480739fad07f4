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


class TextFormatter(logging.Formatter):
    """Writes each event as a line, with a time that can be set against another machine's."""

    def __init__(self) -> None:
        super().__init__(LOG_FORMAT)

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: ARG002, N802 - logging's signature
        """Format the time of an event in UTC."""
        return _at(record)


class JsonFormatter(logging.Formatter):
    """Writes each event as one JSON object, with the id of the request that it is about."""

    def format(self, record: logging.LogRecord) -> str:
        """Format an event as a line of JSON."""
        content: dict[str, Any] = {
            "at": _at(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if has_request_context() and "request_id" in g:
            content["request_id"] = g.request_id
        if record.exc_info and record.exc_info[0]:
            content["exception"] = record.exc_info[0].__name__
        return json.dumps(content | getattr(record, "facts", {}), ensure_ascii=False)


def _at(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


def start_log(form: str) -> None:
    """Write the log to standard error, in the `form` "text" or "json"."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("duet").setLevel(logging.INFO)
