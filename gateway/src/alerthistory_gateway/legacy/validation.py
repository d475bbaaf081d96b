"""Queries and bodies, validated by pydantic, whose own words are the contract's 422 answers."""

import json
from collections.abc import Mapping
from email.message import Message
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from alerthistory_gateway.legacy.json_errors import complaint
from alerthistory_gateway.legacy.rendering import json_answer, refusal

_M = TypeVar("_M", bound=BaseModel)


class RefusedError(Exception):
    """The request is answered with *response* instead of being served."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status_code)
        self.response = response


def read_query(request: Request, model: type[_M]) -> _M:
    """Return the query parameters as *model*: of repeated ones the last, unknown ones ignored.

    Raises RefusedError that names every wrong one, in the order of the model.
    """
    given = request.query_params
    return _validated(model, {name: given[name] for name in model.model_fields if name in given}, where="query")


def read_body(request: Request, body: bytes, model: type[_M]) -> _M:
    """Return *body* as *model*; raise RefusedError as the contract says for bodies that are not JSON, or not right."""
    return as_model(read_json(request, body), model)


def read_json(request: Request, body: bytes) -> Any:
    """Return the JSON value in *body*, None when it is empty, and a text when it claims to be something else.

    Raises RefusedError when it is not JSON. Services that are away are looked at between this and ``as_model``.
    """
    return _parsed(body) if _is_json(request.headers.get("content-type")) else body.decode(errors="replace") or None


def as_model(content: Any, model: type[_M]) -> _M:
    """Return the body *content* as *model*; raise RefusedError that names everything that is wrong."""
    if content is None:
        raise RefusedError(_unprocessable({"type": "missing", "loc": ["body"], "msg": "Field required", "input": None}))
    if not isinstance(content, dict):
        message = "Input should be a valid dictionary or object to extract fields from"
        error = {"type": "model_attributes_type", "loc": ["body"], "msg": message, "input": content}
        raise RefusedError(_unprocessable(error))
    return _validated(model, content, where="body")


def _validated(model: type[_M], content: Mapping[str, Any], *, where: str) -> _M:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise RefusedError(_unprocessable(*(_shown(dict(each), where) for each in _details(error)))) from error


def _details(error: ValidationError) -> list[Any]:
    return list(error.errors(include_url=False))


def _shown(error: dict[str, Any], where: str) -> dict[str, Any]:
    return {**error, "loc": [where, *error["loc"]]}


def _parsed(body: bytes) -> Any:
    if not body:
        return None
    try:
        return json.loads(body)
    except json.JSONDecodeError as error:
        message, position = complaint(error)
        raise RefusedError(
            _unprocessable(
                {
                    "type": "json_invalid",
                    "loc": ["body", position],
                    "msg": "JSON decode error",
                    "input": {},
                    "ctx": {"error": message},
                }
            )
        ) from error
    except (ValueError, RecursionError) as error:  # Not UTF-8, nested too deeply, or a number of too many digits.
        raise RefusedError(refusal(400, "There was an error parsing the body")) from error


def _is_json(content_type: str | None) -> bool:
    if not content_type:
        return True
    message = Message()
    message["content-type"] = content_type
    subtype = message.get_content_subtype()
    return message.get_content_maintype() == "application" and (subtype == "json" or subtype.endswith("+json"))


def _unprocessable(*errors: dict[str, Any]) -> Response:
    return json_answer({"detail": list(errors)}, status=422)
