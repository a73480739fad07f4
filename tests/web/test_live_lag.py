"""How long sound waits in a live session, over a real socket."""

from __future__ import annotations

import pytest

from speech.events import Event
from speech.session import LiveSession
from tests.support.live import LiveClient
from tests.support.recordings import syllables
from tests.web.test_live import address, app, wordy

__all__ = ["address", "app", "wordy"]


def test_the_time_in_which_nobody_spoke_is_no_lag(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last sound came a quarter of an hour before the next speaker is registered."""
    accept = LiveSession.accept

    def accept_earlier(session: LiveSession, sound: bytes, *, arrived_at: float) -> list[Event]:
        return accept(session, sound, arrived_at=arrived_at - 900)

    monkeypatch.setattr(LiveSession, "accept", accept_earlier)
    client = LiveClient(address)
    client.send("start_speaker_registration", speaker_id=0)
    client.hear(syllables(4, 5))
    client.send("complete_speaker_registration", speaker_id=0)
    client.until("speaker_registration_completed")
    client.send("start_speaker_registration", speaker_id=1)
    started = client.until("speaker_registration_started")
    client.close()
    assert started["lag_s"] < 600
