"""Batches of the voice API: one operation on several items, one after the other.

An item that is refused does not keep the others from being done.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from flask import g, request
from werkzeug.datastructures import FileStorage

from utils.errors import DuetError, InvalidRequestError
from web.compat.speakers.answers import stamp
from web.compat.speakers.operations import OPERATIONS, Operation, identify
from web.compat.speakers.requests import (
    FILES,
    MAX_JSON_BYTES,
    Values,
    VoiceRequest,
    read_object,
)
from web.wire import parse
from web.wire.hints import HINTS

MAX_BATCH = 32


@dataclass(frozen=True)
class BatchItem:
    """An item of a batch: how it is done, and what its result says of it."""

    run: Callable[[], dict[str, Any]]
    about: dict[str, str] = field(default_factory=dict)


def read_json_batch() -> tuple[str, list[BatchItem]]:
    """Read the operation and the items of a JSON body. Raises InvalidRequestError."""
    body = parse.json_object(
        {"operation": str, "items": list}, ("operation", "items"), MAX_JSON_BYTES
    )
    name = body["operation"]
    if name not in OPERATIONS:
        raise InvalidRequestError(
            f"`operation` must be one of {', '.join(OPERATIONS)}. Received: {name[:40]!r}"
        )
    _check_count(len(body["items"]))
    operation = OPERATIONS[name]
    return name, [
        BatchItem(partial(_run_object, operation, index, value))
        for index, value in enumerate(body["items"])
    ]


def read_file_batch() -> list[BatchItem]:
    """Read the files of a form, to be identified. Raises InvalidRequestError."""
    request.max_form_parts = MAX_BATCH + 8
    values = parse.form(("threshold",), FILES)
    files: list[tuple[str, FileStorage]] = []
    for name in FILES:
        files += [(name, file) for file in request.files.getlist(name)]
    _check_count(len(files))
    return [
        _file_item(values, index, name=name, file=file) for index, (name, file) in enumerate(files)
    ]


def run_batch(operation: str, items: list[BatchItem]) -> dict[str, Any]:
    """Do every item, and show one result for each."""
    results = [
        {"index": index, **item.about, **_run_item(item)} for index, item in enumerate(items)
    ]
    count = sum(result["status"] == "success" for result in results)
    return {
        "operation": operation,
        "totalItems": len(results),
        "successCount": count,
        "errorCount": len(results) - count,
        "results": results,
        **stamp(),
        "request_id": g.request_id,
    }


def _run_item(item: BatchItem) -> dict[str, Any]:
    """Do an item. An error of the product is its result and does not end the batch."""
    try:
        return {"status": "success", "result": item.run()}
    except DuetError as error:
        return {"status": "error", "error": error.to_dict(HINTS)}


def _run_object(operation: Operation, index: int, value: object) -> dict[str, Any]:
    required = ["audioData"] if operation.needs_recording else []
    values = parse.checked_object(value, operation.fields, required, "An item")
    return operation.run(read_object(values, _item_id(index)))


def _file_item(values: Values, index: int, *, name: str, file: FileStorage) -> BatchItem:
    def run() -> dict[str, Any]:
        upload = parse.read_upload(file, name)
        return identify(VoiceRequest(values, [upload], _item_id(index)))

    return BatchItem(run, {"filename": file.filename or ""})


def _item_id(index: int) -> str:
    """Make the request id of an item, of 64 characters at most."""
    return f"{g.request_id[:61]}-{index}"


def _check_count(count: int) -> None:
    if not 1 <= count <= MAX_BATCH:
        raise InvalidRequestError(
            f"A batch holds 1 to {MAX_BATCH} items. Received: {count}",
            "Send the others in another batch.",
        )
