"""The OpenAPI 3.1 document, made from the table of endpoints. Source: ADM-13."""

import re
from importlib.metadata import version
from typing import Any

import msgspec

from smgw.administrator.api.endpoints import ANYONE, Endpoint

PREFIX = "/api/v1"
_TEMPLATE = "#/components/schemas/{name}"


class Problem(msgspec.Struct, frozen=True):
    """Say what was wrong: a code of docs/errors.md, what happened, what to do."""

    error: str
    title: str = ""
    hint: str = ""
    detail: str = ""


_REFUSALS = {
    "400": "The request is not well formed.",
    "401": "Nobody is logged in.",
    "403": "The role is missing.",
    "404": "There is nothing of that name.",
    "409": "A rule forbids it.",
    "413": "The body is too long.",
    "503": "The store takes nothing for the moment.",
}


def document(endpoints: tuple[Endpoint, ...]) -> dict[str, Any]:
    """Describe endpoints."""
    kinds = [kind for row in endpoints for kind in (row.answer, row.body, row.query) if kind not in (None, bytes)] + [Problem]
    schemas, components = msgspec.json.schema_components(kinds, ref_template=_TEMPLATE)
    known = {repr(kind): schema for kind, schema in zip(kinds, schemas, strict=True)}
    paths: dict[str, dict[str, Any]] = {}
    for row in endpoints:
        paths.setdefault(PREFIX + row.path, {})[row.method.lower()] = _operation(row, known, components)
    for row in endpoints:
        # A query is told as parameters; nothing refers to it as a body.
        if row.query is not None:
            components.pop(row.query.__name__, None)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Gateway administrator",
            "version": version("smgw"),
            "description": "Every change is audited with the user's name.",
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}},
    }


def _operation(row: Endpoint, known: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": known[repr(row.answer)]} if row.answer is not bytes else {}
    responses: dict[str, Any] = {str(row.status): {"description": "Done.", "content": {row.media: content}}}
    if row.may_propose:
        proposal = {"schema": {"$ref": _TEMPLATE.format(name="ProposalRow")}}
        text = "It waits for a second person." if row.status != 202 else "It is ordered, or waits for a second person."
        both = {"schema": {"anyOf": [known[repr(row.answer)], proposal["schema"]]}} if row.status == 202 else proposal
        responses["202"] = {"description": text, "content": {row.media: both}}
    for status, text in _REFUSALS.items():
        responses[status] = {"description": text, "content": {"application/json": {"schema": known[repr(Problem)]}}}
    roles = "any user" if row.roles == ANYONE else "role " + " or ".join(sorted(row.roles))
    operation: dict[str, Any] = {
        "operationId": operation_id(row),
        "summary": row.summary,
        "description": f"Needs: {roles}.",
        "tags": [row.path.split("/")[1]],
        "parameters": [*_path_parameters(row), *_query_parameters(row, components)],
        "responses": responses,
    }
    if row.body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": known[repr(row.body)]}}}
    return operation


def operation_id(row: Endpoint) -> str:
    """Name an operation."""
    return re.sub(r"[^a-z0-9]+", "_", f"{row.method}{row.path}".lower()).strip("_")


def _path_parameters(row: Endpoint) -> list[dict[str, Any]]:
    names = re.findall(r"\{(\w+)\}", row.path)
    kinds = {"number": {"type": "integer", "minimum": 0}}
    return [{"name": name, "in": "path", "required": True, "schema": kinds.get(name, {"type": "string", "minLength": 1})} for name in names]


def _query_parameters(row: Endpoint, components: dict[str, Any]) -> list[dict[str, Any]]:
    if row.query is None:
        return []
    properties = components[row.query.__name__]["properties"]
    return [{"name": name, "in": "query", "required": False, "schema": schema} for name, schema in properties.items()]
