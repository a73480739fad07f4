"""Addresses that no setting may take."""

from __future__ import annotations

BAD_ADDRESSES = (
    "ftp://host/",
    "file:///etc/passwd",
    "https://",
    "host/path",
    "127.0.0.1:4318",
    "https://user:pw@host/",
    "https://host/pw#part",
    "http://host:99999/",
    "http://[::1/",
    "http://h\u00f6st/",
    "http://ho st/",
)
"""A message that repeats a password repeats `pw`."""
