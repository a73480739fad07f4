"""What Swagger UI shows is complete and true, and nothing comes from elsewhere."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jsonschema import Draft4Validator

from recognition.recognizer import Recognizer
from tests.support.documentation import ROOT
from tests.support.shapes import enroll, media, send
from utils.config import Settings
from web.factory import create_app
from web.wire.errors import STATUS
from web.wire.schema.base import MODELS
from web.wire.schema.examples import EXAMPLES, example_of


@pytest.fixture
def page_client(settings: Settings, recognizer: Recognizer) -> FlaskClient:
    return create_app({"SETTINGS": settings, "SWAGGER_UI": True}, recognizer).test_client()


@pytest.fixture
def spec(client: FlaskClient) -> dict[str, Any]:
    return client.get("/swagger.json").get_json()


def operations(spec: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    described = []
    for path, item in spec["paths"].items():
        for method, operation in item.items():
            if method != "parameters":
                described.append((f"{method.upper()} {path}", operation))
    return described


def test_every_route_is_described(app: Flask, spec: dict[str, Any]) -> None:
    routes_of_app = set()
    for rule in app.url_map.iter_rules():
        url = re.sub(r"<\w+:(\w+)>", r"{\1}", rule.rule)
        methods = (rule.methods or set()) - {"HEAD", "OPTIONS"}
        routes_of_app |= {f"{method} {url}" for method in methods}
    # docs/reference/live.md describes the WebSocket, docs/monitoring.md the text of the metrics
    elsewhere = {"GET /", "GET /swagger.json", "GET /v1/live", "GET /metrics"}
    assert {name for name, _ in operations(spec)} == routes_of_app - elsewhere


def test_every_field_has_a_description_and_an_example(spec: dict[str, Any]) -> None:
    for name, model in spec["definitions"].items():
        for field, about in model["properties"].items():
            where = f"{name}.{field}"
            refers = "$ref" in str(about)
            assert about.get("description"), where
            assert refers or "example" in about, where


def test_every_parameter_and_answer_is_described(spec: dict[str, Any]) -> None:
    for name, operation in operations(spec):
        assert operation["summary"], name
        for parameter in operation.get("parameters", []):
            assert parameter["in"] == "body" or parameter.get("description"), (name, parameter)
            is_file = "file" in (parameter.get("type"), parameter.get("items", {}).get("type"))
            assert (
                is_file
                or parameter["in"] == "body"
                or {"example", "default", "enum"} & set(parameter)
                or "Without it, " in parameter["description"]
            ), (name, parameter)
        success = [int(status) for status in operation["responses"] if int(status) < 400]
        assert len(success) == 1, name
        for status, answer in operation["responses"].items():
            assert answer["description"], (name, status)
            if int(status) >= 400:
                assert answer["schema"] == {"$ref": "#/definitions/Error"}, (name, status)


def test_answers_are_as_described(client: FlaskClient, spec: dict[str, Any]) -> None:
    enrolled = enroll(client, "ann")
    answers: dict[str, Any] = {
        "Enrolled": enrolled,
        "Person": client.get("/v1/people/ann"),
        "People": client.get("/v1/people"),
        "Templates": client.get("/v1/people/ann/templates"),
        "Health": client.get("/v1/health"),
        "Identification": send(
            client, "/v1/identify", media=media(face="ann", voice="ann", hints=["too_dark"])
        ),
        "Verification": send(
            client, "/v1/verify", media=media(face="ann", voice="ann"), person_id="ann"
        ),
        "IdentificationAnswer": send(
            client,
            "/Identification_Request",
            media=media(face="cem", voice="cem"),
            name="cem-1.mp4",
        ),
        "Error": client.get("/nope"),
        "Audit": client.get("/v1/audit"),
        "PersonExport": client.get("/v1/people/ann/export"),
        "Settings": client.get("/v1/settings"),
        "Visits": client.get("/v1/visits"),
        "Jobs": client.get("/v1/jobs"),
        "Duplicates": client.get("/v1/gallery/duplicates"),
        "Similarity": client.get("/v1/gallery/similarity"),
        "GalleryMap": client.get("/v1/gallery/map"),
    }
    for name, answer in answers.items():
        body = answer if isinstance(answer, dict) else answer.get_json()
        check(spec, body, {"$ref": f"#/definitions/{name}"}, name)


def check(spec: dict[str, Any], body: Any, about: dict[str, Any], where: str) -> None:
    """Check that every described field is there, nothing else is, and the types fit.

    Null is allowed where `x-nullable` says so, which clients are made by.
    """
    if body is None:
        assert about.get("x-nullable"), where
    elif "allOf" in about or "$ref" in about:
        target = (about.get("allOf") or [about])[0]["$ref"].rsplit("/", 1)[1]
        model = spec["definitions"][target]
        assert set(body) <= set(model["properties"]), where
        assert set(body) >= set(model.get("required", ())), where
        for field, value in body.items():
            check(spec, value, model["properties"][field], f"{where}.{field}")
    elif about.get("type") == "array":
        assert isinstance(body, list), where
        for value in body:
            check(spec, value, about["items"], where)
    else:
        Draft4Validator({k: v for k, v in about.items() if k in ("type", "enum")}).validate(body)


def test_each_model_has_a_name_of_its_own() -> None:
    """Of two models of one name, the later one alone is described."""
    names = [model.name for model in MODELS]
    assert len(names) == len(set(names))


def test_examples_fit_their_fields(spec: dict[str, Any]) -> None:
    for name, model in spec["definitions"].items():
        for field, about in model["properties"].items():
            if "example" in about:
                check(spec, about["example"], about, f"{name}.{field}")


def test_null_is_described_in_words_as_well(spec: dict[str, Any]) -> None:
    for name, model in spec["definitions"].items():
        for field, about in model["properties"].items():
            if about.get("x-nullable"):
                assert re.search(r"\bnull\b", about["description"], re.IGNORECASE), (name, field)


def examples_of(spec: dict[str, Any], field: str) -> list[Any]:
    """The examples of all fields of this name."""
    models = spec["definitions"].values()
    fields = [model["properties"].get(field, {}) for model in models]
    return [about["example"] for about in fields if "example" in about]


def test_example_codes_and_stages_exist(spec: dict[str, Any]) -> None:
    models = spec["definitions"]
    files = [*(ROOT / "align").glob("*.py"), *(ROOT / "recognition").glob("*.py")]
    sources = "".join(file.read_text(encoding="utf-8") for file in files)
    stages = {*re.findall(r'timed\([\w.\[\]]+, "(\w+)"\)', sources), "total"}
    examples = examples_of(spec, "timings_ms")
    assert examples
    for example in examples:
        assert set(example) <= stages
    hint = models["Hint"]["properties"]["code"]["example"]
    assert f'"{hint}"' in (ROOT / "align/hints.py").read_text(encoding="utf-8")
    codes = {
        models[name]["properties"]["code"]["example"] for name in ("ErrorDetail", "BatchError")
    }
    codes |= {example["code"] for example in examples_of(spec, "error")}
    assert len(codes) > 1
    assert codes <= set(STATUS)


def error_answers(spec: dict[str, Any]) -> Iterator[tuple[str, int, dict[str, Any]]]:
    for name, operation in operations(spec):
        for status, answer in operation["responses"].items():
            if int(status) >= 400:
                yield f"{name} {status}", int(status), answer


def test_each_error_of_each_route_has_its_own_example(spec: dict[str, Any]) -> None:
    answers = list(error_answers(spec))
    assert len(answers) > 100
    for where, status, answer in answers:
        codes = re.findall(r"`(\w+)`(?=: )", answer["description"].split("\n")[0])
        assert codes, where
        examples = answer["x-examples"]
        assert list(examples) == codes, where
        assert answer["examples"]["application/json"] == examples[codes[0]], where
        for code, body in examples.items():
            check(spec, body, answer["schema"], where)
            assert body["error"]["code"] == code
            assert STATUS[code] == status, (where, code)
            assert f'"code": "{code}"' in answer["description"], "people see it, too"


def message_patterns() -> list[re.Pattern[str]]:
    """Patterns of all texts in the code that may be messages. What is filled in may be any."""
    patterns: list[re.Pattern[str]] = []
    for folder in (
        "align",
        "gallery",
        "jobs",
        "recognition",
        "speech",
        "web/api",
        "web/compat",
        "web/guard",
        "web/wire",
    ):
        for file in (ROOT / folder).rglob("*.py"):
            if file.name != "examples.py":
                patterns += map(pattern_of, texts_in(file))
    return [pattern for pattern in patterns if pattern.pattern not in ("", ".*", ".+")]


def texts_in(file: Path) -> list[ast.expr]:
    """The constant and filled texts of a module."""
    nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    texts = [node for node in nodes if isinstance(node, ast.JoinedStr)]
    constants = [node for node in nodes if isinstance(node, ast.Constant)]
    return [*texts, *(node for node in constants if isinstance(node.value, str))]


def pattern_of(text: ast.expr) -> re.Pattern[str]:
    parts = text.values if isinstance(text, ast.JoinedStr) else [text]
    return re.compile(
        "".join(re.escape(str(p.value)) if isinstance(p, ast.Constant) else ".+" for p in parts)
    )


def test_examples_say_what_the_code_says() -> None:
    """Each message and hint is one that the code makes, and each detail has its name."""
    patterns = message_patterns()
    for code, error in EXAMPLES.items():
        assert any(pattern.fullmatch(error.message) for pattern in patterns), (code, error.message)
        hint = example_of(code)["error"]["hint"]
        assert not hint or any(pattern.fullmatch(hint) for pattern in patterns), (code, hint)
    assert set(EXAMPLES) <= set(STATUS)


def test_the_page_may_load_from_the_service_alone(page_client: FlaskClient) -> None:
    """Its links are followed in test_pages.py."""
    page = page_client.get("/")
    assert page.mimetype == "text/html"
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    assert 'data-specs-url="/swagger.json"' in page.get_data(as_text=True)


def test_no_page_without_swagger_ui(client: FlaskClient) -> None:
    for url in ("/", "/static/js/swagger.js", "/swaggerui/oauth2-redirect.html"):
        assert client.get(url).status_code == 404


def test_a_key_can_be_entered_but_need_not(
    settings: Settings, recognizer: Recognizer, spec: dict[str, Any]
) -> None:
    """Keys may be made while the service runs: the button is always there."""
    assert spec["securityDefinitions"] == {
        "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"}
    }
    assert spec["security"] == [{"key": []}, {}]
    assert spec["paths"]["/v1/health"]["get"]["security"] == []
    keyed = (
        create_app({"SETTINGS": settings.replace(api_key="k" * 32)}, recognizer)
        .test_client()
        .get("/swagger.json")
        .get_json()
    )
    assert "k" * 32 not in str(keyed)


def test_files_can_be_chosen(spec: dict[str, Any]) -> None:
    for path, fields in (
        ("/v1/identify", {"media"}),
        ("/v1/verify", {"media", "reference"}),
        ("/Identification_Request", {"media"}),
        ("/v1/people/{person_id}/templates", {"media"}),
    ):
        operation = spec["paths"][path]["post"]
        assert {p["name"] for p in operation["parameters"] if p.get("type") == "file"} == fields
        assert "multipart/form-data" in operation["consumes"]
