"""/v1/events: who of the watched groups comes by, as it happens.

A stream is a request that goes on, so it takes a thread. It ends after some minutes, and
the browser asks again from where it was (`Last-Event-ID`).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from flask import Response, request
from flask_restx import Namespace, Resource

from gallery.records.sightings import Delivery, Sighting
from gallery.store import Store
from jobs.webhooks import event_to_json
from recognition.as_json import instant
from utils.errors import BusyError, StoreUnavailableError
from web.api.people import JSON_ERRORS, READ_ERRORS
from web.state import event_streams, live_room, store
from web.wire import parse
from web.wire.schema.base import document_errors
from web.wire.schema.events import DELIVERIES, RESENT

ns = Namespace("events", "Who of the watched groups comes by", path="/v1")
LOOK_S = 1.0
PING_S = 15.0
"""Seconds after which a stream without events shows that it lives."""
MOST_S = 600
MOST_RECENT = 1000
_QUERY = {
    "seconds": {
        "description": f"end the stream after so many seconds, 0 to {MOST_S}",
        "type": "integer",
        "default": 300,
    },
    "after": {
        "description": "begin behind this event_id; without it, and without the header"
        " Last-Event-ID, with what happens from now on",
        "type": "integer",
        "example": 17,
    },
    "recent": {
        "description": f"begin with so many of the latest events, 0 to {MOST_RECENT}; without"
        " `after` and the header Last-Event-ID",
        "type": "integer",
        "default": 0,
    },
}


@ns.route("/events")
class Events(Resource):
    """Events as they happen."""

    @ns.doc(id="stream_events", params=_QUERY, produces=["text/event-stream", "application/json"])
    @ns.response(200, "server-sent events: id, event, and data as the model Event")
    @document_errors(ns, BusyError, *READ_ERRORS)
    def get(self) -> Response:
        """Tell who of the watched groups comes by, and who is unknown, as it happens.

        A stream of server-sent events, which ends after `seconds`. A client that asks
        again with the header Last-Event-ID, as browsers do, misses nothing.
        """
        parse.check_query(_QUERY)
        seconds = parse.query_int("seconds", 300, 0, MOST_S)
        last = _read_last()
        places = event_streams()
        if not places.acquire(blocking=False):
            raise BusyError("All places for streams of events are taken.")
        room = live_room()
        response = Response(
            _stream(store(), last, seconds, lambda: room.is_closing),
            mimetype="text/event-stream",
        )
        response.call_on_close(places.release)
        return response


@ns.route("/deliveries")
class Deliveries(Resource):
    """Events that a receiver has not taken yet."""

    @ns.doc(id="list_deliveries")
    @ns.response(200, "what waits, and what was given up", DELIVERIES)
    @document_errors(ns, *READ_ERRORS)
    def get(self) -> dict[str, Any]:
        """List the events that receivers have not taken yet."""
        parse.check_query()
        return {"deliveries": [delivery_body(one) for one in store().list_deliveries()]}


@ns.route("/deliveries/resend")
class Resend(Resource):
    """What was given up."""

    @ns.doc(id="resend_deliveries")
    @ns.response(200, "they are sent again", RESENT)
    @document_errors(ns, *JSON_ERRORS)
    def post(self) -> dict[str, int]:
        """Send the events again that were given up. The body is an empty JSON object."""
        parse.check_query()
        parse.json_object({})
        return {"resent": store().resend_deliveries(datetime.now(UTC))}


def delivery_body(delivery: Delivery) -> dict[str, Any]:
    """Show a delivery as JSON."""
    return {
        "receiver": delivery.receiver,
        "state": "given_up" if delivery.next_at is None else "waiting",
        "attempts": delivery.attempts,
        "next_at": instant(delivery.next_at) if delivery.next_at else None,
        "reason": delivery.error,
        "event": event_to_json(delivery.sighting),
    }


def _read_last() -> int:
    """Read the number behind which a stream begins."""
    sent = request.headers.get("Last-Event-ID", "")
    if sent.isascii() and sent.isdigit() and len(sent) < 16:
        return int(sent)
    recent = parse.query_int("recent", 0, 0, MOST_RECENT)
    shown = store().list_latest_sightings(recent) if recent else ()
    latest = shown[-1].number - 1 if shown else store().last_sighting()
    return parse.query_int("after", latest, 0, 10**15)


def _stream(
    gallery: Store, last: int, seconds: int, is_closing: Callable[[], bool]
) -> Iterator[str]:
    """Write the events behind `last` as they come, for so many seconds."""
    yield "retry: 2000\n\n"
    end = time.monotonic() + seconds
    ping = time.monotonic() + PING_S
    while True:
        try:
            sightings = gallery.list_sightings(last)
        except StoreUnavailableError:
            return  # the client asks again
        for sighting in sightings:
            last = sighting.number
            yield _write(sighting)
        if time.monotonic() >= end or is_closing():
            return
        if time.monotonic() >= ping:
            ping = time.monotonic() + PING_S
            yield ": still here\n\n"
        if not sightings:
            time.sleep(min(LOOK_S, max(end - time.monotonic(), 0.0)))


def _write(sighting: Sighting) -> str:
    data = event_to_json(sighting)
    text = json.dumps(data, ensure_ascii=False)
    return f"id: {sighting.number}\nevent: {data['event']}\ndata: {text}\n\n"
