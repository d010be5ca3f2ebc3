"""Commands that wait for their gateway, and what became of them. Source: WAN-08, ADM-02."""

from typing import Annotated, Any

import msgspec

from smgw.administrator.api.endpoints import OPERATING, SEEING, Call, Endpoint, Limit, Number, ProposalRow
from smgw.administrator.api.gateways import status_of
from smgw.administrator.api.submit import submit
from smgw.administrator.jobs import Job
from smgw.administrator.orders import JobOrder, Method
from smgw.core.errors import PeerFault
from smgw.core.profiles import PROFILE_KINDS

Resource = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9._~*:-]{1,80}(/[A-Za-z0-9._~*:-]{1,80}){0,5}\Z")]


class JobsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Choose jobs, newest first."""

    limit: Limit = 100
    before: Number = 0
    """Number of a job; 0 begins with the newest."""


class NewJob(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Order one command."""

    method: Method
    resource: Resource
    """Below the administrator's prefix, for example `log/system/1`; see docs/wan-interface.md."""
    body: Any = None


class JobRow(msgspec.Struct, frozen=True):
    """Show one job."""

    id: int
    command_id: str
    device_id: str
    method: str
    resource: str
    state: str
    created_at: str
    created_by: str
    accepted_at: str
    """When the gateway took a command whose result follows; empty for what was answered at once."""
    ended_at: str
    status: int
    code: str
    attempts: int
    result: msgspec.Raw
    """What the gateway answered."""


def job_row(job: Job) -> JobRow:
    """Show a job; its body may hold what only the gateway shall read."""
    return JobRow(**{name: getattr(job, name) for name in JobRow.__struct_fields__})


def jobs(call: Call) -> list[JobRow]:
    """List a gateway's jobs."""
    query: JobsQuery = call.query
    return [job_row(job) for job in call.books.jobs.of(status_of(call).device_id, query.limit, query.before)]


def job(call: Call) -> JobRow:
    """Show one job."""
    return job_row(call.books.jobs.job(call.number()))


def add_job(call: Call) -> JobRow | ProposalRow:
    """Queue a command. Raises: PeerFault administrator.request for a profile, which has a resource of its own."""
    device_id, wanted = status_of(call).device_id, call.body
    if wanted.method != "GET" and wanted.resource.split("/")[:2] in [["rts", kind] for kind in PROFILE_KINDS]:
        raise PeerFault("administrator.request", "resource: profiles have an address of their own")
    order = JobOrder(device_id, wanted.method, wanted.resource, wanted.body)
    done = submit(call, "job", f"order {wanted.method} {wanted.resource}", order)
    return done if isinstance(done, ProposalRow) else job_row(done)


def cancel(call: Call) -> JobRow:
    """Take back a job that still waits."""
    number = call.number()
    call.books.jobs.cancel(number, call.now, call.user.name)
    return job_row(call.books.jobs.job(number))


ENDPOINTS = (
    Endpoint("GET", "/gateways/{device_id}/jobs", SEEING, jobs, "List the jobs of a gateway", list[JobRow], query=JobsQuery),
    Endpoint("POST", "/gateways/{device_id}/jobs", OPERATING, add_job, "Order a command", JobRow, NewJob, status=201, may_propose=True),
    Endpoint("GET", "/jobs/{number}", SEEING, job, "Show a job", JobRow),
    Endpoint("DELETE", "/jobs/{number}", OPERATING, cancel, "Take back a job that waits", JobRow),
)
