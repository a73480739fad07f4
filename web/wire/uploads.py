"""Uploads: files in the private temporary folder that live as long as their request.

Every file is held under `flock` while its request lives, so that what a killed process
left behind can be told from what another process is using: at start, each file whose
lock is free is removed. Units: bytes, seconds.
"""

from __future__ import annotations

import codecs
import fcntl
import socket
import struct
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote_to_bytes

from flask import Flask, Request, current_app, request
from gunicorn.http.errors import ChunkMissingTerminator, InvalidChunkSize, ParseException
from werkzeug.datastructures import Headers
from werkzeug.exceptions import ClientDisconnected
from werkzeug.formparser import FormDataParser, MultiPartParser
from werkzeug.wsgi import ClosingIterator

from utils.config import Settings
from utils.errors import NO_ROOM, ConfigError, InvalidRequestError, StorageFullError
from web.wire.errors import ContentTypeError, UploadBrokenError, UploadTimeoutError

PREFIX = "upload-"
BODY = "duet.body"
"""Key of the request's body in the WSGI environment."""
UPLOAD_LIMIT_S = 600.0
DRAIN_LIMIT_S = 10.0
DRAIN_STALL_S = 5
"""A client that was refused keeps a thread for so long without a byte."""
SMALL_BODY_BYTES = 64 * 1024
"""Limit for bodies that hold no file (JSON, urlencoded forms)."""
FORM_MEMORY_BYTES = 512 * 1024
"""Limit for the text fields of a multipart form. Werkzeug counts what it has buffered
of the files too, at least 64 KiB at a time.
"""
MAX_FORM_PARTS = 16
MALFORMED = (ChunkMissingTerminator, InvalidChunkSize, ParseException)
"""What gunicorn raises for a body whose chunks are none."""
_STRICT = "duet_utf_8"


def _decode(data: Any, _errors: str = "strict", /) -> tuple[str, int]:
    """Decode UTF-8. Other bytes are an error, also for callers who would have them replaced."""
    return codecs.lookup("utf-8").decode(data)


def _find_codec(name: str) -> codecs.CodecInfo | None:
    if name != _STRICT:
        return None
    return codecs.CodecInfo(codecs.lookup("utf-8").encode, _decode, name=_STRICT)


codecs.register(_find_codec)


class _StrictFieldParser(MultiPartParser):
    """Werkzeug's parser of multipart forms, but a field that is no UTF-8 is an error."""

    def get_part_charset(self, headers: Headers) -> str:
        """Name the codec of a part. Every byte is a sign of iso-8859-1, where a part states it."""
        charset = super().get_part_charset(headers)
        return charset if charset == "iso-8859-1" else _STRICT


class _StrictFormParser(FormDataParser):
    """Werkzeug's parser, but a malformed body is an error rather than an empty form."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["silent"] = False
        super().__init__(*args, **kwargs)

    def _parse_multipart(
        self, stream: IO[bytes], _mimetype: str, length: int | None, options: dict[str, str]
    ) -> Any:
        parser = _StrictFieldParser(
            self.stream_factory,
            self.max_form_memory_size,
            self.cls,
            max_form_parts=self.max_form_parts,
        )
        boundary = options.get("boundary", "").encode("ascii")
        if not boundary:
            raise ValueError("a form without a boundary")
        return stream, *parser.parse(stream, boundary, length)

    def _parse_urlencoded(self, stream: IO[bytes], *about: Any) -> Any:
        data = stream.read()
        refuse_other_encodings(data, "The form")
        return super()._parse_urlencoded(BytesIO(data), *about)


class UploadRequest(Request):
    """A request whose files lie in the service's own temporary folder."""

    form_data_parser_class = _StrictFormParser

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.temporary_files: list[IO[bytes]] = []

    def _get_file_stream(self, *_about: Any, **_more: Any) -> IO[bytes]:
        stream = _new_file(current_app.extensions["duet"].settings.storage.temporary_folder)
        self.temporary_files.append(stream)
        return stream

    def _load_form_data(self) -> None:
        if self.mimetype != "multipart/form-data":
            self.max_content_length = SMALL_BODY_BYTES
        self._refuse_compression()
        with reading_body():
            super()._load_form_data()
        if None in self.form or None in self.files:
            raise InvalidRequestError("Each part of a form must have a name. One has none.")

    def _refuse_compression(self) -> None:
        """A small body could become a large one. Raises ContentTypeError."""
        encoding = self.headers.get("Content-Encoding", "identity")
        if encoding.strip().lower() != "identity":
            raise ContentTypeError(
                f"The body must not be compressed. Received: Content-Encoding={encoding[:40]!r}",
                "Send it as it is, without the header Content-Encoding.",
            )

    def keep(self, data: bytes) -> Path:
        """Write `data`, which came within the body, to a file.

        It lies there until the request ends. Raises StorageFullError.
        """
        with reading_body():
            stream = self._get_file_stream()
            stream.write(data)
            stream.flush()
        return Path(stream.name)

    def json_text(self, limit_bytes: int = SMALL_BODY_BYTES) -> bytes:
        """The body of a JSON request, of bounded size."""
        self.max_content_length = limit_bytes
        self._refuse_compression()
        with reading_body():
            return self.get_data(cache=False)


def refuse_other_encodings(data: bytes, what: str) -> None:
    """Refuse an urlencoded text that is no UTF-8: Werkzeug would read its escapes as signs.

    Raises InvalidRequestError.
    """
    try:
        unquote_to_bytes(data).decode()
    except UnicodeDecodeError:
        raise InvalidRequestError(
            f"{what} must be urlencoded in UTF-8. Some of its bytes are not.",
            "Encode what is no ASCII as percent signs of its UTF-8, such as %C3%A9 for é.",
        ) from None


def _new_file(folder: Path) -> IO[bytes]:
    stream = tempfile.NamedTemporaryFile(dir=folder, prefix=PREFIX)  # noqa: SIM115 - closed when the request ends
    fcntl.flock(stream, fcntl.LOCK_EX)
    return stream


@contextmanager
def reading_body() -> Iterator[None]:
    """Say what went wrong while a body was read."""
    try:
        yield
    except ClientDisconnected:  # what Werkzeug makes of any failure to read
        failure = request.environ[BODY].failure
        # BlockingIOError is the socket's own limit on a stall (gunicorn_worker.py).
        if isinstance(failure, TimeoutError | BlockingIOError):
            raise UploadTimeoutError(
                f"The body must arrive within {UPLOAD_LIMIT_S:.0f} s and never stall for long."
            ) from None
        if isinstance(failure, MALFORMED):
            raise UploadBrokenError(
                "A body in chunks must be one of HTTP/1.1. This one has a chunk or a trailer that"
                " is malformed.",
                "Send it with a client for HTTP/1.1, such as curl.",
            ) from None
        raise UploadBrokenError("The body ended before it was complete.") from None
    except OSError as error:
        if error.errno in NO_ROOM:
            raise StorageFullError("The server has no room left for the upload.") from error
        raise
    except UnicodeDecodeError:
        raise InvalidRequestError(
            "The fields and file names of a form must be text in UTF-8. Some are not."
        ) from None
    except ValueError:
        raise InvalidRequestError(
            "The form cannot be parsed. It must be multipart/form-data with a boundary, complete"
            " to its end, in UTF-8."
        ) from None


class BodyGuard:
    """WSGI middleware that bounds the time of a body, and reads what the route left of it.

    A client that is still sending does not read: without this, an early refusal (no
    key, too large) would reach it as a connection reset. The answer goes out first, for
    clients that read it and stop sending, or send nothing before they are asked to.
    """

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self._app = app

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        body = environ["wsgi.input"] = environ[BODY] = _TimedBody(
            environ["wsgi.input"], time.monotonic() + UPLOAD_LIMIT_S
        )
        answer = self._app(environ, start_response)
        if _has_body(environ) and body.is_left:
            return ClosingIterator(answer, partial(body.drain, environ.get("gunicorn.socket")))
        return answer


def _has_body(environ: dict[str, Any]) -> bool:
    is_sized = environ.get("CONTENT_LENGTH") or "HTTP_TRANSFER_ENCODING" in environ
    return bool(is_sized and environ.get("wsgi.input_terminated"))


class _TimedBody:
    """`wsgi.input` with a deadline, after which reads raise TimeoutError.

    `failure` is the error that ended it, if one did.
    """

    def __init__(self, stream: Any, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline
        self._ended = False
        self.failure: Exception | None = None

    @property
    def is_left(self) -> bool:
        """Whether more of it may come, unless the client waits to be asked for it."""
        return not self._ended and not getattr(self._stream, "is_awaited", False)

    def read(self, size: int = -1) -> bytes:
        return self._read_in_time(self._stream.read, size)

    def readline(self, size: int = -1) -> bytes:
        return self._read_in_time(self._stream.readline, size)

    def _read_in_time(self, read: Callable[[int], bytes], size: int) -> bytes:
        try:
            if time.monotonic() > self._deadline:
                raise TimeoutError
            data = read(size)
        except Exception as error:
            # For a malformed chunk, gunicorn's errors differ in type between versions.
            # Where the next byte belongs is then unknown.
            self._ended = True
            self.failure = error
            raise OSError("the body cannot be read") from error
        self._ended = size != 0 and not data
        return data

    def drain(self, connection: socket.socket | None) -> None:
        """Read to the end, for a while, from a client that does not stall."""
        self._deadline = time.monotonic() + DRAIN_LIMIT_S
        with suppress(OSError):
            if connection is not None:  # gunicorn_worker.py sets it anew for each request
                stall = struct.pack("ll", DRAIN_STALL_S, 0)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, stall)
            while not self._ended:
                self.read(64 * 1024)


def prepare_folder(folder: Path) -> None:
    """Prepare the temporary folder (mode 0700) and check that it can be written.

    What killed processes left there is removed. Raises ConfigError.
    """
    try:
        for made in (folder.parent, folder):  # `parents` would make the data folder readable to all
            made.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)
        _new_file(folder).close()
    except OSError as error:
        raise ConfigError(
            "DUET_DATA_DIR must be a folder that the service can write to. Received:"
            f" {folder.parent} ({error.strerror})",
            "Choose another folder, or change its owner.",
        ) from error
    for path in folder.glob(PREFIX + "*"):
        _remove_unless_used(path)


def _remove_unless_used(path: Path) -> None:
    with suppress(OSError), path.open("rb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()


def init_app(app: Flask, settings: Settings) -> None:
    """Make `app` keep its uploads in `settings.storage.temporary_folder`."""
    prepare_folder(settings.storage.temporary_folder)
    app.request_class = UploadRequest
    app.config["MAX_CONTENT_LENGTH"] = settings.limits.max_upload_mb * 1_000_000
    app.config["MAX_FORM_MEMORY_SIZE"] = FORM_MEMORY_BYTES
    app.config["MAX_FORM_PARTS"] = MAX_FORM_PARTS
    app.wsgi_app = BodyGuard(app.wsgi_app)  # type: ignore[method-assign]

    @app.teardown_request
    def remove_files(_error: BaseException | None) -> None:
        for stream in getattr(request, "temporary_files", ()):
            with suppress(OSError):
                stream.close()
