"""The OpenAPI document is complete, and the server keeps to it whatever it is sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.app.serving import Caller, Served

CHECKS = [
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
DOCUMENT = Path(__file__).parents[2] / "docs" / "app-api.md"
# What a call may find there, so that it comes further than "there is no such session".
_TAKES_AWAY = ("DELETE /api/sessions/{session}",)


@pytest.fixture(scope="module")
def document(served: Served) -> dict[str, Any]:
    with served.client() as client:
        found: dict[str, Any] = client.json("GET", "/openapi.json")
    return found


def test_every_answer_is_as_the_document_says(
    served: Served, client: Caller, studies: dict[str, str], document: dict[str, Any]
) -> None:
    session = client.begin(studies["one"])
    client.json("POST", f"/sessions/{session}/brush", {"mode": "paint", "path": [[20, 24, 10]], "radius_mm": 9})
    there = {"session": session, "lesion": 1, "study": studies["one"]}
    headers = {"Authorization": f"Bearer {served.token()}"}
    operations = [result.ok() for result in schemathesis.openapi.from_dict(document).get_all_operations()]
    assert len(operations) == sum(len(methods) for methods in document["paths"].values())
    for operation in operations:
        # The stream of events does not end.
        if operation.path != "/api/events":
            require_kept(operation, served.url, headers, {} if operation.label in _TAKES_AWAY else there)


def require_kept(operation: Any, url: str, headers: dict[str, str], there: dict[str, Any]) -> None:
    """Call an operation with whatever fits its parameters, half of the time on what is there."""

    @settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
    @given(case=operation.as_strategy(), known=st.booleans())
    def call(case: Any, known: bool) -> None:
        if known:
            case.path_parameters = {k: there.get(k, v) for k, v in case.path_parameters.items()}
        case.call_and_validate(base_url=url, checks=CHECKS, headers=headers, timeout=120)

    call()


def test_every_route_is_in_the_document_that_people_read(document: dict[str, Any]) -> None:
    text = DOCUMENT.read_text("utf-8")
    for path in document["paths"]:
        word = [part for part in path.split("/") if part and not part.startswith("{")][-1]
        assert word in text, path


def test_every_route_says_what_it_does_and_what_it_refuses(document: dict[str, Any]) -> None:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert {"401", "403", "404", "409", "413", "422"} <= set(operation["responses"]), (path, method)
            assert operation["description"], (path, method)
