"""Schemas of events and of their deliveries."""

from __future__ import annotations

from web.wire.schema.base import int_field, list_field, make_model, model_field, text_field

EVENT = make_model(
    "Event",
    event_id=int_field("number of the event, rising", 17),
    event=text_field(
        "group_member: somebody of a watched group. unknown: somebody who is not known",
        "group_member",
        enum=["group_member", "unknown"],
    ),
    at=text_field("when it was (UTC)", "2026-01-31T08:15:03.123+00:00"),
    source=text_field("what was asked: identify, transcribe, live, ...", "identify"),
    request_id=text_field("id of the request; null without one", "4f0c", x_nullable=True),
    group_id=text_field("the watched group; null for unknown", "reported", x_nullable=True),
    person_id=text_field("who it is; null for unknown", "ann@example.com", x_nullable=True),
    name=text_field("present name; null for unknown", "Ann Lee", x_nullable=True),
)
DELIVERY = make_model(
    "Delivery",
    receiver=text_field("id of the receiver, which tells nothing of its address", "3f9a1c2e"),
    state=text_field("waiting, or given_up", "waiting", enum=["waiting", "given_up"]),
    attempts=int_field("how often it was tried", 2),
    next_at=text_field(
        "when it is tried again (UTC); null = given up",
        "2026-01-31T08:15:08Z",
        x_nullable=True,
    ),
    reason=text_field("why it was not taken (empty before the first try)", "It answers 500."),
    event=model_field(EVENT, "what is to be sent"),
)
DELIVERIES = make_model(
    "Deliveries", deliveries=list_field(DELIVERY, "the oldest 1000, oldest first")
)
RESENT = make_model("Resent", resent=int_field("number of deliveries that are sent again", 3))
