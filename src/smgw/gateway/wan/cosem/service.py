"""Obey one command at a COSEM address: what it names, what may be done with it, and the answer as XML.

Everything that changes something runs the route of the JSON form, so both forms have one right, one rule and one log.
Source: WAN-08, ADM-11, LIFE-09; 20-wan-crypto-pki 1.4.
"""

from smgw.codec.cosem_elements import Document, MethodResult, decode_document, encode_document
from smgw.codec.cosem_message import XML_LIMIT, CosemAnswer, CosemRequest, accepts, decode_request, section
from smgw.codec.cosem_resources import VERBS, Part, Resource, Selection, Target, parse_target
from smgw.core.errors import DomainFault, LimitFault, PeerFault
from smgw.core.state import Permission, require
from smgw.gateway.wan.context import Call, Context, Outcome
from smgw.gateway.wan.cosem.change import invoke, method_of, remove, write
from smgw.gateway.wan.cosem.tree import Tree

ACCEPTED = 202
REFUSED = 1
"""Status of a method that a rule of the gateway forbids."""


def obey_cosem(context: Context, call: Call) -> Outcome:
    """Obey a command at a COSEM address; what it changes it changes whole or not at all.

    Raises: PeerFault command.resource, command.body, cosem.*; DecodeFault command.structure, xml.structure; LimitFault; DomainFault;
    UsageError state.refused.
    """
    if context.is_examiner:
        raise PeerFault("command.resource", "not for an administrator to be")
    require(context.state(), Permission.OBEY_ADMINISTRATOR)
    command = call.command
    target, request = parse_target(command.resource), decode_request(bytes(command.body))
    kind = target.resource.kind
    if command.method not in VERBS[kind]:
        raise PeerFault("cosem.verb", f"{command.method} {kind}")
    if not accepts(request.accept):
        raise PeerFault("cosem.accept", ascii(request.accept)[:40])
    if command.method == "GET":
        return _read(context, target, request)
    if target.selection != Selection() or target.part != Part():
        raise PeerFault("cosem.selection", "only what is read is asked for in parts")
    if request.range:
        raise PeerFault("cosem.not_implemented", "a range of what is written")
    if command.method == "POST":
        return _call(context, call, target.resource, request)
    with context.journal.transaction():
        if command.method == "PUT":
            return write(context, call, target.resource, decode_document(request.xml.encode()))
        if request.xml:
            raise PeerFault("cosem.content", "nothing is needed")
        return remove(context, call, target.resource)


def subject_of(resource: str) -> str:
    """Name what a reading command reads, for the log: down to the object."""
    path = resource.partition("?")[0].strip("/").split("/")
    return "/".join(path[:5])


def _read(context: Context, target: Target, request: CosemRequest) -> Outcome:
    if request.xml:
        raise PeerFault("cosem.content", "nothing is needed")
    text = xml_of(Tree(context).read(target))
    if request.range:
        part = section(text, request.range)
        if len(part.text) > XML_LIMIT:
            raise LimitFault("cosem.too_much", f"a part of {len(part.text)} octets")
        return Outcome(206, CosemAnswer(part.text, part.name))
    if len(text) > XML_LIMIT:
        raise LimitFault("cosem.too_much", f"{len(text)} octets")
    return Outcome(200, CosemAnswer(text))


def _call(context: Context, call: Call, resource: Resource, request: CosemRequest) -> Outcome:
    row = method_of(context, resource)
    document = decode_document(request.xml.encode())
    try:
        with context.journal.transaction():
            outcome, result = invoke(context, call, row, document)
    except DomainFault as fault:
        return refused(context, fault)
    if outcome.pending is not None and outcome.status == ACCEPTED:
        return outcome._replace(body=CosemAnswer(xml_of(result._replace(status=None))))
    return outcome._replace(status=200, body=CosemAnswer(xml_of(result)))


def refused(context: Context, fault: DomainFault) -> Outcome:
    """Answer a call that a rule forbids: the method has ended, with a status above 0."""
    name = context.administrator_name
    context.recorder.record("command_rejected", subject=name, success=False, partner=name, code=fault.code)
    return Outcome(500, CosemAnswer(xml_of(MethodResult(REFUSED))), fault.code)


def xml_of(document: Document) -> str:
    """Write a document in ASCII, so that its octets and its characters are the same."""
    return encode_document(document).decode().encode("ascii", "xmlcharrefreplace").decode()
