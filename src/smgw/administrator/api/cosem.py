"""COSEM commands to a gateway: queued like every other, with the XML as it is sent and as it came. Source: WAN-08, ADM-02, ADM-13."""

from typing import Annotated

import msgspec

from smgw.administrator.api.endpoints import OPERATING, SEEING, Call, Endpoint, ProposalRow
from smgw.administrator.api.gateways import status_of
from smgw.administrator.api.jobs import JobRow, job_row
from smgw.administrator.api.submit import submit
from smgw.administrator.cosem import check_order, is_cosem
from smgw.administrator.orders import JobOrder, Method
from smgw.codec.cosem_message import CosemRequest, decode_cosem_answer
from smgw.codec.cosem_resources import URI_LIMIT
from smgw.core.errors import DecodeFault, DomainFault

Address = Annotated[str, msgspec.Meta(pattern=r"\A/cosem/[!-~]{1,3990}\Z", max_length=URI_LIMIT)]


class NewCosemCommand(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Order one COSEM command."""

    method: Method
    address: Address
    """With its query, for example `/cosem/ldevs`; see docs/cosem.md."""
    xml: Annotated[str, msgspec.Meta(max_length=250_000)] = ""
    """Body of what is written or called."""
    range: Annotated[str, msgspec.Meta(max_length=40)] = ""
    """Which octets of the answer's XML: `bytes=0-65535`."""


class CosemResult(msgspec.Struct, frozen=True):
    """Show what became of a COSEM command."""

    job: JobRow
    xml: str
    """What the gateway answered, or the part of it that was asked for."""
    range: str
    """Which octets of how many these are, when they are a part."""


def order(call: Call) -> JobRow | ProposalRow:
    """Queue a COSEM command. Raises: as `check_order`."""
    device_id, wanted = status_of(call).device_id, call.body
    check_order(call.books.inventory, device_id, wanted.method, wanted.address, wanted.xml, call.now)
    body = msgspec.to_builtins(CosemRequest(wanted.xml, range=wanted.range))
    summary = f"order {wanted.method} {wanted.address[:200]}"
    done = submit(call, "job", summary, JobOrder(device_id, wanted.method, wanted.address, body))
    return done if isinstance(done, ProposalRow) else job_row(done)


def result(call: Call) -> CosemResult:
    """Show a COSEM command and its answer. Raises: DomainFault administrator.unknown_job for a job of another form."""
    job = call.books.jobs.job(call.number())
    if not is_cosem(job.resource):
        raise DomainFault("administrator.unknown_job", f"{job.id} is no COSEM command")
    try:
        answer = decode_cosem_answer(bytes(job.result))
    except DecodeFault:
        # The result of work that ended later has the form that all results have; it stands in the job itself.
        answer = decode_cosem_answer(b"null")
    return CosemResult(job_row(job), answer.xml, answer.range)


_ORDERS = "/gateways/{device_id}/cosem"

ENDPOINTS = (
    Endpoint("POST", _ORDERS, OPERATING, order, "Order a COSEM command", JobRow, NewCosemCommand, status=201, may_propose=True),
    Endpoint("GET", "/cosem/{number}", SEEING, result, "Show a COSEM command and its answer", CosemResult),
)
