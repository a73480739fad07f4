"""POST /v1/audio/transcriptions: what is said in a recording, in OpenAI's form."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

from flask import Response, g, jsonify, stream_with_context
from flask_restx import Namespace, Resource

from speech.keeping import keep
from speech.scribe import Recording, Writing
from speech.subtitles import DIARIZED, TEXT_FORMATS
from speech.transcripts import (
    WRITE_JSON,
    Transcript,
    diarized_segment,
    to_verbose_json,
)
from utils import errors
from utils.errors import DuetError
from web.api.identify import UPLOAD_ERRORS
from web.api.transcription_form import Asked, read_asked, transcription_form
from web.state import scribe, settings, store
from web.wire.errors import (
    error_body,
)
from web.wire.schema.base import document_errors
from web.wire.schema.transcription import TRANSCRIPTION

ns = Namespace("audio", "What is said in a recording, and when", path="/v1/audio")

KEPT_HEADER = "X-Transcript-Id"
# A comment. It shows a client that the work goes on, and shows us that the client is gone
_NO_EVENT = ": \n\n"

ERRORS = (*UPLOAD_ERRORS, errors.SpeechUnavailableError, errors.ModelError)


@ns.route("/transcriptions")
class Transcriptions(Resource):
    """What is said in this recording?"""

    @ns.doc(id="transcribe")
    @ns.expect(transcription_form)
    @ns.response(200, "the text, in the form that was asked for", TRANSCRIPTION)
    @document_errors(ns, *ERRORS)
    def post(self) -> Response:
        """Write down what is said. Where nobody speaks, the text is empty.

        Nothing is stored, unless the service keeps transcripts (DUET_KEEP_TRANSCRIPTS).
        Then the header X-Transcript-Id names the one that is kept. Clients of OpenAI's
        API work with the address of this service and a key of it.
        """
        asked = read_asked()
        if asked.is_streamed:
            return _stream(asked)
        with scribe().open(asked.recording) as writing:
            for _ in writing.lines():
                pass
            transcript = writing.transcript
        answer = _answer(transcript, asked)
        if transcript_id := _keep(transcript, asked):
            answer.headers[KEPT_HEADER] = transcript_id
        return answer


def _keep(transcript: Transcript, asked: Asked) -> str:
    """Keep a transcript where the service is to, and return its id, else ""."""
    if not settings().privacy.keep_transcripts:
        return ""
    return keep(store(), transcript, asked.recording.filename or "")


def _answer(transcript: Transcript, asked: Asked) -> Response:
    if text_format := TEXT_FORMATS.get(asked.form):
        text = text_format.write(transcript.lines)
        return Response(text, mimetype=text_format.media_type)
    if asked.form == "verbose_json":
        return jsonify(to_verbose_json(transcript, asked.granularities))
    return jsonify(WRITE_JSON[asked.form](transcript))


def _stream(asked: Asked) -> Response:
    """Answer with events. What is wrong with the file at once is an error as ever."""
    stack = ExitStack()
    recording = stack.enter_context(_hold(asked.recording))
    writing = stack.enter_context(scribe().open(recording))
    events = _events(writing, asked)
    response = Response(stream_with_context(events), mimetype="text/event-stream")
    response.call_on_close(stack.close)
    return response


@contextmanager
def _hold(recording: Recording) -> Iterator[Recording]:
    """Keep an upload while its answer streams: its picture is read after its sound."""
    path = recording.path.with_name(f"{recording.path.name}.held")
    try:
        os.link(recording.path, path)
    except OSError:  # without links the picture is left out
        yield recording
        return
    try:
        yield replace(recording, path=path)
    finally:
        path.unlink(missing_ok=True)


def _events(writing: Writing, asked: Asked) -> Iterator[str]:
    texts: list[str] = []
    try:
        for block in writing.lines():
            if not block:
                yield _NO_EVENT
            for line in block:
                delta = f" {line.text}" if texts else line.text
                texts.append(delta)
                yield _event(
                    {
                        "type": "transcript.text.delta",
                        "delta": delta,
                        "start": round(line.start_s, 3),
                        "end": round(line.end_s, 3),
                    }
                )
        if asked.form == DIARIZED:
            for number, spoken in enumerate(writing.transcript.lines):
                yield _event(diarized_segment(number, spoken))
        transcript_id = _keep(writing.transcript, asked)
    except DuetError as error:
        yield _event(error_body(error, g.request_id))
        return
    done = {"type": "transcript.text.done", "text": "".join(texts)}
    yield _event(done | ({"transcript_id": transcript_id} if transcript_id else {}))


def _event(data: dict[str, Any]) -> str:
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n"
