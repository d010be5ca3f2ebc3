"""COSEM over the reversed HTTP of the management channel: what may stand in a request before its sealed command is opened.

The command inside says method and address once more, signed, so that what HTTP says alone has no effect.
Source: WAN-08, SEC-03; 20-wan-crypto-pki 1.4.
"""

from smgw.codec.cosem_message import accepts, is_sealed_cosem
from smgw.codec.cosem_resources import VERBS, parse_target
from smgw.core.errors import PeerFault
from smgw.gateway.wan.context import Context
from smgw.gateway.wan.management import Reply, reply
from smgw.protocol.tunnel_http import Request


def answer_cosem(context: Context, request: Request) -> Reply:
    """Give the sealed answer to one request.

    Raises: PeerFault command.resource, cosem.verb, cosem.unsealed, cosem.media, cosem.accept, cosem.not_implemented, command.mismatch; as
    `management.reply`. Nothing was done then.
    """
    headers = dict(request.headers)
    kind = parse_target(request.target).resource.kind
    if request.method not in VERBS[kind]:
        raise PeerFault("cosem.verb", f"{request.method} {kind}")
    if not request.body:
        raise PeerFault("cosem.unsealed", request.method)
    if "content-encoding" in headers:
        raise PeerFault("cosem.not_implemented", "content encoding: sealed content may be compressed inside")
    if not is_sealed_cosem(headers.get("content-type", "")):
        raise PeerFault("cosem.media", ascii(headers.get("content-type", ""))[:40])
    if not accepts(headers.get("accept", "")):
        raise PeerFault("cosem.accept", ascii(headers["accept"])[:40])
    return reply(context, request.body, (request.method, request.target))
