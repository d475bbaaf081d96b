"""The OpenAPI document is valid, says something about everything, and its examples are what it promises."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from alerthistory_gateway.openapi import document

DOCUMENT = document()
METHODS = ("get", "head", "post", "put", "patch", "delete")
OPERATIONS: dict[str, Mapping[str, Any]] = {
    f"{method} {path}": operation
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
    if method in METHODS
}
every_operation = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)


def test_document_is_valid() -> None:
    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_operations_have_names_of_their_own() -> None:
    names = [operation["operationId"] for operation in OPERATIONS.values()]
    assert len(names) == len(set(names))


@every_operation
def test_every_operation_is_described(operation: Mapping[str, Any]) -> None:
    assert operation["summary"]
    assert operation["tags"][0] in [tag["name"] for tag in DOCUMENT["tags"]]
    assert all(_resolved(each)["description"] for each in operation.get("parameters", ()))
    assert all(_resolved(each)["description"] for each in operation["responses"].values())


@every_operation
def test_every_example_matches_its_schema(operation: Mapping[str, Any]) -> None:
    for schema, example in _examples(operation):
        validator = Draft202012Validator({**schema, "components": DOCUMENT["components"]})
        assert not list(validator.iter_errors(example))


def _examples(operation: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], Any]]:
    bodies = [operation["requestBody"]] if "requestBody" in operation else []
    for body in [*bodies, *(_resolved(each) for each in operation["responses"].values())]:
        for content in body.get("content", {}).values():
            named = [each["value"] for each in content.get("examples", {}).values()]
            for example in [*named, *([content["example"]] if "example" in content else [])]:
                yield content["schema"], example


def _resolved(each: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" not in each:
        return each
    found: Any = DOCUMENT
    for name in each["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    assert isinstance(found, dict)
    return found
