"""From the table of endpoints to routes: read the request, do it, write the answer. Source: ADM-13."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

import msgspec
from aiohttp import web

from smgw.administrator.access import USER
from smgw.administrator.api import ENDPOINTS
from smgw.administrator.api.endpoints import Call, Desk, Endpoint, ProposalRow, admit, obey
from smgw.administrator.api.openapi import PREFIX, document
from smgw.core.errors import PeerFault


def add_api(app: web.Application, desk: Desk) -> None:
    """Add every endpoint, and the document that describes them."""
    for endpoint in ENDPOINTS:
        app.router.add_route(endpoint.method, PREFIX + endpoint.path, _handler(endpoint, desk))
    described = msgspec.json.format(msgspec.json.encode(document(ENDPOINTS)), indent=1)

    async def openapi(_: web.Request) -> web.Response:
        return web.Response(body=described, content_type="application/json")

    app.router.add_get(f"{PREFIX}/openapi.json", openapi)


def _handler(endpoint: Endpoint, desk: Desk) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        call = Call(desk, request[USER], dict(request.match_info))
        admit(endpoint, call)
        query = None if endpoint.query is None else read(dict(request.query), endpoint.query, strict=False)
        if endpoint.query is None and request.query:
            raise PeerFault("administrator.request", "this address takes no parameters")
        body = None if endpoint.body is None else decode(await request.read(), endpoint.body)
        result = await obey(endpoint, call._replace(query=query, body=body))
        if isinstance(result, bytes):
            return web.Response(body=result, content_type=endpoint.media)
        status = HTTPStatus.ACCEPTED if endpoint.may_propose and isinstance(result, ProposalRow) else endpoint.status
        return web.Response(body=msgspec.json.encode(result), status=status, content_type="application/json")

    return handle


def read(values: Any, kind: Any, *, strict: bool = True) -> Any:
    """Read values as a struct. Raises: PeerFault administrator.request."""
    try:
        return msgspec.convert(values, type=kind, strict=strict)
    except msgspec.ValidationError as problem:
        raise PeerFault("administrator.request", str(problem)[:200]) from problem


def decode(body: bytes, kind: Any) -> Any:
    """Read JSON as a struct. Raises: PeerFault administrator.request."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as problem:
        raise PeerFault("administrator.request", str(problem)[:200]) from problem
