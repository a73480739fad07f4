"""Settings of events: what is one, and who is told."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from utils.errors import ConfigError
from utils.settings.subject import PREFIX, Subject, setting
from utils.settings.values import is_address

LEAST_SECRET = 16
MOST_RECEIVERS = 8


@dataclass(frozen=True)
class EventSettings(Subject):
    """Events: somebody of a watched group, or somebody unknown (docs/groups.md)."""

    webhook_urls: str = setting(
        "",
        "Addresses that each event is posted to, signed, with spaces between them. Empty: none.",
        secret=True,
    )
    webhook_secret: str = setting(
        "", "Secret that signs what is posted, of 16 characters or more.", secret=True
    )
    unknown_events: bool = setting(False, "1: somebody who is not known is an event, too.")
    event_days: float = setting(
        7.0, "Days for which events are kept. 0: there are no events.", 0, 3650
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.urls) > MOST_RECEIVERS:
            raise ConfigError(
                f"{PREFIX}WEBHOOK_URLS takes {MOST_RECEIVERS} addresses. Received: {len(self.urls)}"
            )
        for url in self.urls:
            _check(url)
        if self.urls and len(self.webhook_secret) < LEAST_SECRET:
            raise ConfigError(
                f"{PREFIX}WEBHOOK_URLS needs {PREFIX}WEBHOOK_SECRET of {LEAST_SECRET} characters"
                f" or more. Received: {len(self.webhook_secret)} characters",
                "Make one: openssl rand -hex 32",
            )

    @property
    def urls(self) -> list[str]:
        """The addresses, each once."""
        return list(dict.fromkeys(self.webhook_urls.split()))

    @property
    def receivers(self) -> dict[str, str]:
        """The addresses by their ids, which tell nothing of them."""
        return {hashlib.sha256(url.encode()).hexdigest()[:16]: url for url in self.urls}


def _check(url: str) -> None:
    """Raise ConfigError unless an address can be posted to. It is not repeated."""
    if not is_address(url):
        raise ConfigError(
            f"{PREFIX}WEBHOOK_URLS must hold addresses such as https://host/path, without a user"
            " name and a fragment."
        )
