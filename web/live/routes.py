"""WS /v1/live, and the tickets that open it from a page."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, request
from flask_restx import Namespace, Resource
from simple_websocket import Server

from speech.live_sentences import SENTENCES
from utils.errors import BusyError, InvalidRequestError, KeyRequiredError
from web.guard.auth import admit, caller
from web.live.conversation import Conversation, too_large
from web.live.socket import LiveSocket
from web.state import live_room, live_tickets, recognizer
from web.tickets import TICKET_S
from web.wire import parse
from web.wire.errors import ContentTypeError
from web.wire.schema.base import document_errors
from web.wire.schema.service import TICKET

blueprint = Blueprint("live", __name__)
ns = Namespace("live", "What is said, while it is said", path="/v1")


class Ended(Response):
    """The answer of a connection that was a WebSocket: there is nothing left to send."""

    def __init__(self, socket: Server) -> None:
        super().__init__()
        self._mode = socket.mode

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """End the request as each server wants it."""
        if self._mode == "gunicorn":
            raise StopIteration
        return super().__call__(*args, **kwargs)


@blueprint.route("/v1/live", websocket=True)
def live() -> Response:
    """Write down live what is said (docs/live.md)."""
    room = live_room()
    languages = list(SENTENCES)
    tongue = request.args.get("lang") or request.accept_languages.best_match(languages, "en")
    with room.connection():
        socket = LiveSocket(request.environ, too_large)
        talk = Conversation(
            socket,
            room,
            admit=admit,
            tickets=live_tickets(),
            caller=caller(),
            tongue=str(tongue),
            enroll=recognizer().enroll,
        )
        talk.run()
    return Ended(socket)


@ns.route("/live/tickets", endpoint="live_tickets")
class Tickets(Resource):
    """Tickets for pages, which cannot send a key when they open a WebSocket."""

    @ns.doc(id="make_live_ticket")
    @ns.response(200, "the ticket", TICKET)
    @document_errors(ns, InvalidRequestError, ContentTypeError, KeyRequiredError, BusyError)
    def post(self) -> dict[str, Any]:
        """Make a ticket that opens one live session within a minute."""
        parse.check_query()
        if request.content_length or request.content_type:
            parse.json_object({})
        asking = caller()
        assert asking is not None
        return {"ticket": live_tickets().issue(asking), "expires_s": TICKET_S}
