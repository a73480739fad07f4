"""Rules for ids, names, notes and retention periods.

An id travels in URLs, folder and file names and logs, so its alphabet is small. A
display name is any Unicode text of one line that does not reorder the text around it.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import unicodedata

from utils.errors import InvalidNameError, InvalidRequestError

MAX_ID = 128
MAX_NAME = 200
MAX_NOTE = 2000
MAX_RETENTION_DAYS = 36500
_MAX_SLUG = 40
_DIGEST = 10

_ID = re.compile(r"[A-Za-z0-9_@+][A-Za-z0-9._@+-]*", re.ASCII)
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# Letters and symbols without any ink (Hangul fillers, empty Braille).
_FILLERS = frozenset("\u115f\u1160\u3164\uffa0\u2800")
# Separators without any ink or meaning in a name, which spreadsheets and web pages leave.
_NOTHINGS = dict.fromkeys(map(ord, "\u00ad\u200b\u2060\ufeff"))
# Controls, lone surrogates, line and paragraph separators.
_NOT_IN_A_LINE = frozenset({"Cc", "Cs", "Zl", "Zp"})
_MEDIA_SUFFIX = re.compile(
    r"\.(mp4|m4v|mov|3gp|webm|mpe?g|avi|mkv|wav|flac|mp3|ogg|oga|opus|m4a|aac|amr|aiff?"
    r"|jpe?g|png|webp|hei[cf]|avif)\Z",
    re.IGNORECASE | re.ASCII,
)


def validate_person_id(person_id: str) -> str:
    """Check an id, and return it as it is. Raises InvalidNameError."""
    if (
        not isinstance(person_id, str)
        or not 1 <= len(person_id) <= MAX_ID
        or not _ID.fullmatch(person_id)
        or ".." in person_id
    ):
        raise InvalidNameError(
            f"A person_id is 1 to {MAX_ID} of the characters a-z A-Z 0-9 . _ - @ +, does not begin"
            f" with . or -, and has no two dots in a row. Received: {_excerpt(person_id)}",
            "Use an e-mail address or a short name without spaces.",
        )
    return person_id


def validate_name(name: str) -> str:
    """Return a display name in Unicode's NFC form, without spaces around it.

    Separators that nobody sees are left out: two names that look alike are alike. Raises
    InvalidNameError.
    """
    text = _text(name, "A name").translate(_NOTHINGS).strip()
    if (
        not 1 <= len(text) <= MAX_NAME
        or any(_breaks_line(c) for c in text)
        or not any(map(_is_seen, text))
    ):
        raise InvalidNameError(
            f"A name is 1 to {MAX_NAME} characters on one line, some of them visible, without"
            " control characters or marks that change the direction of writing. Received:"
            f" {_excerpt(name)}"
        )
    return text


def validate_note(note: str, what: str = "A note") -> str:
    """Return a note in NFC form.

    Line breaks and tabs are allowed. `what` names the text in an error. Raises
    InvalidNameError.
    """
    text = _text(note, what)
    if len(text) > MAX_NOTE or any(_breaks_line(c) for c in text if c not in "\n\t"):
        raise InvalidNameError(
            f"{what} is at most {MAX_NOTE} characters, without control characters or marks that"
            f" change the direction of writing. Received: {_excerpt(note)}"
        )
    return text


def validate_retention_days(days: int | None) -> int | None:
    """Check for how many days a person is kept (None = no end), and return them.

    Raises InvalidRequestError.
    """
    if days is not None and (type(days) is not int or not 1 <= days <= MAX_RETENTION_DAYS):
        raise InvalidRequestError(
            f"retention_days is a whole number from 1 to {MAX_RETENTION_DAYS}, or none for no end."
            f" Received: {str(days)[:40]}"
        )
    return days


def new_person_id() -> str:
    """Make a random id, for a person who came without one."""
    return "p" + secrets.token_hex(6)


def make_person_id(name: str) -> str:
    """Make the id of a person from a name in any script.

    A name that is an id stays as it is. Of any other, it is the letters and digits that
    an id may have, and a digest of the name: case, width and the encoding of accents do
    not matter. Raises InvalidNameError.
    """
    text = validate_name(name)
    if _ID.fullmatch(text) or len(text) > MAX_ID or re.search(r"[/\\]|^\.", text):
        return validate_person_id(text)
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:_MAX_SLUG]
    digest = hashlib.sha256(search_key(text).encode()).hexdigest()[:_DIGEST]
    return f"{slug or 'p'}_{digest}"


def read_clip_person(name: str) -> str:
    """Read who is in a clip from the name of its file, such as "email-number.mp4".

    It is the part before the last hyphen, as an e-mail address may have hyphens itself.
    Without a hyphen it is the whole name. The ending of a media file is left out.
    Raises InvalidNameError.
    """
    stem = _MEDIA_SUFFIX.sub("", _text(name, "A clip's name"))
    before, hyphen, _ = stem.rpartition("-")
    return before if hyphen else stem


def parse_clip_name(name: str) -> str:
    """Make the person_id of the person in the name of a clip. Raises InvalidNameError."""
    return make_person_id(read_clip_person(name))


def display_name(person_id: str, name: str) -> str | None:
    """The name to show of a person whose id was made from it. None where it was not."""
    try:
        text = validate_name(name)
        return text if text != person_id == make_person_id(text) else None
    except InvalidNameError:
        return None


def search_key(text: str) -> str:
    """Fold a text for the search of names.

    Case, width and the encoding of accents do not matter.
    """
    return unicodedata.normalize("NFKC", text).casefold()


def _text(value: str, what: str) -> str:
    if not isinstance(value, str):
        raise InvalidNameError(f"{what} must be text. Received: {type(value).__name__}")
    return unicodedata.normalize("NFC", value)


def _breaks_line(character: str) -> bool:
    return character in _BIDI or unicodedata.category(character) in _NOT_IN_A_LINE


def _is_seen(character: str) -> bool:
    """Whether it is a letter, digit, sign or symbol that prints as something."""
    return unicodedata.category(character)[0] in "LNPS" and character not in _FILLERS


def _excerpt(value: object) -> str:
    """Excerpt of at most 40 characters for a message. What cannot be seen is escaped."""
    if not isinstance(value, str):
        return type(value).__name__
    rest = f" ... ({len(value)} characters)" if len(value) > 40 else ""
    return repr(value[:40]) + rest
