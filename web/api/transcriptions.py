"""POST /v1/audio/transcriptions: what is said in a recording, in OpenAI's form."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

from flask import Response, g, jsonify, stream_with_context
from flask_restx import Namespace, Resource
from werkzeug.datastructures import FileStorage

from speech.scribe import Recording, Writing
from speech.transcripts import (
    FORMATS,
    TEXT_FORMATS,
    SpokenLine,
    Transcript,
    to_json,
    to_verbose_json,
    write_lines,
)
from utils import errors
from utils.errors import DuetError, InvalidRequestError
from web.state import scribe
from web.wire import parse
from web.wire.errors import (
    ContentTypeError,
    UploadBrokenError,
    UploadTimeoutError,
    error_body,
)
from web.wire.schema.base import document_errors
from web.wire.schema.transcription import TRANSCRIPTION

ns = Namespace("audio", "What is said in a recording, and when", path="/v1/audio")

GRANULARITIES = "timestamp_granularities[]"
FIELDS = ("model", "language", "prompt", "response_format", "temperature", "stream")
GRANULES = ("segment", "word")
STREAMED = ("json", "text")
MEDIA_TYPES = {"text": "text/plain", "srt": "application/x-subrip", "vtt": "text/vtt"}

ERRORS = (
    errors.KeyRequiredError,
    errors.InvalidRequestError,
    errors.MediaMissingError,
    UploadBrokenError,
    UploadTimeoutError,
    errors.MediaTooLargeError,
    ContentTypeError,
    errors.MediaTypeError,
    errors.MediaEmptyError,
    errors.MediaCorruptError,
    errors.MediaUnreadableError,
    errors.MediaTooLongError,
    errors.NoBiometricError,
    errors.SpeechUnavailableError,
    errors.ModelError,
    errors.BusyError,
    errors.StorageFullError,
)

transcription_form = ns.parser()
transcription_form.add_argument(
    "file",
    type=FileStorage,
    location="files",
    required=True,
    help="the recording: any sound or video file that a clip may be",
)
transcription_form.add_argument(
    "model", location="form", default="whisper-1", help="any name: the service has one model"
)
transcription_form.add_argument(
    "language",
    location="form",
    default="",
    help="code of the language that is spoken, as ko or en. Without it, it is detected, once",
)
transcription_form.add_argument(
    "prompt", location="form", default="", help="names and words that may come up"
)
transcription_form.add_argument(
    "response_format",
    location="form",
    choices=FORMATS,
    default="json",
    help="form of the answer. All but json and verbose_json are plain text",
)
transcription_form.add_argument(
    "temperature", location="form", choices=("0",), default="0", help="0: nothing is guessed"
)
transcription_form.add_argument(
    GRANULARITIES,
    location="form",
    action="append",
    choices=GRANULES,
    default=["segment"],
    help="which times verbose_json has. May come twice",
)
transcription_form.add_argument(
    "stream",
    location="form",
    choices=("true", "false"),
    default="false",
    help=(
        "true: the text comes while it is written, as server-sent events"
        " `transcript.text.delta`, and `transcript.text.done` at the end"
    ),
)


@ns.route("/transcriptions")
class Transcriptions(Resource):
    """What is said in this recording?"""

    @ns.doc(id="transcribe")
    @ns.expect(transcription_form)
    @ns.response(200, "the text, in the form that was asked for", TRANSCRIPTION)
    @document_errors(ns, *ERRORS)
    def post(self) -> Response:
        """Write down what is said. Where nobody speaks, the text is empty.

        Nothing is stored. Clients of OpenAI's API work with the address of this service
        and a key of it.
        """
        parse.check_query()
        fields = parse.form(FIELDS, ("file",), lists=(GRANULARITIES,))
        granularities = parse.texts(GRANULARITIES, GRANULES) or ["segment"]
        form = parse.choice(fields.get("response_format") or "json", "response_format", FORMATS)
        _check_temperature(fields.get("temperature") or "0")
        recording = _read_recording(fields)
        if parse.boolean(fields.get("stream") or False, "stream"):
            parse.choice(form, "response_format", STREAMED)
            return _stream(recording)
        with scribe().open(recording) as writing:
            transcript = _write(writing)
        return _answer(transcript, form, granularities)


def _check_temperature(text: str) -> None:
    try:
        is_zero = float(text) == 0
    except ValueError:
        is_zero = False
    if not is_zero:
        raise InvalidRequestError(
            f"`temperature` must be 0: nothing is guessed. Received: {text[:40]!r}"
        )


def _read_recording(fields: dict[str, str]) -> Recording:
    file = parse.upload("file")
    return Recording(
        path=file.path,
        filename=file.filename,
        language=fields.get("language") or None,
        prompt=fields.get("prompt", ""),
    )


def _write(writing: Writing) -> Transcript:
    lines: list[SpokenLine] = []
    for block in writing.lines():
        lines += map(SpokenLine, block)
    session = writing.session
    return Transcript(lines=tuple(lines), language=session.language, duration_s=session.heard_s)


def _answer(transcript: Transcript, form: str, granularities: list[str]) -> Response:
    if form in TEXT_FORMATS:
        return Response(write_lines(transcript.lines, form), mimetype=MEDIA_TYPES[form])
    if form == "json":
        return jsonify(to_json(transcript))
    return jsonify(to_verbose_json(transcript, granularities))


def _stream(recording: Recording) -> Response:
    """Answer with events. What is wrong with the file at once is an error as ever."""
    stack = ExitStack()
    writing = stack.enter_context(scribe().open(recording))
    response = Response(stream_with_context(_events(writing)), mimetype="text/event-stream")
    response.call_on_close(stack.close)
    return response


def _events(writing: Writing) -> Iterator[str]:
    texts: list[str] = []
    try:
        for block in writing.lines():
            for line in block:
                delta = f" {line.text}" if texts else line.text
                texts.append(delta)
                yield _event({"type": "transcript.text.delta", "delta": delta})
    except DuetError as error:
        yield _event(error_body(error, g.request_id))
        return
    yield _event({"type": "transcript.text.done", "text": "".join(texts)})


def _event(data: dict[str, Any]) -> str:
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n"
